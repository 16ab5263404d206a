# Usage: remove-account GROUP|"" [USER]; many of them.
# Removes what we made of them; an empty GROUP stays.
set -euo pipefail
source ledger.sh
source records.sh
for ((i = 0; i < ${#starts[@]}; i++)); do
  read_record "$i"
  group=${record[0]} user=${record[1]-} gone=()
  if [[ -n $user ]] && ledger_has user "$user"; then
    if getent passwd -- "$user" >/dev/null; then userdel -- "$user"; fi
    gone+=("user $user")
    # userdel takes a group of the user's own name along, whose resource may have gone before.
    if ! getent group -- "$user" >/dev/null; then gone+=("group $user"); fi
  fi
  if [[ -n $group ]] && ledger_has group "$group"; then
    if getent group -- "$group" >/dev/null; then groupdel -- "$group"; fi
    gone+=("group $group")
  fi
  ledger_drop_lines ${gone[@]+"${gone[@]}"}
  record_done
done
