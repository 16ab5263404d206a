#!/usr/bin/env bash
# Lists a host's tiers, tuning and timers, one thing a line: what must be the same whichever way they were made. It
# leaves out UUIDs, numbers of accounts, times, and what belongs only to this program's scripts. Run it in a mount
# namespace of its own: `unshare --mount`.
#
# Usage: end-state.sh MOUNT-POINT...
set -euo pipefail
export LC_ALL=C LVM_SUPPRESS_FD_WARNINGS=1
shopt -s nullglob extglob
udevadm settle

list() {
  pvs --noheadings --units b --options pv_name,vg_name,pe_start | sed 's/^ */pv /'
  vgs --noheadings --units b --options vg_name,vg_extent_size,vg_extent_count | sed 's/^ */vg /'
  lvs --noheadings --units b --options vg_name,lv_name,lv_layout,lv_size | sed 's/^ */lv /'

  local device file key mounted path point root type value
  while read -r device; do
    wipefs --noheadings --output DEVICE,TYPE,LABEL "$device" | sed 's/^/signature /'
    type=$(lsblk --nodeps --noheadings --output FSTYPE "$device")
    [[ $type != ext4 ]] || dumpe2fs -h "$device" 2>/dev/null |
      sed --quiet --regexp-extended --expression='s/ needs_recovery//' \
        --expression="s,^(Filesystem features|Inode count|Block count|Block size):,ext4 $device &,p"
  done < <(lsblk --noheadings --list --paths --output NAME | sort --unique)

  findmnt --verify >/dev/null && echo "fstab valid" || echo "fstab NOT valid"
  findmnt --fstab --raw --noheadings --output TARGET,SOURCE,FSTYPE,OPTIONS,FREQ,PASSNO | sed 's/^/fstab /'
  # The server's port changes with each of its boots. btrfs shows its device by the name that was used last.
  while read -r path device type value; do
    if [[ $device == /dev/disk/* ]]; then device=$(realpath "$device"); fi
    echo "mount $path $device $type ${value/,mountport=+([0-9])/}"
  done < <(findmnt --kernel --raw --noheadings --types ext4,xfs,btrfs,nfs,nfs4 --output TARGET,SOURCE,FSTYPE,OPTIONS)

  # Only a bind mount of the root shows what lies below the mounts.
  root=$(mktemp --directory --tmpdir=/run)
  mount --bind / "$root"
  mounted=$(findmnt --kernel --raw --noheadings --output TARGET)
  for point; do
    path=$point
    while [[ -n $path ]]; do
      [[ ! -e $root$path ]] || echo "below the mounts $path $(stat --format='%U:%G %a' "$root$path") $(
        [[ $(lsattr -d "$root$path") != ????i* ]] || echo immutable
      )"
      path=${path%/*}
    done
    grep --quiet --line-regexp --fixed-strings -- "$point" <<<"$mounted" || continue
    find "$point" -xdev -type d -printf 'folder %p %u:%g %m\n'
    type=$(findmnt --noheadings --output FSTYPE --mountpoint "$point")
    [[ $type != xfs ]] || xfs_info "$point" | sed "s|^|xfs $point |"
  done
  umount "$root"
  rmdir "$root"

  awk -F: 'NR == FNR { name[$3] = $1; print "group", $1, ($3 < 1000 ? "system" : ""); next }
    { print "user", $1, name[$4], $6, $7, ($3 < 1000 ? "system" : "") }' /etc/group /etc/passwd

  for file in /etc/sysctl.d/*.conf; do
    while IFS='=' read -r key value; do
      read -r key <<<"$key"
      read -r value <<<"$value"
      [[ -z $key || $key == [#\;]* ]] || echo "sysctl $file $key = $value, live $(sysctl --values "$key")"
    done <"$file"
  done
  for file in /etc/udev/rules.d/*; do sed "s|^|udev $file |" "$file"; done
  for file in /sys/block/nvme*/queue/scheduler; do echo "scheduler $file $(<"$file")"; done

  for file in /etc/systemd/system/*.{service,timer}; do
    [[ -f $file && ! -L $file ]] || continue
    sed "s|^|unit $file |" "$file"
    [[ $file != *.timer ]] || echo "timer $(
      systemctl show --property=Id,UnitFileState,ActiveState,NeedDaemonReload "${file##*/}" |
        paste --serial --delimiters=' '
    )"
  done
}

# NVMe devices may get other numbers at each boot.
names=()
for device in /sys/block/nvme*; do
  read -r serial <"$device/device/serial"
  names+=(--expression="s|${device##*/}|nvme-$serial|g")
done
list "$@" | sed --regexp-extended "${names[@]}" --expression='s/[[:blank:]]+/ /g; s/ $//' | sort --unique
