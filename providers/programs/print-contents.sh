# Usage: print-contents [TYPE DEVICE]...
# Prints for each device a line `LENGTH BYTES`, then so many characters of the JSON in which wipefs tells its signatures;
# 0 where it has none. BYTES is the size that the filesystem of TYPE takes, which is smaller than its device after a
# half-done grow; - where there is none of it.
set -euo pipefail
# Lengths in bytes.
LC_ALL=C
# Sets `bytes`.
measure() {
  local said='' count='' size='' data
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
    echo "no size among what was said of the $1 on $2" >&2
    exit 1
  }
  bytes=$((count * size))
}
while (($#)); do
  # util-linux prints no JSON at all where there is nothing to print.
  signatures=$(wipefs --no-act --json --output TYPE,LABEL,UUID -- "$2")
  bytes=-
  if [[ $1 != none && $signatures =~ \"type\":\ *\""$1"\" ]]; then measure "$1" "$2"; fi
  printf '%s %s\n%s' "${#signatures}" "$bytes" "$signatures"
  shift 2
done
