# shellcheck shell=bash disable=SC2317
# For scripts that room.sh runs.

# The environment of what runs in the room, and nothing else.
variables=()
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# in_room COMMAND…: runs what is in the room, as ROOM_USER (UID:GID), or as root where that is empty.
in_room() { (become_room "$@"); }

# The same in the place of this process.
become_room() {
  exec env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/tmp "${variables[@]}" \
    chroot ${ROOM_USER:+--userspec="$ROOM_USER"} "$ROOM" "$@"
}

# until_so WHAT COMMAND…: tries until it succeeds, 30 s at most.
until_so() {
  local what=$1 end=$((SECONDS + 30))
  shift
  until "$@" >"$scratch/tried" 2>&1; do
    if [ $SECONDS -ge $end ]; then
      echo "waited 30 s for: $what; the last try said:"
      cat "$scratch/tried" "$scratch/log"
      return 1
    fi
    sleep 0.1
  done
}

# printed NAME: what the server said behind that name when it started.
printed() { sed -n "s/^$1: //p" "$scratch/printed"; }

# start_server SERVE…: starts a server with that command and waits until it is ready.
start_server() {
  become_room "$@" >"$scratch/printed" 2>"$scratch/log" &
  server=$!
  until_so 'the line "ready:"' grep -q '^ready: ' "$scratch/printed"
}

# one_message WARREN: hears the channel of the first run and says something to it, with that program in the room.
one_message() {
  local warren=$1 heard
  variables+=("WARREN_URL=$(printed ready)" "WARREN_PROJECT=$(printed project)" "WARREN_TOKEN=$(printed project_token)")
  in_room "$warren" tail hello --messages --count 1 --json >"$scratch/heard" 2>&1 &
  heard=$!
  is_heard() { in_room "$warren" channels stats hello --json | grep -qE '"online_count": *1'; }
  until_so 'somebody who hears the channel' is_heard
  in_room "$warren" publish hello GREETING '{"text":"Hi"}' >/dev/null
  wait "$heard"
  grep -q '"text": *"Hi"' "$scratch/heard"
  echo "heard: $(cat "$scratch/heard")"
}

# stop_server: stops it in order.
stop_server() {
  kill -TERM "$server"
  wait "$server" || { echo "the server ended with $?:"; cat "$scratch/log"; return 1; }
  echo 'the server has stopped in order'
}
