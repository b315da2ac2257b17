#!/usr/bin/env bash
# Makes the Debian package out of what files.sh laid out: deb.sh FOLDER VERSION PROCESSOR LEVEL OUT, the
# LEVEL that of compression, 1 to 9.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")/deb" && pwd)
release=$1 version=$2 processor=$3 level=$4 out=$5
: "${SOURCE_DATE_EPOCH:?the time for all files}"
case "$processor" in
  x86_64) architecture=amd64 ;;
  aarch64) architecture=arm64 ;;
esac

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
root=$work/root
share=$root/usr/share
put() { install -D -m 0644 "$1" "$2"; }
# As gzip is asked for by Debian: the best, and without the time.
put_gz() {
  mkdir -p "$(dirname "$2")"
  gzip -9n <"$1" >"$2"
}

install -D -m 0755 "$release/warren" "$root/usr/bin/warren"
put "$here/warren.toml" "$root/etc/warren/warren.toml"
for unit in "$release"/deploy/systemd/*.{service,socket}; do
  put "$unit" "$root/lib/systemd/system/${unit##*/}"
done
put "$here/service.conf" "$root/lib/systemd/system/warren.service.d/10-package.conf"
for page in "$release"/man/man1/*; do
  put_gz "$page" "$share/man/man1/${page##*/}.gz"
done
put "$release/completions/warren.bash" "$share/bash-completion/completions/warren"
put "$release/completions/_warren" "$share/zsh/vendor-completions/_warren"
put "$release/completions/warren.fish" "$share/fish/vendor_completions.d/warren.fish"
doc=$share/doc/warren
put "$here/copyright" "$doc/copyright"
put_gz "$release/THIRD-PARTY.txt" "$doc/THIRD-PARTY.txt.gz"
put_gz "$release/CHANGELOG.md" "$doc/CHANGELOG.md.gz"
cat >"$work/changelog" <<END
warren ($version) unstable; urgency=medium

  * What has changed is in CHANGELOG.md.gz.

 -- $(sed -n 's/^Maintainer: //p' "$here/control")  $(LC_ALL=C date --utc --rfc-email --date="@$SOURCE_DATE_EPOCH")
END
put_gz "$work/changelog" "$doc/changelog.gz"
put "$release/warren.example.toml" "$doc/examples/warren.example.toml"
cp -r "$release/docs" "$doc/docs"
for example in proxies prometheus grafana; do
  cp -r "$release/deploy/$example" "$doc/examples/$example"
done
put "$here/lintian-overrides" "$share/lintian/overrides/warren"
find "$root" -type d -exec chmod 0755 {} +

# The C library and its version, where the program is not static.
depends=passwd
if LC_ALL=C readelf --program-headers --wide "$release/warren" | grep -qw INTERP; then
  glibc=$(LC_ALL=C readelf -V "$release/warren" | grep -oE 'GLIBC_[0-9.]+' | sort -uV | tail -n 1)
  depends+=", libc6 (>= ${glibc#GLIBC_}), libgcc-s1"
fi
size=$(du -k -s --apparent-size "$root" | cut -f 1)
mkdir -p "$root/DEBIAN"
sed -e "s/@VERSION@/$version/" -e "s/@ARCHITECTURE@/$architecture/" -e "s/@SIZE@/$size/" -e "s/@DEPENDS@/$depends/" \
  "$here/control" >"$root/DEBIAN/control"
echo /etc/warren/warren.toml >"$root/DEBIAN/conffiles"
for script in postinst prerm postrm; do
  install -m 0755 "$here/$script" "$root/DEBIAN/$script"
done
(cd "$root" && find . -type f ! -path './DEBIAN/*' ! -path './etc/*' -printf '%P\n' | LC_ALL=C sort | xargs md5sum >DEBIAN/md5sums)
find "$root" -exec touch --no-dereference --date="@$SOURCE_DATE_EPOCH" {} +
dpkg-deb --root-owner-group -Zxz "-z$level" --build "$root" "$out/warren_${version}_$architecture.deb"
