#!/usr/bin/env bash
# What is released, on bare machines: first-message.sh FOLDER, where packaging/build.sh has put it. Needs root, and what
# debian.sh and busybox.sh need.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
packages=$1
rooms=$PWD/target/packages-test/rooms
rm -rf "$rooms"
mkdir -p "$rooms"
(cd "$packages" && sha256sum --check --strict SHA256SUMS)

tarball=$(ls "$packages"/warren-*.tar.gz)
tests/packages/busybox.sh "$rooms/busybox"
cp "$tarball" "$rooms/busybox"
case "$tarball" in
  *-musl.tar.gz) ;;
  *)
    echo 'SKIPPED: a machine without a C library: the program is not static (WARREN_DIST=1 builds one that is)'
    tar xzf "$tarball" -C "$rooms" --strip-components 1 --wildcards '*/warren'
    ldd "$rooms/warren" | grep -oE '/[^ ]+' | xargs cp -L --parents --target-directory "$rooms/busybox"
    ;;
esac
tests/packages/room.sh "$rooms/busybox" timeout 60 tests/packages/bare.sh tarball "${tarball##*/}"

deb=$(ls "$packages"/warren_*.deb)
tests/packages/debian.sh
# debian ROOM NAME: a Debian with the package in it, under that name.
debian() {
  mkdir "$rooms/$1"
  tar --extract --directory "$rooms/$1" --file target/packages-test/debian.tar
  cp "$deb" "$rooms/$1/$2"
}
debian debian "${deb##*/}"
tests/packages/room.sh "$rooms/debian" timeout 60 tests/packages/bare.sh deb "${deb##*/}"
debian booted warren.deb
tests/packages/boot.sh "$rooms/booted" tests/packages/in-debian.sh
debian service warren.deb
mkdir "$rooms/service/release"
tar xzf "$tarball" -C "$rooms/service/release" --strip-components 1
tests/packages/boot.sh "$rooms/service" tests/packages/in-tarball.sh
rm -rf "$rooms"
