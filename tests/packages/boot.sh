#!/usr/bin/env bash
# Boots a Debian with systemd as the first process: boot.sh ROOT SCRIPT. The script is run in it when it is up, as root, and
# then it is switched off. Prints what the script printed and ends as it did. Needs root. Nothing of this machine can be changed
# from inside: mounts, processes, network, names and groups of processes are its own, kernel settings are to be read only.
set -euo pipefail
cgroups=/sys/fs/cgroup
[ ! -d $cgroups/systemd ] || cgroups=$cgroups/systemd
mine=$cgroups/warren-tests-$$
if [ "${BOOT_INSIDE:-}" != 1 ]; then
  [ "$(id -u)" = 0 ] || { echo 'a machine needs root' >&2; exit 1; }
  root=$1
  install -m 0755 "$2" "$root/script"
  rm -f "$root/printed" "$root/ended"
  wants=$root/etc/systemd/system/multi-user.target.wants
  mkdir -p "$wants"
  cat >"$root/etc/systemd/system/script.service" <<'END'
[Service]
Type=oneshot
StandardOutput=append:/printed
StandardError=inherit
TimeoutStopSec=2s
ExecStart=/bin/sh -c '/script; echo $? >/ended'
ExecStopPost=/bin/systemctl --no-block start poweroff.target
END
  ln -sf ../script.service "$wants/script.service"
  for unit in getty.target sys-kernel-debug.mount sys-kernel-tracing.mount sys-fs-fuse-connections.mount dev-hugepages.mount; do
    ln -sf /dev/null "$root/etc/systemd/system/$unit"
  done
  if ! mkdir "$mine" || ! unshare --mount --pid --net --ipc --uts --cgroup --fork true; then
    rmdir "$mine" || true
    echo 'SKIPPED: a booted Debian: this machine lets nobody make groups of processes and namespaces'
    [ "${WARREN_REQUIRE_PACKAGES:-}" != 1 ]
    exit
  fi
  trap 'find "$mine" -depth -type d -exec rmdir {} + || true' EXIT
  # The shell that stays behind must not be in there.
  export BOOT_INSIDE=1 BOOT_CGROUP="$mine"
  # shellcheck disable=SC2016
  timeout -s KILL 180 bash -c 'echo $$ >"$BOOT_CGROUP/cgroup.procs" && exec unshare \
    --mount --pid --net --ipc --uts --cgroup --fork --kill-child --mount-proc "$@"' - "$0" "$root" || true
  cat "$root/printed" || { echo "it did not come up"; exit 1; }
  exit "$(cat "$root/ended" || echo 1)"
fi
root=$1
ip link set lo up
mount --bind "$root" "$root"
cd "$root"
mount -t proc proc proc
mount --bind proc/sys proc/sys
mount -o remount,ro,bind proc/sys
mount -t sysfs -o ro sysfs sys
mount -t tmpfs -o mode=755 tmpfs run
mount -t tmpfs -o mode=1777 tmpfs tmp
mount -t tmpfs -o mode=755 tmpfs dev
for device in null zero full random urandom tty; do
  : >dev/$device
  mount --bind "/dev/$device" dev/$device
done
mkdir dev/pts dev/shm
mount -t devpts -o newinstance,ptmxmode=0666,mode=620 devpts dev/pts
mount -t tmpfs tmpfs dev/shm
ln -s pts/ptmx dev/ptmx
ln -s /proc/self/fd dev/fd
if [ "$cgroups" = /sys/fs/cgroup ]; then
  mount -t cgroup2 cgroup2 sys/fs/cgroup
else
  mount -t tmpfs -o mode=755 tmpfs sys/fs/cgroup
  mkdir sys/fs/cgroup/systemd
  mount -t cgroup -o none,name=systemd,xattr cgroup sys/fs/cgroup/systemd
  # So that systemd does not mount the other ones, which are this machine's.
  mount -o remount,ro sys/fs/cgroup
fi
mkdir -p old
pivot_root . old
umount --lazy old
exec env -i container=room PATH=/usr/sbin:/usr/bin:/sbin:/bin /lib/systemd/systemd --system --log-target=journal </dev/null
