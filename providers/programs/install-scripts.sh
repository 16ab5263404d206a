# Usage: install-scripts FOLDER LINK [FILE TEXT]...
# Writes each FILE below FOLDER, as root's, and LINK, which leads to the file of its name. Each is complete before it
# has its name.
set -euo pipefail
source ledger.sh
source replaced.sh
folder=$1 link=$2
shift 2
list=$folder/.manifest new=$folder/.new
# What is installed is root's: a link would have it written elsewhere.
refuse_link() { [[ ! -L $1 ]] || {
  echo "$1 is a symbolic link; look whose it is, and take it away" >&2
  exit 1
}; }
leads_to_ours() { [[ -L $link && $(readlink -- "$link") == "$folder/${link##*/}" ]]; }
leads_to_ours || ! is_at "$link" || ledger_has replaced "$link" || {
  echo "$link exists already and isn't ours; move it away" >&2
  exit 1
}
refuse_link "$folder"
refuse_link "$list"
folders=("$folder") lines=() pairs=("$@")
declare -A names=()
while (($#)); do
  path=/$1
  names["${path%/*}/"]+=" ${path##*/}"
  shift 2
done
for above in ${names[@]+"${!names[@]}"}; do
  above=${above%/}
  while [[ -n $above ]]; do
    folders+=("$folder$above")
    above=${above%/*}
  done
done
for path in "${folders[@]}"; do
  refuse_link "$path"
  [[ -d $path ]] || lines+=("directory $path")
done
# The list in which an earlier version kept what it made: now the ledger has that.
if [[ -e $list ]]; then
  lines+=("directory $folder")
  while read -r _ file; do
    lines+=("file $folder/$file")
    while [[ $file == */* ]]; do
      file=${file%/*}
      lines+=("directory $folder/$file")
    done
  done <"$list"
fi
for ((at = 0; at < ${#pairs[@]}; at += 2)); do
  [[ -e $folder/${pairs[at]} ]] || lines+=("file $folder/${pairs[at]}")
done
if [[ -e $list ]] || ! leads_to_ours; then lines+=("file $link"); fi
ledger_add_lines ${lines[@]+"${lines[@]}"}
rm --force -- "$list"
# With fewer digits a folder would keep a setgid bit that it took over: /usr/local has one on older Debian.
install --directory --owner=root --group=root --mode=00755 -- "${folders[@]}"
# Of each folder all at once: a process for each file takes its time on a slow host.
rm --recursive --force -- "$new"
for above in ${names[@]+"${!names[@]}"}; do install --directory --mode=700 -- "$new${above%/}"; done
for ((at = 0; at < ${#pairs[@]}; at += 2)); do printf %s "${pairs[at + 1]}" >"$new/${pairs[at]}"; done
for above in ${names[@]+"${!names[@]}"}; do
  # Names of ours have no white space.
  read -r -a files <<<"${names[$above]}"
  chown root:root -- "${files[@]/#/$new$above}"
  chmod 755 -- "${files[@]/#/$new$above}"
  sync --data -- "${files[@]/#/$new$above}"
  mv --target-directory="$folder$above" -- "${files[@]/#/$new$above}"
done
rm --recursive --force -- "$new"
if ! leads_to_ours; then
  new_link=${link%/*}/.${link##*/}.jts-new
  rm --force -- "$new_link"
  ln --symbolic --no-target-directory -- "$folder/${link##*/}" "$new_link"
  remember_written "$link" "$new_link"
  mv --no-target-directory -- "$new_link" "$link"
  sync -- "${link%/*}"
fi
# A loss of power must not take what the state has from now on.
sync --file-system -- "$folder"
