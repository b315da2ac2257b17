#!/bin/sh
# Installs schemathesis from PyPI into target/schemathesis. Does nothing when it is there.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
cd "$here/../.."
root=target/schemathesis
if cmp -s "$here/requirements.txt" "$root/made-from"; then
  echo 'schemathesis is installed'
  exit 0
fi
rm -rf "$root"
python3 -m venv "$root/venv"
"$root/venv/bin/python" -m pip install --quiet --disable-pip-version-check --requirement "$here/requirements.txt"
cp "$here/requirements.txt" "$root/made-from"
