# Usage: remove-volume VG/LV; many of them.
# Removes logical volumes; one in use is refused by lvremove itself.
set -euo pipefail
source records.sh
names=()
for ((i = 0; i < ${#starts[@]}; i++)); do
  read_record "$i"
  names+=("${record[0]}")
done
if ! lvremove --yes -- "${names[@]}"; then
  # Finds which of them it is.
  for name in "${names[@]}"; do
    if lvs --noheadings -- "$name" >/dev/null 2>&1; then lvremove --yes -- "$name"; fi
    record_done
  done
  exit
fi
for _ in "${names[@]}"; do record_done; done
