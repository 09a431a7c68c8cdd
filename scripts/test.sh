#!/usr/bin/env bash
# Install if needed, then run all tests: the unit tests first, then the ones on the real stack.
# Arguments go to pytest, for both parts: bash scripts/test.sh -x
set -euo pipefail
cd "$(dirname "$0")/.."
bash scripts/install.sh
echo "test: unit tests"
.venv/bin/python -m pytest -q -m "not stack" "$@"
echo "test: OpenRLHF, Ray, vLLM, DeepSpeed and a browser for real (minutes)"
bash scripts/install_browser.sh
.venv/bin/python -m pytest -q -m stack --durations=0 tests "$@"
