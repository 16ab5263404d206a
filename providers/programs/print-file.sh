# Usage: print-file PATH
# Prints `TYPE OWNER GROUP MODE` and a line end, then a regular file's content; exits with 10 where there is nothing.
set -euo pipefail
if [[ ! -e $1 && ! -L $1 ]]; then
  # Proved by its folder, so that an unreadable one isn't taken for an absent file.
  folder=$(dirname -- "$1")
  while [[ ! -d $folder ]]; do folder=$(dirname -- "$folder"); done
  ls --all -- "$folder" >/dev/null
  exit 10
fi
stat --printf='%F\t%U\t%G\t%a\n' -- "$1"
if [[ -f $1 ]]; then cat -- "$1"; fi
