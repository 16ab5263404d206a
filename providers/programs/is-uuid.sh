# Usage: bash -c "$THIS" is-uuid pv|vg|lv|filesystem NAME UUID
# Proves that what is about to be removed is the very thing that was looked at.
set -euo pipefail
case $1 in
  pv) found=$(pvs --noheadings --options pv_uuid -- "$2") ;;
  vg) found=$(vgs --noheadings --options vg_uuid -- "$2") ;;
  lv) found=$(lvs --noheadings --options lv_uuid -- "$2") ;;
  filesystem) found=$(blkid --probe --match-tag UUID --output value -- "$2") ;;
  *)
    echo "unknown kind: $1" >&2
    exit 64
    ;;
esac
found=${found// /}
[[ $found == "$3" ]] || {
  echo "$2 is now $found instead of $3" >&2
  exit 10
}
