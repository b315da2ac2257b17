#!/bin/sh
# Compares Cargo.lock with the RustSec advisories, by the rules of deny.toml. They come from their repository, or from
# the folder or git repository that WARREN_ADVISORY_DB names.
#
#   advisories.sh can    whether they can be had at all
#   advisories.sh        the check
set -eu
cd "$(dirname "$0")/../.."
url=https://github.com/RustSec/advisory-db
given=${WARREN_ADVISORY_DB:-}

if [ "${1:-}" = can ]; then
  [ -z "$given" ] || exit 0
  GIT_TERMINAL_PROMPT=0 timeout 30 git ls-remote --exit-code "$url" main >/dev/null 2>&1
  exit
fi

if [ -n "$given" ]; then
  [ -d "$given/crates" ] || { echo "WARREN_ADVISORY_DB: $given has no folder crates"; exit 1; }
  # cargo-deny reads nothing but a clone of the address: so the folder becomes a repository, and the address leads there.
  copy=$(mktemp -d)
  trap 'rm -rf "$copy"' EXIT
  cp -R "$given/crates" "$copy/crates"
  chmod -R u+w "$copy"
  git -C "$copy" init --quiet --initial-branch main
  git -C "$copy" add --all --force
  git -C "$copy" -c user.name=test -c user.email=test@localhost -c commit.gpgSign=false commit --quiet --message copy
  rm -rf target/advisory-dbs
  export GIT_CONFIG_COUNT=1 GIT_CONFIG_KEY_0="url.file://$copy.insteadOf" GIT_CONFIG_VALUE_0="$url"
fi
target/cargo-deny/bin/cargo-deny --locked check --hide-inclusion-graph advisories
