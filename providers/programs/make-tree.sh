# Usage: make-tree OWNER GROUP MODE FOLDER...
# Makes the folders, in the order given, and sets their owner, group and mode; an existing one keeps what is in it.
owner=$1 group=$2 mode=$3
shift 3
above=${1%/*}
make_directory "${above:-/}"
missing=() existing=()
for folder; do
  refuse_links "$folder"
  if [[ -d $folder ]]; then existing+=("$folder"); else missing+=("$folder"); fi
done
if ((${#missing[@]})); then
  ledger_add_lines "${missing[@]/#/directory }"
  mkdir --mode="$mode" -- "${missing[@]}"
fi
# Inside a folder `.` can't be swapped for a link by whoever owns the folder above. Which folder it is, the kernel says:
# cd looks at the path before it goes there, and a link can come in between. A new one has its mode already.
enter() { if ! cd -P -- "$1" || ! cd -P /proc/self/cwd || [[ $PWD != "$1" ]]; then
  echo "$1 leads to $PWD" >&2
  exit 1
fi; }
for folder in "${existing[@]}"; do
  enter "$folder"
  chown -- "$owner:$group" .
  chmod -- "$mode" .
done
[[ $owner:$group != root:root ]] || exit 0
for folder in "${missing[@]}"; do
  enter "$folder"
  chown -- "$owner:$group" .
done
