# shellcheck shell=bash disable=SC2034
# What differs between the types of filesystems that are made here. Of each TYPE, by the name that mkfs has for it:
#   label_TYPE DEVICE LABEL  gives it the label, while it isn't mounted; an empty one takes the label away.
#   measure_TYPE DEVICE      sets `count` and `size`: so many blocks of so many bytes, mounted or not; and `unusable` to
#                            the bytes that it may leave unused at its device's end by its geometry, where they can be
#                            many; and `devices` to how many it lies on, where they can be several.
#   grow_TYPE DEVICE         grows it to its device, online where it is mounted.
#   unlogged[TYPE]           is the option of a read-only mount that doesn't write to it, not even from its log.
declare -A unlogged=()

unlogged[ext4]=noload
label_ext4() { e2label "$1" "$2"; }
measure_ext4() {
  local said
  said=$(dumpe2fs -h -- "$1" 2>/dev/null)
  if [[ $said =~ $'\nBlock count:'\ +([0-9]+) ]]; then count=${BASH_REMATCH[1]}; fi
  if [[ $said =~ $'\nBlock size:'\ +([0-9]+) ]]; then size=${BASH_REMATCH[1]}; fi
  # A last group is left out that has no room for its own bitmaps, inode table and descriptors, and 50 blocks besides.
  local inodes=0 reserved=0 group=0
  if [[ $said =~ $'\nInode blocks per group:'\ +([0-9]+) ]]; then inodes=${BASH_REMATCH[1]}; fi
  if [[ $said =~ $'\nReserved GDT blocks:'\ +([0-9]+) ]]; then reserved=${BASH_REMATCH[1]}; fi
  if [[ $said =~ $'\nBlocks per group:'\ +([0-9]+) ]]; then group=${BASH_REMATCH[1]}; fi
  if [[ -n $count && -n $size ]] && ((group > 0)); then
    unusable=$(((53 + inodes + reserved + count * 64 / group / size + 1) * size))
  fi
}
grow_ext4() {
  # Not mounted, resize2fs wants a check first.
  findmnt --source "$1" >/dev/null || e2fsck -f -p -- "$1" || (($? < 2))
  resize2fs "$1"
}

unlogged[xfs]=norecovery
# As xfs_admin(8) does it, which would have a shell read the label.
label_xfs() { xfs_db -x -p xfs_admin -c "label ${2:---}" "$1" >/dev/null; }
# xfs_info asks the kernel where the filesystem is mounted: the superblock on the disk lags behind a grow. It finds the
# mount point by findmnt, which in the C locale has what isn't ASCII in hexadecimal.
measure_xfs() {
  local said data=$'\ndata +=[^\n]* bsize=([0-9]+) +blocks=([0-9]+),'
  said=$(LC_ALL=C.UTF-8 xfs_info "$1")
  if [[ $said =~ $data ]]; then size=${BASH_REMATCH[1]} count=${BASH_REMATCH[2]}; fi
}
grow_xfs() { grow_mounted xfs "$1" xfs_growfs -d; }

unlogged[btrfs]=rescue=nologreplay
label_btrfs() { btrfs filesystem label -- "$1" "$2"; }
measure_btrfs() {
  local said
  said=$(btrfs inspect-internal dump-super -- "$1")
  if [[ $said =~ $'\ndev_item.total_bytes'[[:space:]]+([0-9]+) ]]; then count=${BASH_REMATCH[1]} size=1; fi
  if [[ $said =~ $'\nnum_devices'[[:space:]]+([0-9]+) ]]; then devices=${BASH_REMATCH[1]}; fi
}
grow_btrfs() { grow_mounted btrfs "$1" btrfs filesystem resize max; }

# grow_mounted TYPE DEVICE COMMAND...: runs the command on the mount point; what isn't mounted is mounted for it.
grow_mounted() {
  # --raw has all in hexadecimal that isn't plain, backslashes too.
  printf -v mountpoint %b "$(findmnt --noheadings --raw --first-only --output TARGET --source "$2" || true)"
  if [[ -z $mountpoint ]]; then
    mountpoint=$(mktemp --directory --tmpdir=/run jts-storage.XXXXXXXXXX)
    trap 'umount -- "$mountpoint"; rmdir -- "$mountpoint"' EXIT
    mount -t "$1" -- "$2" "$mountpoint"
  fi
  "${@:3}" "$mountpoint"
}
