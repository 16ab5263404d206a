# Usage: remove-file PATH; many of them.
# Removes the files that we made, and then the folders that we made for them.
set -euo pipefail
source ledger.sh
source records.sh
paths=() lines=() folders=()
for ((i = 0; i < ${#starts[@]}; i++)); do
  read_record "$i"
  if ledger_has file "${record[0]}"; then paths+=("${record[0]}") lines+=("file ${record[0]}"); fi
  folders+=("${record[0]%/*}")
done
((${#paths[@]} == 0)) || rm --force -- "${paths[@]}"
ledger_drop_lines ${lines[@]+"${lines[@]}"}
remove_directories "${folders[@]}"
for _ in "${starts[@]}"; do record_done; done
