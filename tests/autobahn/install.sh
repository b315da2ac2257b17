#!/bin/sh
# Installs the Autobahn cases from PyPI into target/autobahn, converted to Python 3. Does nothing when they are there.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
cd "$here/../.."
root=target/autobahn
if cat "$here/requirements.txt" "$here/port.py" | cmp -s - "$root/made-from"; then
  echo 'the Autobahn cases are installed'
  exit 0
fi
rm -rf "$root"
python3 -m venv "$root/venv"
"$root/venv/bin/python" -m pip install --quiet --disable-pip-version-check --requirement "$here/requirements.txt"
"$root/venv/bin/python" "$here/port.py" "$root/suite"
cat "$here/requirements.txt" "$here/port.py" >"$root/made-from"
