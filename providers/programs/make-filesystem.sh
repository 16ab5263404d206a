# Usage: bash -c "$THIS" make-filesystem ext4|xfs|btrfs LABEL DEVICE [MKFS-OPTION...]
# Makes a filesystem on a device that find-signs-of-use proved blank. Until all of it is on the disk it is labelled
# jts-making, so that one that a loss of power cut short isn't taken for whole: the next run makes it anew.
# LABEL may be empty: none.
set -euo pipefail
type=$1 label=$2 device=$3
# What was cut short; mkfs itself overwrites nothing.
if [[ $(blkid --probe --match-tag LABEL --output value -- "$device") == jts-making ]]; then wipefs --all --quiet -- "$device"; fi
"mkfs.$type" -q "${@:4}" -L jts-making "$device"
sync -- "$device"
case $type in
  ext4) e2label "$device" "$label" ;;
  # As xfs_admin(8) does it, which would have a shell read the label.
  xfs) xfs_db -x -p xfs_admin -c "label ${label:---}" "$device" >/dev/null ;;
  btrfs) btrfs filesystem label -- "$device" "$label" ;;
esac
sync -- "$device"
