#!/usr/bin/env bash
# Packs what the other tests of the packages try: release.sh FOLDER. With WARREN_DIST=1 that is what would be released, which
# takes minutes to compile; otherwise the server that WARREN_BIN names, without its symbols.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
folder=$PWD/$1
rm -rf "$folder"
mkdir -p "$folder"
export WARREN_PACKAGES="$folder"
if [ "${WARREN_DIST:-}" = 1 ]; then
  packaging/build.sh
else
  strip -o "$folder/stripped" "$WARREN_BIN"
  packaging/build.sh --binary "$folder/stripped"
  rm "$folder/stripped"
  echo 'SKIPPED: the program as it is released: static, optimised, small (WARREN_DIST=1 builds it)'
fi
# For the image's test.
tar xzf "$folder"/warren-*.tar.gz -C "$folder" --strip-components 1 --wildcards '*/warren'
ls -l "$folder"
