# Usage: remove-file PATH [HOW]; many of them.
# Removes the files that we made, and then the folders that we made for them. HOW: `put-back` puts back what another had
# there; `leave` leaves what another has there now, and what is kept of it.
set -euo pipefail
source ledger.sh
source replaced.sh
source records.sh
paths=() back=() lines=() folders=() all=()
for ((i = 0; i < ${#starts[@]}; i++)); do
  read_record "$i"
  case ${record[1]-} in
    put-back) back+=("${record[0]}") ;;
    leave) ;;
    *) if ledger_has file "${record[0]}"; then paths+=("${record[0]}"); fi ;;
  esac
  lines_of "${record[0]}"
  all+=("${record[0]}")
  folders+=("${record[0]%/*}")
done
((${#paths[@]} == 0)) || rm --force -- "${paths[@]}"
put_back ${back[@]+"${back[@]}"}
forget_replaced ${back[@]+"${back[@]}"}
tidy_replaced "${all[@]}"
ledger_drop_lines ${lines[@]+"${lines[@]}"}
remove_directories "${folders[@]}"
for _ in "${starts[@]}"; do record_done; done
