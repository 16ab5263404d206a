# Usage: take-out-physical-volume VG PV
# Moves its extents to the VG's other PVs, while the volumes are in use, and takes it out. Started again, it goes on.
set -euo pipefail
source lvm-report.sh
used=$(lvm_report pvs --options pv_used -- "$2")
((used == 0)) || pvmove --interval 5 -- "$2" >>"${progress:-/dev/null}"
vgreduce -- "$1" "$2"
