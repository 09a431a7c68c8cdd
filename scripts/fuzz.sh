#!/usr/bin/env bash
# Fuzz what reads designs, rewards and metrics: bash scripts/fuzz.sh [INPUTS] [FIGURES.json] [--seed NUMBER]
# 100,000 inputs if none are said, five minutes; exit status 1 if one broke something. Installs atheris,
# which has a wheel for Python 3.11 alone, into .venv; with PYTHON=... another environment is used, and atheris too.
set -euo pipefail
cd "$(dirname "$0")/.."
if [ -z "${PYTHON:-}" ]; then
  bash scripts/install.sh
  PYTHON=.venv/bin/python
fi
if ! "$PYTHON" -c 'import atheris' 2>/dev/null; then
  "$PYTHON" -m pip install --quiet --no-deps --disable-pip-version-check atheris==3.0.0
fi
PYTHONPATH=.:tests${PYTHONPATH:+:$PYTHONPATH} exec "$PYTHON" -W ignore -m fuzz.campaign "$@"
