#!/usr/bin/env bash
# Install if needed, then train a small policy on mazes with configs/passk.yaml, on this machine's CPU, for real.
# Arguments go to passk_rlhf/quickstart.py: bash scripts/quickstart.sh --help
set -euo pipefail
cd "$(dirname "$0")/.."
bash scripts/install.sh
exec .venv/bin/python -m passk_rlhf.quickstart "$@"
