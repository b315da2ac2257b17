#!/usr/bin/env bash
# Makes what is released, into target/packages: a program that needs nothing beside it, packed as a tarball and as a Debian
# package, and SHA256SUMS.
#
#   packaging/build.sh                static, with musl: runs on every Linux of this processor
#   packaging/build.sh --glibc        not static: for machines whose C library is at least as new as this one's
#   packaging/build.sh --binary FILE  builds nothing and packs this program, quickly and not as small
#
# It needs Rust, a C compiler, python3 and dpkg-deb; for musl also `musl-gcc` (Debian: musl-tools) and Rust's target, which
# rustup brings. The same sources make files of the same names, with the same times and owners in them. Names, by example:
#
#   warren-0.1.0-x86_64-linux-musl.tar.gz   static
#   warren-0.1.0-x86_64-linux-gnu.tar.gz    not static
#   warren_0.1.0_amd64.deb
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

libc=musl
binary=
level=9
case "${1:-}" in
  '') ;;
  --glibc) libc=gnu ;;
  --binary) binary=$(realpath -e "${2:?--binary FILE}") level=1 ;;
  *) sed -n '2,/^set /{/^#/s/^# \{0,1\}//p}' "${BASH_SOURCE[0]}"; exit 2 ;;
esac

out=${WARREN_PACKAGES:-$PWD/target/packages}
version=$(sed -n 's/^version = "\(.*\)"$/\1/p' Cargo.toml | head -n 1)
# The time that stands on every file: the last change's.
git=(git -c safe.directory='*')
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$("${git[@]}" log -1 --format=%ct 2>/dev/null || echo 0)}
export SOURCE_DATE_EPOCH

# Says what a static build lacks here, and how to go on without one.
lacks() {
  {
    echo "no static build on this machine: $1"
    echo 'packaging/build.sh --glibc makes one that needs a C library as new as this one; its files are named …-linux-gnu'
  } >&2
  exit 1
}

# Builds with the profile `dist`; neither the builder's folders nor those of the crates stand in the program.
build() {
  local target
  target=$(rustc -vV | sed -n 's/^host: \([^-]*\)-.*/\1/p')-unknown-linux-$libc
  if [ "$libc" = musl ]; then
    command -v musl-gcc >/dev/null || lacks 'there is no musl-gcc (Debian: apt-get install musl-tools)'
    rustup target add "$target" >/dev/null || lacks "Rust's target $target cannot be had"
  fi
  local flags=(--remap-path-prefix="$PWD=." --remap-path-prefix="${CARGO_HOME:-$HOME/.cargo}=cargo")
  local IFS=$'\x1f'
  CARGO_ENCODED_RUSTFLAGS="${flags[*]}" cargo build --locked --profile dist --target "$target" >&2 || exit
  echo "${CARGO_TARGET_DIR:-$PWD/target}/$target/dist/warren"
}

# Each on its own: behind `||` the shell would go on after a failure.
if [ -z "$binary" ]; then
  binary=$(build)
fi
# What is not static names the program that links it when it starts.
if LC_ALL=C readelf --program-headers --wide "$binary" | grep -qw INTERP; then
  libc=gnu
  [ "${1:-}" != '' ] || lacks "what was built is not static: $binary"
else
  libc=musl
fi
processor=$(LC_ALL=C readelf -h "$binary" | sed -n 's/^ *Machine: *//p')
case "$processor" in
  *X86-64) processor=x86_64 ;;
  AArch64) processor=aarch64 ;;
  *) echo "packages are made for x86_64 and aarch64, not for $processor" >&2; exit 1 ;;
esac

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
name=warren-$version-$processor-linux-$libc
root=$work/$name
packaging/files.sh "$binary" "$root"
mkdir -p "$out"
rm -f "$out/$name.tar.gz" "$out/SHA256SUMS"
tar --create --directory "$work" --sort=name --owner=0 --group=0 --numeric-owner --mtime="@$SOURCE_DATE_EPOCH" "$name" |
  gzip "-${level}n" >"$out/$name.tar.gz"
packaging/deb.sh "$root" "$version" "$processor" "$level" "$out"
(cd "$out" && sha256sum -- *.tar.gz *.deb >SHA256SUMS && cat SHA256SUMS)
