# Usage: remove-account GROUP [USER]; many of them.
# Removes what we made of them.
set -euo pipefail
source ledger.sh
source records.sh
for ((i = 0; i < ${#starts[@]}; i++)); do
  read_record "$i"
  group=${record[0]} user=${record[1]-} gone=()
  if [[ -n $user ]] && ledger_has user "$user"; then
    if getent passwd -- "$user" >/dev/null; then userdel -- "$user"; fi
    gone+=("user $user")
  fi
  if ledger_has group "$group"; then
    # userdel takes the user's own group along.
    if getent group -- "$group" >/dev/null; then groupdel -- "$group"; fi
    gone+=("group $group")
  fi
  ledger_drop_lines ${gone[@]+"${gone[@]}"}
  record_done
done
