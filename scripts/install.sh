#!/usr/bin/env bash
# Make .venv with the whole CPU host: OpenRLHF, Ray, vLLM, DeepSpeed, torch, and this project.
# Needs Python 3.11, pip and gcc; about 3 GB and 4 minutes. Runs again only when the lock changes.
set -euo pipefail
cd "$(dirname "$0")/.."

python=${PYTHON:-python3.11}
stamp=.venv/installed-$(sha256sum requirements/cpu.txt setup.cfg pyproject.toml | sha256sum | cut -c1-16)
[ -e "$stamp" ] && exit 0

if ! "$python" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' 2>/dev/null; then
  echo "install: '$python' is not Python 3.11, which the locked wheels are built for; set PYTHON=/path/to/python3.11" >&2
  exit 1
fi

echo "install: making .venv (about 4 minutes, once); the log is install.log"
rm -f .venv/installed-*
"$python" -m venv .venv
# DeepSpeed is built from source: without its CUDA operations that takes seconds.
if ! DS_BUILD_OPS=0 DS_ACCELERATOR=cpu .venv/bin/pip install --no-deps --disable-pip-version-check --progress-bar off \
    -r requirements/cpu.txt > install.log 2>&1 \
  || ! .venv/bin/pip install --no-deps --disable-pip-version-check -e . >> install.log 2>&1; then
  tail -n 20 install.log >&2
  echo "install: pip failed; the whole log is install.log" >&2
  exit 1
fi
touch "$stamp"
