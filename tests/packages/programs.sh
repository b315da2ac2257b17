#!/bin/sh
# Takes nginx, HAProxy and Caddy, with the libraries that are missing here, out of the distribution's packages into
# target/packages-test/programs, without installing them, for they start services. Does nothing when they are there. Exit code 1:
# they cannot be had here.
set -eu
cd "$(dirname "$0")/../.."
root=$PWD/target/packages-test/programs
packages='nginx haproxy caddy'
if [ "$(cat "$root/made-from" 2>/dev/null)" = "$packages" ]; then
  echo 'the proxies are there'
  exit 0
fi
command -v apt-get >/dev/null || { echo 'no apt-get here'; exit 1; }
[ "$(id -u)" = 0 ] || { echo 'apt-get says what belongs to a package only to root'; exit 1; }
rm -rf "$root"
mkdir -p "$root/archives/partial"
# Unquoted: one argument for each package.
# shellcheck disable=SC2086
fetch() {
  apt-get install -qq -y --no-install-recommends --reinstall --download-only -o Dir::Cache::archives="$root/archives" \
    $packages >/dev/null
}
# Without lists of packages there is nothing to download.
fetch || { apt-get update -qq && fetch; } || { echo "apt-get has no $packages"; exit 1; }
for package in "$root"/archives/*.deb; do
  dpkg-deb --extract "$package" "$root"
done
rm -r "$root/archives"
for program in sbin/nginx sbin/haproxy bin/caddy; do
  [ -x "$root/usr/$program" ] || { echo "no $program in the packages"; exit 1; }
done
echo "$packages" >"$root/made-from"
echo "the proxies are there: $packages"
