# Usage: bash -c "$THIS" remove-scripts TARGET [FILE...]
# Removes the files, which the scripts wrote, what the manifest says was installed, and the folders that are empty then.
set -euo pipefail
target=$1
for file in "${@:2}"; do
  rm --force -- "$file"
  [[ ! -d ${file%/*} ]] || rmdir --ignore-fail-on-non-empty -- "${file%/*}"
done
[[ -e $target/.manifest ]] || exit 0
cd -- "$target"
while read -r _ path; do rm --force -- "$path"; done <.manifest
rm --force -- .manifest
# Python leaves compiled files beside a module.
find . -depth -mindepth 1 -type d -empty -delete
cd /
rmdir --ignore-fail-on-non-empty -- "$target"
