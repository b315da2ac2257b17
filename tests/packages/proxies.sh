#!/usr/bin/env bash
# The configurations of deploy/proxies, with the programs that they are for and an official client. Needs what
# `npm ci --prefix tests/clients` installs, openssl, what programs.sh brings, and WARREN_BIN.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
tls=$PWD/target/packages-test/tls
programs=$PWD/target/packages-test/programs
mkdir -p "$tls"
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -noenc -days 2 -subj /CN=warren-tests \
  -addext 'subjectAltName=IP:127.0.0.1' -keyout "$tls/key.pem" -out "$tls/fullchain.pem" 2>"$tls/log" ||
  { cat "$tls/log"; exit 1; }
cat "$tls/fullchain.pem" "$tls/key.pem" >"$tls/bundle.pem"
libraries=$(printf '%s:' "$programs"/usr/lib/*-linux-gnu)
export WARREN_PROGRAMS="$programs" WARREN_TLS="$tls" WARREN_PROGRAMS_LIBRARIES="${libraries%:}"
export NODE_EXTRA_CA_CERTS="$tls/fullchain.pem"
exec timeout 180 node --test --test-reporter=spec --test-concurrency=2 tests/packages/proxy-*.test.mjs
