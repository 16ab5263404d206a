# Usage: make-tree OWNER GROUP MODE FOLDER...
# Makes the folders, in the order given, and sets their owner, group and mode; an existing one keeps what is in it.
owner=$1 group=$2 mode=$3
shift 3
for folder; do
  make_directory "$folder"
  # Inside the folder `.` can't be swapped for a link by whoever owns the folder above.
  cd -P -- "$folder"
  [[ $PWD == "$folder" ]] || { echo "$folder leads to $PWD" >&2; exit 1; }
  chown -- "$owner:$group" .
  chmod -- "$mode" .
done
