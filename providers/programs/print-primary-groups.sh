# Usage: print-primary-groups. Prints each user and its primary group, as `USER:GROUP`.
set -euo pipefail
declare -A name=()
while IFS=: read -r group _ number _; do name[$number]=$group; done < <(getent group)
while IFS=: read -r user _ _ number _; do
  [[ -z $number || -z ${name[$number]-} ]] || printf '%s:%s\n' "$user" "${name[$number]}"
done < <(getent passwd)
