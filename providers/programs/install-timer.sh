# Usage: install-timer NAME TIMER-TEXT SERVICE-TEXT; many of them.
# Checks, installs, enables and starts timers and their services.
set -euo pipefail
source ledger.sh
source replaced.sh
source records.sh
folder=/etc/systemd/system
new=$(mktemp --directory --tmpdir=/run jts-storage.XXXXXXXXXX)
trap 'rm --recursive --force -- "$new"' EXIT
names=() units=()
for ((i = 0; i < ${#starts[@]}; i++)); do
  read_record "$i"
  printf %s "${record[1]}" >"$new/${record[0]}.timer"
  printf %s "${record[2]}" >"$new/${record[0]}.service"
  names+=("${record[0]}") units+=("${record[0]}.timer" "${record[0]}.service")
done
verify() { systemd-analyze verify --man=no --recursive-errors=no "${@/#/$new/}"; }
count=${#names[@]} said=
if ! said=$(verify "${units[@]}" 2>&1); then
  # Those before the first that is wrong are installed.
  for ((count = 0; count < ${#names[@]}; count++)); do
    said=$(verify "${names[count]}.timer" "${names[count]}.service" 2>&1) || break
  done
fi
if ((count > 0)); then
  timers=("${names[@]:0:count}") units=("${units[@]:0:2*count}") paths=() lines=() links=()
  timers=("${timers[@]/%/.timer}")
  for unit in "${units[@]}"; do
    [[ -e $folder/$unit ]] || lines+=("file $folder/$unit")
    install --mode=644 --no-target-directory -- "$new/$unit" "$folder/.$unit.jts-new"
    paths+=("$folder/.$unit.jts-new")
  done
  ledger_add_lines ${lines[@]+"${lines[@]}"}
  sync --data -- "${paths[@]}"
  # Links that enabled another's service would start ours at boot; that of a timer is made anew below. Before the files,
  # so that a run that is cut is seen to be unfinished.
  for unit in "${units[@]}"; do
    ledger_has replaced "$folder/$unit" || continue
    for line in "${!made[@]}"; do
      if has_link_of "$unit" "$line"; then
        line=${line#link }
        links+=("${line%% *}")
      fi
    done
  done
  rm --force -- ${links[@]+"${links[@]}"}
  for unit in "${units[@]}"; do
    remember_written "$folder/$unit" "$folder/.$unit.jts-new"
    mv --no-target-directory -- "$folder/.$unit.jts-new" "$folder/$unit"
  done
  systemctl --quiet --no-reload reenable -- "${timers[@]}"
  # systemd reads by itself what it has not read yet.
  if [[ $(systemctl show --property=NeedDaemonReload -- "${units[@]}") == *yes* ]]; then systemctl daemon-reload; fi
  # A running timer takes a changed calendar only when it is started anew.
  systemctl restart -- "${timers[@]}"
fi
for ((i = 0; i < count; i++)); do record_done; done
((count == ${#names[@]})) || {
  echo "$said" >&2
  exit 1
}
