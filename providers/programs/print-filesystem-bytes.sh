# Usage: bash -c "$THIS" print-filesystem-bytes ext4|xfs|btrfs DEVICE
# Prints the size that the filesystem itself takes, which is smaller than its device after a half-done grow.
set -euo pipefail
case $1 in
  ext4) dumpe2fs -h -- "$2" 2>/dev/null | awk -F': *' '/^Block count:/ { n = $2 } /^Block size:/ { s = $2 } END { printf "%.0f\n", n * s }' ;;
  # xfs_info asks the kernel where the filesystem is mounted: the superblock on the disk lags behind a grow.
  xfs) xfs_info "$2" | sed -n 's/^data .* bsize=\([0-9]*\) *blocks=\([0-9]*\),.*/\1 \2/p' | awk '{ printf "%.0f\n", $1 * $2 }' ;;
  btrfs) btrfs inspect-internal dump-super -- "$2" | awk '$1 == "dev_item.total_bytes" { print $2 }' ;;
  *)
    echo "no size is known for $1" >&2
    exit 64
    ;;
esac
