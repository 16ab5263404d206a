# Usage: remove-written FILE...
# Removes what the scripts wrote besides data, and folders of ours that are empty then. Others' folders stay.
set -euo pipefail
for file; do
  rm --force -- "$file"
  [[ ${file%/*} != */jts-storage || ! -d ${file%/*} ]] || rmdir --ignore-fail-on-non-empty -- "${file%/*}"
done
