#!/usr/bin/env bash
# Install if needed, then run the tests: the unit tests first, then the ones on the real stack. With --all as the first
# argument the nightly ones too, which take hours. The others go to pytest, for every part: bash scripts/test.sh -x
set -euo pipefail
cd "$(dirname "$0")/.."
all=no
if [ "${1:-}" = --all ]; then
    all=yes
    shift
fi
bash scripts/install.sh
echo "test: unit tests"
.venv/bin/python -m pytest -q -m "not stack" "$@"
echo "test: OpenRLHF, Ray, vLLM, DeepSpeed and a browser for real (minutes)"
bash scripts/install_browser.sh
.venv/bin/python -m pytest -q -m stack --durations=0 tests "$@"
if [ "$all" = yes ]; then
    echo "test: batches of ten million answers, and groups of 1,024 (hours)"
    .venv/bin/python -m pytest -q -m nightly --durations=0 tests "$@"
fi
