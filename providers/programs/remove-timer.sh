# Usage: remove-timer NAME [HOW-TIMER HOW-SERVICE]; many of them.
# Removes timers and their services. A run under way is allowed to finish. HOW: `put-back` puts back what another had
# there, with the links that enabled it, and starts it where it was active; `leave` leaves what another has there now,
# and what is kept of it; `remove` is the default.
set -euo pipefail
source ledger.sh
source replaced.sh
source records.sh
folder=/etc/systemd/system
timers=() services=() files=() lines=() stamps=() back=() links=() active=() all=()
for ((i = 0; i < ${#starts[@]}; i++)); do
  read_record "$i"
  name=${record[0]} how=${record[1]-remove}
  path=$folder/$name.timer
  # What is put back already, by a run that was cut, isn't ours to disable.
  if [[ -e $path && $how != leave ]] && ! { [[ $how == put-back ]] && is_same "$path" "$replaced$path"; }; then
    timers+=("$name.timer")
  fi
  # The moment of the last run, which Persistent= keeps.
  if [[ $how == remove ]]; then stamps+=("/var/lib/systemd/timers/stamp-$name.timer"); fi
  if [[ ${record[2]-remove} != leave ]]; then services+=("$name.service"); fi
  for unit in "$name.timer" "$name.service"; do
    path=$folder/$unit
    if [[ $unit == *.service ]]; then how=${record[2]-remove}; fi
    case $how in
      put-back) back+=("$path") ;;
      leave) ;;
      *) if ledger_has file "$path"; then files+=("$path"); fi ;;
    esac
    lines_of "$path"
    all+=("$path")
    for line in "${!made[@]}"; do
      if [[ $line == "active $unit" ]]; then
        [[ $how == leave ]] || active+=("$unit")
      elif has_link_of "$unit" "$line"; then
        [[ $how == leave ]] || links+=("${line#link }")
      else
        continue
      fi
      lines+=("$line")
    done
  done
done
((${#timers[@]} == 0)) || systemctl disable --quiet --no-reload --now -- "${timers[@]}"
((${#services[@]} == 0)) || systemctl reset-failed -- "${services[@]}" 2>/dev/null || true
rm --force -- ${stamps[@]+"${stamps[@]}"} ${files[@]+"${files[@]}"}
put_back ${back[@]+"${back[@]}"}
for link in ${links[@]+"${links[@]}"}; do
  path=${link%% *}
  if [[ ! -e $path && ! -L $path ]]; then
    mkdir --parents -- "${path%/*}"
    ln --symbolic --no-target-directory -- "${link#* }" "$path"
  fi
done
code=0
if ((${#back[@]} + ${#links[@]} + ${#active[@]})); then
  sync --file-system -- "$folder"
  # A unit is started as its own file says.
  systemctl daemon-reload
  # Told once: what doesn't start any more must not keep all else from being removed.
  ((${#active[@]} == 0)) || systemctl start -- "${active[@]}" || code=$?
fi
forget_replaced ${back[@]+"${back[@]}"}
tidy_replaced "${all[@]}"
ledger_drop_lines ${lines[@]+"${lines[@]}"}
((code == 0)) || exit "$code"
for _ in "${starts[@]}"; do record_done; done
