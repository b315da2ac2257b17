#!/usr/bin/env bash
# Installs what the pages' Python needs into target/docs-python, once.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
home="${CARGO_TARGET_DIR:-target}/docs-python"
wanted=tests/docs/requirements.txt
if ! cmp -s "$wanted" "$home/requirements.txt"; then
  rm -rf "$home"
  python3 -m venv "$home"
  "$home/bin/pip" install --quiet --disable-pip-version-check --require-virtualenv -r "$wanted"
  cp "$wanted" "$home/requirements.txt"
fi
"$home/bin/python3" -c 'import websockets; print("websockets", websockets.__version__)'
