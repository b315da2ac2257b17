#!/bin/sh
# Looks for Prometheus' own tool: where PROMTOOL says, on the path, in target/promtool; and takes it out of the distribution's
# package where it is nowhere, without installing that, for it starts a service. With `path` it prints where the tool is.
set -eu
cd "$(dirname "$0")/.."
root=$PWD/target/promtool
for tool in "${PROMTOOL:-}" promtool "$root/usr/bin/promtool"; do
  [ -n "$tool" ] && found=$(command -v "$tool") || continue
  [ "${1:-}" = path ] && echo "$found" || echo "promtool is there: $found"
  exit 0
done
[ "${1:-}" != path ] && command -v apt-get >/dev/null && command -v dpkg-deb >/dev/null || exit 1
mkdir -p "$root"
cd "$root"
fetch() { apt-get download -qq -o APT::Sandbox::User="$(id -un)" prometheus; }
# Without lists of packages there is none to download; only root may fetch them.
fetch || { [ "$(id -u)" = 0 ] && apt-get update -qq && fetch; } || exit 1
dpkg-deb --fsys-tarfile prometheus_*.deb | tar xf - ./usr/bin/promtool
rm -f prometheus_*.deb
echo "promtool is there: $root/usr/bin/promtool"
