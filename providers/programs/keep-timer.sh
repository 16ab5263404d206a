# Usage: keep-timer NAME PATH...; many of them.
# Keeps what others have at PATHs, which are the files of a timer and its service; and which links enable these, and
# which of them is active. A service that stays active is stopped: ours could not start. A run under way is allowed to
# finish.
set -euo pipefail
source ledger.sh
source replaced.sh
source records.sh
folder=/etc/systemd/system
for ((i = 0; i < ${#starts[@]}; i++)); do
  read_record "$i"
  name=${record[0]} paths=("${record[@]:1}")
  copy_replaced "${paths[@]}"
  old=() new=() stopped=()
  for unit in "$name.timer" "$name.service"; do
    # What it was before us is known already.
    if ledger_has file "$folder/$unit"; then continue; fi
    for line in "${!made[@]}"; do
      if [[ $line == "active $unit" ]] || has_link_of "$unit" "$line"; then old+=("$line"); fi
    done
    state=$(systemctl show --property=ActiveState --value -- "$unit")
    [[ -n $state ]]
    if [[ $state == active ]]; then
      new+=("active $unit")
      if [[ $unit == *.service && " ${paths[*]} " == *" $folder/$unit "* ]]; then stopped+=("$unit"); fi
    fi
    found=$(find "$folder" -mindepth 1 -maxdepth 2 -type l -printf 'link %p %l\n')
    while IFS= read -r line; do
      if [[ $line != "link $folder/$unit "* ]] && has_link_of "$unit" "$line"; then new+=("$line"); fi
    done <<<"$found"
  done
  ledger_drop_lines ${old[@]+"${old[@]}"}
  ledger_add_lines ${new[@]+"${new[@]}"}
  ((${#stopped[@]} == 0)) || systemctl stop -- "${stopped[@]}"
  own_replaced "${paths[@]}"
  record_done
done
