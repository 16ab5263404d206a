# Usage: are-missing-and-unused VG UUID...
# Proves that the PVs that a VG lacks are these, and that no extent of a volume is on them.
set -euo pipefail
source lvm-report.sh
# Each PV in two words: its UUID, and its bytes in volumes.
found=$(lvm_report pvs --options pv_uuid,pv_used --select "vg_name=\"$1\" && pv_missing=1")
shift
found=$(sort <<<"$found" | awk 'NF { print $1, $2 }')
wanted=$(printf '%s 0\n' "$@" | sort)
[[ $found == "$wanted" ]] || {
  echo "missing are now, with the bytes of volumes on each: ${found:-none}" >&2
  exit 10
}
