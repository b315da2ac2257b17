#!/bin/sh
# Makes a root with nothing in it but busybox: busybox.sh FOLDER. Exit code 1: there is none here.
set -eu
cd "$(dirname "$0")/../.."
tests=$PWD/target/packages-test
busybox=$tests/busybox
if [ ! -x "$busybox" ]; then
  mkdir -p "$tests/busybox-package"
  cd "$tests/busybox-package"
  fetch() { apt-get download -qq -o APT::Sandbox::User="$(id -un)" busybox-static; }
  fetch || { [ "$(id -u)" = 0 ] && apt-get update -qq && fetch; } || { echo 'apt-get has no busybox-static'; exit 1; }
  dpkg-deb --fsys-tarfile busybox-static_*.deb | tar xO ./bin/busybox >"$busybox"
  chmod +x "$busybox"
  rm -r "$tests/busybox-package"
fi
rm -rf "$1"
mkdir -p "$1/bin"
cp "$busybox" "$1/bin/busybox"
for applet in sh tar gzip gunzip; do ln -s busybox "$1/bin/$applet"; done
echo 'a root with nothing but busybox is there'
