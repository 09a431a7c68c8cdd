#!/usr/bin/env bash
# Install if needed, then run the tests: the unit tests first, then the ones on the real stack.
#   bash scripts/test.sh         what every change has to pass
#   bash scripts/test.sh --all   the nightly ones too: long fuzzing, large batches, every fault (40 minutes)
# Other arguments go to pytest, for both parts: bash scripts/test.sh -x
set -euo pipefail
cd "$(dirname "$0")/.."
chosen="and not nightly" arguments=()
for argument in "$@"; do
  if [ "$argument" = --all ]; then chosen="and (nightly or not nightly)"; else arguments+=("$argument"); fi
done
bash scripts/install.sh
echo "test: unit tests"
.venv/bin/python -m pytest -q -m "not stack $chosen" "${arguments[@]}"
echo "test: OpenRLHF, Ray, vLLM, DeepSpeed and a browser for real (minutes)"
bash scripts/install_browser.sh
.venv/bin/python -m pytest -q -m "stack $chosen" --durations=0 tests "${arguments[@]}"
