# Usage: print-nfs-cache FILE
# Prints its size, what is allocated of it, and what is free in its folder, in bytes; "-" where that isn't there.
set -euo pipefail
bounded() { timeout --kill-after=5 20 stat "$@"; }
size=- allocated=- free=- folder=${1%/*}
if [[ -e $1 ]]; then
  seen=$(bounded --printf='%s %b %B' -- "$1")
  read -r size blocks each <<<"$seen"
  allocated=$((blocks * each))
fi
if [[ -d ${folder:=/} ]]; then
  seen=$(bounded --file-system --printf='%a %S' -- "$folder")
  free=$((${seen% *} * ${seen#* }))
fi
echo "$size $allocated $free"
