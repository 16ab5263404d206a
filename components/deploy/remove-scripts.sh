# Usage: bash -c "$THIS" remove-scripts TARGET [LINK [FILE...]]
# Removes what the manifest says was installed, the folders that are empty then, LINK if it leads to our script, and the
# FILEs, which the scripts wrote.
set -euo pipefail
target=$1 link=${2-}
shift $(($# < 2 ? $# : 2))
if [[ -L $link && $(readlink -- "$link") == "$target/${link##*/}" ]]; then rm -- "$link"; fi
for file in "$@"; do
  rm --force -- "$file"
  # Others' folders stay.
  [[ ${file%/*} != */jts-storage || ! -d ${file%/*} ]] || rmdir --ignore-fail-on-non-empty -- "${file%/*}"
done
[[ -e $target/.manifest ]] || exit 0
cd -- "$target"
while read -r _ path; do rm --force -- "$path"; done <.manifest
rm --force -- .manifest
# Python leaves compiled files beside a module.
find . -depth -mindepth 1 -type d -empty -delete
cd /
rmdir --ignore-fail-on-non-empty -- "$target"
