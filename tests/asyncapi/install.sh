#!/bin/sh
# Installs AsyncAPI's own parser from npm into target/asyncapi, without running anything of it. Does nothing when it is there.
set -eu
cd "$(dirname "$0")/../.."
parser=@asyncapi/parser@3.6.6
root=target/asyncapi
if [ "$(cat "$root/made-from" 2>/dev/null)" = "$parser" ]; then
  echo "AsyncAPI's parser is installed"
  exit 0
fi
rm -rf "$root"
mkdir -p "$root"
npm install --prefix "$root" --ignore-scripts --no-save --no-package-lock --no-audit --no-fund --silent "$parser"
echo "$parser" >"$root/made-from"
