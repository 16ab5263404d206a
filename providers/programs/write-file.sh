# Usage: write-file PATH OWNER GROUP MODE, the content on standard input
# Replaces the file in one step; no reader sees half of it, and it is never open wider than declared.
path=$1
make_directory "$(dirname -- "$path")"
[[ -e $path ]] || ledger_add file "$path"
new=$(mktemp -- "$(dirname -- "$path")/.jts-storage.XXXXXXXXXX")
trap 'rm --force -- "$new"' EXIT
cat >"$new"
chown -- "$2:$3" "$new"
chmod -- "$4" "$new"
sync --data -- "$new"
mv --no-target-directory -- "$new" "$path"
sync -- "$(dirname -- "$path")"
