# Usage: make-filesystem TYPE LABEL DEVICE [MKFS-OPTION...]
# Makes a filesystem on a device that find-signs-of-use proved blank. Until all of it is on the disk it is labelled
# jts-making, so that one that a loss of power left unfinished isn't taken for whole: the next run makes it anew.
# LABEL may be empty: no label.
set -euo pipefail
source filesystems.sh
type=$1 label=$2 device=$3
# What was left unfinished; mkfs itself overwrites nothing.
if [[ $(blkid --probe --match-tag LABEL --output value -- "$device") == jts-making ]]; then
  wipefs --all --quiet -- "$device"
fi
"mkfs.$type" -q "${@:4}" -L jts-making "$device"
sync -- "$device"
"label_$type" "$device" "$label"
sync -- "$device"
