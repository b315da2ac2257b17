#!/usr/bin/env bash
# Runs the image's files as its Dockerfile says: in-image.sh WARREN HEALTH SERVE. Run by room.sh.
set -euo pipefail
# shellcheck source=tests/packages/room-functions.sh
. "$(dirname "${BASH_SOURCE[0]}")/room-functions.sh"
mapfile -t variables <<<"$ROOM_ENVIRONMENT"
if : 2>/dev/null >"$ROOM/usr/written"; then
  echo 'the root can be written to' >&2
  exit 1
fi
# Split into words, as Docker's lists are.
read -ra health <<<"$2"
read -ra serve <<<"$3"
is_healthy() { in_room "${health[@]}"; }
if is_healthy >/dev/null 2>&1; then
  echo 'healthy without a server' >&2
  exit 1
fi
start_server "${serve[@]}"
until_so 'a healthy server' is_healthy
echo 'healthy, as a user without rights, in a root that cannot be written to'
one_message "$1"
stop_server
