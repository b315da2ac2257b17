#!/usr/bin/env bash
# From a bare machine to the first message, as docs/INSTALL.md says: bare.sh tarball|deb FILE, which lies in the room's root.
# Run by room.sh. For the package it goes on: an upgrade, a removal, a purge.
set -euo pipefail
# shellcheck source=tests/packages/room-functions.sh
. "$(dirname "${BASH_SOURCE[0]}")/room-functions.sh"
ROOM_USER=
installed=${EPOCHREALTIME/./}

test_tarball() {
  in_room tar xzf "/$1" -C /tmp
  warren=/tmp/${1%.tar.gz}/warren
  start_server "$warren" dev --data /tmp/warren-dev
}

# unit NAME: what the service's files say behind that name, the package's own after the general one.
unit() { cat "$ROOM"/lib/systemd/system/warren.service{,.d/*.conf} | sed -n "s/^$1=//p"; }

# As the service's files say: there is no systemd in the room.
test_deb() {
  in_room dpkg --install "/$1"
  warren=/usr/bin/warren
  local user command
  user=$(unit User)
  read -ra command <<<"$(unit ExecStart)"
  mapfile -t variables < <(unit Environment)
  ROOM_USER=$(in_room id -u "$user"):$(in_room id -g "$user")
  start_server "${command[@]}"
}

# What the package promises of what is the machine's: its settings and its data.
test_lives_of_deb() {
  local settings=/etc/warren/warren.toml data=/var/lib/warren
  ROOM_USER=
  [ "$(in_room stat -c '%U:%G %a' $data)" = 'warren:warren 700' ]
  [ "$(in_room stat -c '%U:%G %a' $settings)" = 'root:warren 640' ]
  in_room test -L /etc/systemd/system/multi-user.target.wants/warren.service
  in_room test -L /etc/systemd/system/sockets.target.wants/warren.socket
  echo '# mine' >>"$ROOM$settings"
  in_room dpkg --install "/$1" </dev/null
  in_room grep -q '^# mine$' $settings
  in_room dpkg --remove warren
  in_room grep -q '^# mine$' $settings
  in_room test ! -e /usr/bin/warren
  in_room dpkg --purge warren 2>&1 | tee "$scratch/purged"
  grep -q "$data" "$scratch/purged"
  in_room test ! -e $settings
  in_room test -e $data/warren.db
  [ -z "$(in_room find / -xdev -path /proc -prune -o -path $data -prune -o -name '*warren*' ! -name '*.deb' -print)" ]
  echo 'an upgrade keeps settings, a removal keeps them, a purge keeps the data and nothing else'
}

"test_$1" "$2"
one_message "$warren"
began=${EPOCHREALTIME/./}
echo "$1: first message $(((began - installed) / 1000)) ms after the file was there"
stop_server
[ "$1" != deb ] || test_lives_of_deb "$2"
