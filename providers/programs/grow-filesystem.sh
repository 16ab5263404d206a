# Usage: bash -c "$THIS" grow-filesystem ext4|xfs|btrfs DEVICE
# Grows the filesystem to its device, online where it is mounted.
set -euo pipefail
type=$1 device=$2
if [[ $type == ext4 ]]; then
  # Not mounted, resize2fs wants a check first.
  findmnt --source "$device" >/dev/null || e2fsck -f -p -- "$device" || (($? < 2))
  exec resize2fs "$device"
fi
mountpoint=$(findmnt --noheadings --first-only --output TARGET --source "$device" || true)
if [[ -z $mountpoint ]]; then
  mountpoint=$(mktemp --directory --tmpdir=/run jts-storage.XXXXXXXXXX)
  trap 'umount -- "$mountpoint"; rmdir -- "$mountpoint"' EXIT
  mount -t "$type" -- "$device" "$mountpoint"
fi
case $type in
  xfs) xfs_growfs -d "$mountpoint" ;;
  btrfs) btrfs filesystem resize max "$mountpoint" ;;
  *)
    echo "$type can't be grown" >&2
    exit 64
    ;;
esac
