#!/usr/bin/env bash
# Install if needed, then run all tests: the unit tests first, then the ones on the real stack.
# With --all first, the long ones of every night too. Other arguments go to pytest, for both parts: bash scripts/test.sh -x
set -euo pipefail
cd "$(dirname "$0")/.."
bash scripts/install.sh
unit="not stack and not nightly"
if [ "${1:-}" = --all ]; then
  unit="not stack"
  shift
fi
echo "test: unit tests"
.venv/bin/python -m pytest -q -m "$unit" "$@"
echo "test: OpenRLHF, Ray, vLLM, DeepSpeed and a browser for real (minutes)"
bash scripts/install_browser.sh
.venv/bin/python -m pytest -q -m stack --durations=0 tests "$@"
