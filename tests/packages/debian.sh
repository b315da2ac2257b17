#!/bin/sh
# Makes target/packages-test/debian.tar, a minimal Debian of this machine's release with systemd, by debootstrap, which it takes out of its
# package where it is missing. Does nothing when it is there. Exit code 1: it cannot be had here.
set -eu
cd "$(dirname "$0")/../.."
root=$PWD/target/packages-test
tar=$root/debian.tar
[ ! -e "$tar" ] || { echo 'the minimal Debian is there'; exit 0; }
[ "$(id -u)" = 0 ] || { echo 'debootstrap needs root'; exit 1; }
said() { sed -n "s/^$1=//p" /etc/os-release; }
[ "$(said ID)" = debian ] || { echo 'this is no Debian'; exit 1; }
release=$(said VERSION_CODENAME)
# shellcheck disable=SC2016
mirror=$(apt-get indextargets --format '$(SITE) $(RELEASE)' | sed -n "s/ $release\$//p" | head -n 1)
[ -n "$mirror" ] || { echo "apt knows no place that has $release"; exit 1; }
mkdir -p "$root"
export PATH="$PATH:/usr/sbin:/sbin" DEBOOTSTRAP_DIR="${DEBOOTSTRAP_DIR:-/usr/share/debootstrap}"
if ! command -v debootstrap >/dev/null; then
  cd "$root"
  fetch() { apt-get download -qq -o APT::Sandbox::User=root debootstrap; }
  fetch || { apt-get update -qq && fetch; } || { echo 'apt-get has no debootstrap'; exit 1; }
  dpkg-deb --extract debootstrap_*.deb debootstrap
  rm debootstrap_*.deb
  export PATH="$PATH:$root/debootstrap/usr/sbin" DEBOOTSTRAP_DIR="$root/debootstrap/usr/share/debootstrap"
fi
rm -rf "$root/debian"
debootstrap --variant=minbase --include=systemd "$release" "$root/debian" "$mirror" >"$root/debootstrap.log" 2>&1 ||
  { tail -n 5 "$root/debootstrap.log"; exit 1; }
tar --create --directory "$root/debian" --file "$tar.partial" .
mv "$tar.partial" "$tar"
rm -rf "$root/debian"
echo "the minimal Debian is there: $release"
