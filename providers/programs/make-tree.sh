# Usage: make-tree OWNER GROUP MODE FOLDER...; many of them.
# Makes the folders, in the order given, and sets their owner, group and mode; an existing one keeps what is in it.
set -euo pipefail
source ledger.sh
source records.sh
# Inside a folder `.` can't be swapped for a link by whoever owns the folder above. Which folder it is, the kernel says:
# cd looks at the path before it goes there, and a link can come in between.
enter() {
  if ! cd -P -- "$1" || ! cd -P /proc/self/cwd || [[ $PWD != "$1" ]]; then
    echo "$1 leads to $PWD" >&2
    exit 1
  fi
}
for ((i = 0; i < ${#starts[@]}; i++)); do
  read_record "$i"
  owner=${record[0]} group=${record[1]} mode=${record[2]} folders=("${record[@]:3}")
  parent=${folders[0]%/*}
  make_directories "${parent:-/}"
  missing=() existing=()
  for folder in "${folders[@]}"; do
    refuse_links "$folder"
    if [[ -d $folder ]]; then existing+=("$folder"); else missing+=("$folder"); fi
  done
  if ((${#missing[@]})); then
    ledger_add_lines "${missing[@]/#/directory }"
    mkdir --mode="$mode" -- "${missing[@]}"
  fi
  for folder in ${existing[@]+"${existing[@]}"}; do
    enter "$folder"
    chown -- "$owner:$group" .
    # chmod keeps a folder's setgid bit, unless the mode has more digits than four.
    chmod -- "0000$mode" .
  done
  # A new one has its mode already, and root's group, unless it lies in a folder whose setgid bit it took over.
  for folder in ${missing[@]+"${missing[@]}"}; do
    if [[ $owner:$group == root:root && ! -g $folder ]]; then continue; fi
    enter "$folder"
    chown -- "$owner:$group" .
    if [[ -g . ]]; then chmod -- "0000$mode" .; fi
  done
  record_done
done
