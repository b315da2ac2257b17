#!/bin/bash
# The tarball as a service of systemd, without the package. Run by boot.sh in a Debian that has it unpacked in /release.
set -Eeuo pipefail
trap 'systemctl status --no-pager warren.service warren.socket; journalctl --no-pager -o cat -u warren -n 30' ERR

# The lines of docs/INSTALL.md, as they stand there.
test_lines_of_the_document() {
  cd /release
  # shellcheck disable=SC2016
  sed -n '/As a service of systemd/,/^## /p' docs/INSTALL.md | sed -n '/^```sh/,/^```$/{/^```/d;p}' >/tmp/lines
  grep -q systemctl /tmp/lines
  bash -euo pipefail /tmp/lines
  systemctl is-active warren.service warren.socket
  warren health
}

# A user who is there only while the server runs reads the settings and has the data.
test_settings() {
  echo 'log-format = "json"' >/etc/warren/warren.toml
  systemctl restart warren
  warren health >/dev/null
  is_told() { journalctl --no-pager -o cat -u warren | grep -q '^{.*"message":"ready"'; }
  local end=$((SECONDS + 30))
  until is_told; do [ $SECONDS -lt $end ]; sleep 0.1; done
  [ "$(stat -c %a /var/lib/private/warren)" = 700 ]
  echo 'the settings are read, and the data is closed to others'
}

test_lines_of_the_document
test_settings
