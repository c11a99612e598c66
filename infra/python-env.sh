#!/usr/bin/env bash
# Makes a virtual environment; on a bare Debian the package python3-venv is installed first.
set -euo pipefail
python=$1 venv=$2
if ! "$python" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))' 2>/dev/null; then
    echo "Shoplight needs Python 3.11 to 3.13; name one with: make PYTHON=/path/to/python3.11" >&2
    [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null || exit 1
    apt-get update -qq && apt-get install -y -qq --no-install-recommends python3 python3-venv
    python=/usr/bin/python3
fi
if ! "$python" -m venv "$venv" 2>/dev/null; then
    [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null || { echo "Install python3-venv first." >&2; exit 1; }
    apt-get update -qq && apt-get install -y -qq --no-install-recommends python3-venv
    rm -rf "$venv" && "$python" -m venv "$venv"
fi
