# Usage: remove-timer NAME; many of them.
# Removes timers and their services. A run under way is allowed to finish.
set -euo pipefail
source ledger.sh
source records.sh
folder=/etc/systemd/system
timers=() services=() files=() lines=() stamps=()
for ((i = 0; i < ${#starts[@]}; i++)); do
  read_record "$i"
  name=${record[0]}
  if [[ -e $folder/$name.timer ]]; then timers+=("$name.timer"); fi
  services+=("$name.service")
  # The moment of the last run, which Persistent= keeps.
  stamps+=("/var/lib/systemd/timers/stamp-$name.timer")
  for unit in "$name.timer" "$name.service"; do
    if ledger_has file "$folder/$unit"; then files+=("$folder/$unit") lines+=("file $folder/$unit"); fi
  done
done
((${#timers[@]} == 0)) || systemctl disable --quiet --no-reload --now -- "${timers[@]}"
systemctl reset-failed -- "${services[@]}" 2>/dev/null || true
rm --force -- "${stamps[@]}" ${files[@]+"${files[@]}"}
ledger_drop_lines ${lines[@]+"${lines[@]}"}
for _ in "${starts[@]}"; do record_done; done
