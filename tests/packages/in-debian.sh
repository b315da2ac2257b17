#!/bin/bash
# The Debian package on a machine with systemd: installed, heard by, restarted, upgraded, killed, removed. Run by boot.sh in a
# Debian that has /warren.deb.
set -Eeuo pipefail
trap 'systemctl status --no-pager warren.service warren.socket; journalctl --no-pager -o cat -u warren -n 30' ERR
wants=/etc/systemd/system

# until_so WHAT COMMAND…: tries until it succeeds, 30 s at most.
until_so() {
  local what=$1 end=$((SECONDS + 30))
  shift
  until "$@" >/tmp/tried 2>&1; do
    [ $SECONDS -lt $end ] || { echo "waited 30 s for: $what"; cat /tmp/tried; return 1; }
    sleep 0.1
  done
}
pid() { systemctl show --property MainPID --value warren.service; }

# Installed is enabled, started and ready.
test_installed() {
  dpkg --install /warren.deb
  systemctl is-active warren.service warren.socket
  [ -L $wants/multi-user.target.wants/warren.service ]
  [ -L $wants/sockets.target.wants/warren.socket ]
  warren health
  echo "installed, enabled, ready: $(systemctl show --property StatusText --value warren.service)"
}

is_heard() { warren channels stats hello --json | grep -qE '"online_count": *1'; }
# say WHAT: what is said is heard by the one who has been there since the beginning.
say() {
  until_so 'somebody who hears the channel' is_heard
  warren publish hello "$1" '{}' >/dev/null
  until_so "$1" grep -q "\"$1\"" /tmp/heard
  echo "heard: $1"
}

# The tokens are in the log, and a message comes.
test_first_message() {
  printed() { journalctl --no-pager -o cat -u warren | sed -n "s/^$1: //p"; }
  has_tokens() { [ -n "$(printed project_token)" ]; }
  until_so 'the tokens in the log' has_tokens
  WARREN_PROJECT=$(printed project)
  WARREN_TOKEN=$(printed project_token)
  export WARREN_PROJECT WARREN_TOKEN
  warren tail hello --messages --count 4 --json >/tmp/heard &
  tail=$!
  say INSTALLED
}

# Who asks all the time, and always gets an answer: systemd holds the socket. 7: the server says that it is stopping.
asking() {
  local asked=0 code
  while [ ! -e /tmp/enough ]; do
    code=0
    warren health >/dev/null 2>/tmp/said || code=$?
    case $code in
      0 | 7) asked=$((asked + 1)) ;;
      *) echo "no answer after $asked requests: $(cat /tmp/said)" >/tmp/refused; return ;;
    esac
  done
  echo "$asked requests" >/tmp/asked
}

# Who connects over a restart and an upgrade waits; who is connected comes back, and hears all.
test_restart_and_upgrade() {
  asking &
  asking=$!
  local before
  before=$(pid)
  systemctl restart warren
  [ "$(pid)" != "$before" ]
  say RESTARTED
  before=$(pid)
  echo '# mine' >>/etc/warren/warren.toml
  dpkg --install /warren.deb </dev/null
  [ "$(pid)" != "$before" ]
  grep -q '^# mine$' /etc/warren/warren.toml
  say UPGRADED
  : >/tmp/enough
  wait $asking
  [ ! -e /tmp/refused ] || { cat /tmp/refused; false; }
  echo "nobody was refused over a restart and an upgrade: $(cat /tmp/asked)"
}

# Settings are read again, and mistakes are told; one that is killed is started again; the data is its user's.
test_settings_and_kill() {
  local before
  systemctl reload warren
  echo 'nonsense = 1' >>/etc/warren/warren.toml
  if systemctl reload warren; then
    echo 'a mistake in the settings was not told'
    false
  fi
  sed -i '/^nonsense/d' /etc/warren/warren.toml
  before=$(pid)
  kill -KILL "$before"
  is_another() { [ "$(pid)" != "$before" ] && [ "$(pid)" != 0 ] && warren health; }
  until_so 'another server after a kill' is_another
  say KILLED
  wait $tail
  [ "$(systemctl show --property NRestarts --value warren.service)" = 1 ]
  setpriv --reuid warren --regid warren --clear-groups warren admin list-tokens --data /var/lib/warren >/dev/null
  echo 'settings are read again, a mistake is told, one that is killed is started again, its user may use the data'
}

# Removed is stopped; data and settings stay.
test_removed() {
  dpkg --remove warren
  if systemctl is-active warren.service warren.socket; then false; fi
  [ -e /var/lib/warren/warren.db ]
  [ -e /etc/warren/warren.toml ]
  echo 'removed: the service and its socket are gone, data and settings are there'
}

test_installed
test_first_message
test_restart_and_upgrade
test_settings_and_kill
test_removed
