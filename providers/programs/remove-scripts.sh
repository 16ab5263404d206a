# Usage: remove-scripts FOLDER PATH...
# Removes files of ours in FOLDER, what Python compiled of them, and the folders of ours that are empty then. A PATH
# elsewhere is a link to one of them, and goes where it still is.
set -euo pipefail
source ledger.sh
root=$1
shift
files=() folders=()
declare -A is_known=()
for path; do
  if [[ $path != "$root"/* ]]; then
    if [[ -L $path && $(readlink -- "$path") == "$root"/* ]]; then files+=("$path"); fi
    continue
  fi
  folder=${path%/*}
  if [[ -z ${is_known[$folder]-} ]]; then
    is_known[$folder]=yes
    parent=$folder
    while [[ $parent == "$root"* ]]; do
      # What is behind it isn't ours.
      [[ ! -L $parent ]] || {
        echo "$parent is a symbolic link; look whose it is, and take it away" >&2
        exit 1
      }
      parent=${parent%/*}
    done
    folders+=("$folder")
  fi
  files+=("$path")
  if [[ $path == *.py && -d $folder/__pycache__ && ! -L $folder/__pycache__ ]]; then
    name=${path##*/}
    files+=("$folder/__pycache__/${name%.py}".*.pyc)
  fi
done
rm --force -- ${files[@]+"${files[@]}"}
for folder in ${folders[@]+"${folders[@]}"}; do
  if [[ -d $folder/__pycache__ && ! -L $folder/__pycache__ ]]; then
    rmdir --ignore-fail-on-non-empty -- "$folder/__pycache__"
  fi
done
ledger_drop_lines "${@/#/file }"
remove_directories ${folders[@]+"${folders[@]}"}
