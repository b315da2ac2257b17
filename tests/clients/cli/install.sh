#!/bin/sh
# Installs the official command line, unmodified, where hop-cli.test.mjs looks for it.
# Does nothing when it is there; the first time takes minutes.
set -eu
version=0.2.61
cd "$(dirname "$0")/../../.."
root=target/hop-cli
if "$root/bin/hop" --version 2>/dev/null | grep -qx "hop $version"; then
  echo "hop-cli $version is installed"
  exit 0
fi
cargo install hop-cli --version "$version" --locked --root "$root"
