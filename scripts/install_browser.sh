#!/usr/bin/env bash
# Make a Chromium available for tests/test_report_browser.py: Debian's or Ubuntu's own package, where there is none yet.
set -euo pipefail

for name in chromium chromium-browser google-chrome; do
  if command -v "$name" > /dev/null && "$name" --version > /dev/null 2>&1; then exit 0; fi
done
if ! command -v apt-get > /dev/null; then
  echo "install_browser: no apt-get here; install Chromium yourself, or set CHROMIUM=/path/to/it" >&2
  exit 1
fi
root=()
if [ "$(id -u)" != 0 ]; then
  if ! sudo -n true 2> /dev/null; then
    echo "install_browser: needs root: sudo apt-get install --no-install-recommends chromium" >&2
    exit 1
  fi
  root=(sudo -n)
fi
log=$(mktemp)
trap 'rm -f "$log"' EXIT
echo "install_browser: installing the package chromium (about a minute, once)"
if ! { "${root[@]}" apt-get update \
  && "${root[@]}" apt-get install -y --no-install-recommends chromium; } > "$log" 2>&1; then
  echo "install_browser: apt-get cannot install chromium: $(grep -m1 '^E:' "$log" || tail -n 1 "$log")" >&2
  exit 1
fi
