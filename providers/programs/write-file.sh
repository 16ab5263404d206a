# Usage: write-file PATH OWNER GROUP MODE, the content on standard input; many of them.
# Replaces the file in one step; no reader sees half of it, and it is never open wider than declared.
set -euo pipefail
source ledger.sh
source replaced.sh
source records.sh
for ((i = 0; i < ${#starts[@]}; i++)); do
  read_record "$i"
  path=${record[0]} folder=${record[0]%/*}
  folder=${folder:-/}
  make_directories "$folder"
  [[ -e $path ]] || ledger_add file "$path"
  new=$(mktemp -- "$folder/.jts-storage.XXXXXXXXXX")
  trap 'rm --force -- "$new"' EXIT
  printf %s "${texts[i]}" >"$new"
  chown -- "${record[1]}:${record[2]}" "$new"
  chmod -- "${record[3]}" "$new"
  sync --data -- "$new"
  remember_written "$path" "$new"
  mv --no-target-directory -- "$new" "$path"
  trap - EXIT
  sync -- "$folder"
  record_done
done
