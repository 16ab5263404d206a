# Usage: print-scripts FOLDER LINK PATH...
# Prints what lies at LINK and at each PATH, and which files the list of an earlier version has as ours. On a line, with
# tabs between: `status TYPE OWNER GROUP MODE PATH`, `sha256 SUM PATH`, `leads TARGET`, `listed PATH`.
set -euo pipefail
folder=$1 link=$2
shift
list=$folder/.manifest
declare -A proved=()
there=() regular=()
for path; do
  if [[ -e $path || -L $path ]]; then
    there+=("$path")
    if [[ -f $path && ! -L $path ]]; then regular+=("$path"); fi
    continue
  fi
  # Proved by its folder, so that an unreadable one isn't taken for an absent file.
  above=${path%/*}
  while [[ ! -d ${above:-/} ]]; do above=${above%/*}; done
  [[ -n ${proved[${above:-/}]-} ]] || ls --all -- "${above:-/}" >/dev/null
  proved[${above:-/}]=yes
done
if ((${#there[@]})); then stat --printf='status\t%F\t%U\t%G\t%a\t%n\n' -- "${there[@]}"; fi
if ((${#regular[@]})); then
  sums=$(sha256sum -- "${regular[@]}")
  while read -r sum path; do printf 'sha256\t%s\t%s\n' "$sum" "$path"; done <<<"$sums"
fi
if [[ -L $link ]]; then printf 'leads\t%s\n' "$(readlink -- "$link")"; fi
if [[ -f $list && ! -L $list && ! -L $folder ]]; then
  while read -r _ file; do printf 'listed\t%s\n' "$folder/$file"; done <"$list"
  printf 'listed\t%s\n' "$list"
fi
