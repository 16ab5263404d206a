# Usage: install-timer NAME TIMER-TEXT SERVICE-TEXT
# Checks, installs, enables and starts a timer and its service.
folder=/etc/systemd/system
new=$(mktemp --directory --tmpdir=/run jts-storage.XXXXXXXXXX)
trap 'rm --recursive --force -- "$new"' EXIT
printf %s "$2" >"$new/$1.timer"
printf %s "$3" >"$new/$1.service"
chmod 644 -- "$new"/*
systemd-analyze verify --man=no --recursive-errors=no "$new/$1.timer" "$new/$1.service"
for unit in "$1.timer" "$1.service"; do
  [[ -e $folder/$unit ]] || ledger_add file "$folder/$unit"
  install --mode=644 --no-target-directory -- "$new/$unit" "$folder/.$unit.jts-new"
  sync --data -- "$folder/.$unit.jts-new"
  mv --no-target-directory -- "$folder/.$unit.jts-new" "$folder/$unit"
done
systemctl --quiet --no-reload reenable -- "$1.timer"
systemctl daemon-reload
# A running timer takes a changed calendar only when it is started anew.
systemctl restart -- "$1.timer"
