#!/usr/bin/env bash
# A machine with nothing on it but a folder's files: room.sh ROOT COMMAND… runs a command of this machine with mounts,
# processes and a network of its own, in which `in_room` (room-functions.sh) runs what is in ROOT. Needs root.
#
# READ_ONLY=1: nothing in ROOT can be changed, but for /tmp and the folder that VOLUME names.
set -euo pipefail
if [ "${ROOM_INSIDE:-}" != 1 ]; then
  [ "$(id -u)" = 0 ] || { echo 'a room needs root' >&2; exit 1; }
  export ROOM_INSIDE=1 ROOM=$1
  exec unshare --mount --pid --net --ipc --uts --fork --kill-child --mount-proc "$0" "$@"
fi
shift
ip link set lo up
mkdir -p "$ROOM/proc" "$ROOM/dev" "$ROOM/tmp"
for device in null zero random urandom; do
  [ -e "$ROOM/dev/$device" ] || : >"$ROOM/dev/$device"
done
mount --bind "$ROOM" "$ROOM"
for device in null zero random urandom; do
  mount --bind "/dev/$device" "$ROOM/dev/$device"
done
mount -t proc proc "$ROOM/proc"
mount -t tmpfs -o mode=1777 tmpfs "$ROOM/tmp"
if [ "${READ_ONLY:-}" = 1 ]; then
  [ -z "${VOLUME:-}" ] || mount --bind "$ROOM$VOLUME" "$ROOM$VOLUME"
  mount -o remount,ro,bind "$ROOM"
fi
exec "$@"
