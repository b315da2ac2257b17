#!/usr/bin/env bash
# Lays out what a release holds: files.sh BINARY FOLDER. The tarball is that folder; the Debian package takes its files from
# it.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
binary=$1 root=$2
mkdir -p "$root/completions" "$root/man/man1"
install -m 0755 "$binary" "$root/warren"
"$root/warren" completions bash >"$root/completions/warren.bash"
"$root/warren" completions zsh >"$root/completions/_warren"
"$root/warren" completions fish >"$root/completions/warren.fish"
"$root/warren" man "$root/man/man1" >/dev/null
cd "$here"
cp LICENSE README.md CHANGELOG.md warren.example.toml "$root"
# What the README's links lead to.
cp -r docs "$root/docs"
cp -r deploy "$root/deploy"
python3 packaging/notices.py >"$root/THIRD-PARTY.txt"
find "$root" -type d -exec chmod 0755 {} +
find "$root" -type f ! -perm -u+x -exec chmod 0644 {} +
