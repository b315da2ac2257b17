#!/bin/sh
# Makes the files of the image: rootfs.sh BINARY CERTIFICATES IMAGE DATA. IMAGE is its root, DATA the folder that becomes
# /var/lib/warren and belongs to the user there. The Dockerfile calls it, and the test that runs what it makes.
set -eu
binary=$1 certificates=$2 image=$3 data=$4
here=$(cd "$(dirname "$0")/.." && pwd)
mkdir -p "$image/usr/bin" "$image/etc/ssl/certs" "$image/usr/share/doc/warren" "$image/tmp" "$data"
chmod 1777 "$image/tmp"
chmod 0700 "$data"
cp "$binary" "$image/usr/bin/warren"
chmod 0755 "$image/usr/bin/warren"
cp -L "$certificates" "$image/etc/ssl/certs/ca-certificates.crt"
cp "$here/LICENSE" "$image/usr/share/doc/warren/LICENSE"
python3 "$here/packaging/notices.py" >"$image/usr/share/doc/warren/THIRD-PARTY.txt"
echo 'warren:x:10001:10001:warren:/var/lib/warren:/sbin/nologin' >"$image/etc/passwd"
echo 'warren:x:10001:' >"$image/etc/group"
echo 'hosts: files dns' >"$image/etc/nsswitch.conf"
