# Usage: remove-tree FOLDER...; many of them.
# Removes the folders, last first, where we made them and nothing is in them.
set -euo pipefail
source ledger.sh
source records.sh
cd /
folders=()
for ((i = ${#starts[@]} - 1; i >= 0; i--)); do
  read_record "$i"
  for ((j = ${#record[@]} - 1; j >= 0; j--)); do folders+=("${record[j]}"); done
done
remove_directories "${folders[@]}"
for _ in "${starts[@]}"; do record_done; done
