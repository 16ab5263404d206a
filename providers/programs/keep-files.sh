# Usage: keep-files PATH...; many of them.
# Keeps what others have at paths, so that the paths can be ours.
set -euo pipefail
source ledger.sh
source replaced.sh
source records.sh
for ((i = 0; i < ${#starts[@]}; i++)); do
  read_record "$i"
  copy_replaced "${record[@]}"
  own_replaced "${record[@]}"
  record_done
done
