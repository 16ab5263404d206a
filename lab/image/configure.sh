#!/usr/bin/env bash
# Makes the lab's system of a bare Debian root: this folder's files, host key, user, and services that stay quiet.
#
# Usage: configure.sh ROOT KEYS    (as root; KEYS holds host_ed25519, host_ed25519.pub and authorized_keys)
set -euo pipefail
root=$1
keys=$2
here=$(dirname "$(realpath "$0")")

cp --recursive --no-preserve=ownership "$here/files/." "$root/"
chmod 0440 "$root/etc/sudoers.d/jts"

# Each machine gets its name and id from the kernel command line.
rm --force "$root/etc/hostname"
: >"$root/etc/machine-id"

rm --force "$root"/etc/ssh/ssh_host_*
install --mode=600 "$keys/host_ed25519" "$root/etc/ssh/ssh_host_ed25519_key"
install --mode=644 "$keys/host_ed25519.pub" "$root/etc/ssh/ssh_host_ed25519_key.pub"

# The lab waits for SSH by knocking without logging in. Since OpenSSH 9.8 that is answered with a closed door, sooner or
# later; Debian 12 has 9.2, which doesn't know the word.
grep --quiet '^VERSION_ID="12"' "$root/etc/os-release" ||
  echo "PerSourcePenalties no" >>"$root/etc/ssh/sshd_config.d/lab.conf"

chroot "$root" useradd --create-home --shell /bin/bash jts
for home in root home/jts; do
  install --directory --mode=700 "$root/$home/.ssh"
  install --mode=600 "$keys/authorized_keys" "$root/$home/.ssh/authorized_keys"
done
chroot "$root" chown --recursive jts:jts /home/jts/.ssh

chroot "$root" systemctl --quiet enable systemd-networkd.service
chroot "$root" systemctl --quiet disable nfs-server.service smartmontools.service sysstat.service postgresql.service
# Of PostgreSQL, only the programs stay: the hot tier makes its account and its folder, as on a new host.
rm --recursive --force "$root"/var/lib/postgresql "$root"/etc/postgresql/*
chroot "$root" userdel postgres
# No console to log in on, and no timers that would slow down what is measured.
chroot "$root" systemctl --quiet mask \
  getty@tty1.service serial-getty@ttyS0.service nfs-blkmap.service \
  apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer e2scrub_reap.service \
  sysstat-collect.timer sysstat-summary.timer

chroot "$root" update-initramfs -u
rm --recursive --force "$root"/var/cache/apt/archives/*.deb "$root"/var/lib/apt/lists/*
