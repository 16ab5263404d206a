# Usage: print-filesystem-bytes ext4|xfs|btrfs DEVICE
# Prints the size that the filesystem itself takes, which is smaller than its device after a half-done grow.
set -euo pipefail
said='' count='' size=''
case $1 in
  ext4)
    said=$(dumpe2fs -h -- "$2" 2>/dev/null)
    if [[ $said =~ $'\nBlock count:'\ +([0-9]+) ]]; then count=${BASH_REMATCH[1]}; fi
    if [[ $said =~ $'\nBlock size:'\ +([0-9]+) ]]; then size=${BASH_REMATCH[1]}; fi
    ;;
  # It asks the kernel where the filesystem is mounted: the superblock on the disk lags behind a grow.
  xfs)
    said=$(xfs_info "$2")
    data=$'\ndata +=[^\n]* bsize=([0-9]+) +blocks=([0-9]+),'
    if [[ $said =~ $data ]]; then size=${BASH_REMATCH[1]} count=${BASH_REMATCH[2]}; fi
    ;;
  btrfs)
    said=$(btrfs inspect-internal dump-super -- "$2")
    if [[ $said =~ $'\ndev_item.total_bytes'[[:space:]]+([0-9]+) ]]; then count=${BASH_REMATCH[1]} size=1; fi
    ;;
  *)
    echo "no size is known for $1" >&2
    exit 64
    ;;
esac
[[ -n $count && -n $size ]] || {
  echo "no size among what was said of $2" >&2
  exit 1
}
echo $((count * size))
