#!/bin/sh
# Installs cargo-deny where advisories.sh and ./test look for it. Does nothing when it is there; the first time takes a
# minute or two: without optimisation, because it runs for seconds and would compile for minutes.
set -eu
version=0.20.2
cd "$(dirname "$0")/../.."
root=target/cargo-deny
if "$root/bin/cargo-deny" --version 2>/dev/null | grep -qx "cargo-deny $version"; then
  echo "cargo-deny $version is installed"
  exit 0
fi
cargo install cargo-deny --version "$version" --locked --debug --root "$root"
