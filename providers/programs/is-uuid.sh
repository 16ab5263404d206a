# Usage: is-uuid pv|vg|lv|filesystem NAME UUID; many of them.
# Proves that what is about to be removed is the very thing that was looked at.
set -euo pipefail
source records.sh
source lvm-report.sh
declare -A found=()
# Lines of a name and a UUID.
read_found() { while read -r name uuid; do found["$1 $name"]=$uuid; done; }
for kind in pv vg lv; do
  names=()
  for ((i = 0; i < ${#starts[@]}; i++)); do
    read_record "$i"
    [[ ${record[0]} != "$kind" ]] || names+=("${record[1]}")
  done
  ((${#names[@]})) || continue
  case $kind in
    pv) for name in "${names[@]}"; do found["pv $name"]=$(lvm_report pvs --options pv_uuid -- "$name"); done ;;
    vg) read_found vg < <(lvm_report vgs --options vg_name,vg_uuid -- "${names[@]}") ;;
    lv) read_found lv < <(lvm_report lvs --options lv_full_name,lv_uuid -- "${names[@]}") ;;
  esac
done
for ((i = 0; i < ${#starts[@]}; i++)); do
  read_record "$i"
  kind=${record[0]} name=${record[1]}
  case $kind in
    pv | vg | lv) uuid=${found["$kind $name"]-} ;;
    filesystem) uuid=$(blkid --probe --match-tag UUID --output value -- "$name") ;;
    *)
      echo "unknown kind: $kind" >&2
      exit 64
      ;;
  esac
  uuid=${uuid// /}
  if [[ $uuid != "${record[2]}" ]]; then
    echo "$name is now ${uuid:-gone} instead of ${record[2]}" >&2
    exit 10
  fi
  record_done
done
