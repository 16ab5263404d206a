# Usage: remove-nfs-cache FILE MOUNT-POINT MOUNT-UNIT SERVICE CONF
# Stops cachefilesd, unmounts its filesystem, and removes both, as far as they are ours.
set -euo pipefail
source ledger.sh
source stop-nfs-cache.sh
file=$1 point=$2 mount=$3 service=$4 conf=$5
units=/etc/systemd/system
if ledger_has file "$units/$service"; then
  if [[ -e $units/$service ]]; then systemctl --quiet --no-reload disable -- "$service"; fi
  stop_units "$service"
fi
if ledger_has file "$units/$mount"; then stop_units "$mount"; fi
lines=() folders=("$point")
for path in "$file" "$conf" "$units/$mount" "$units/$service"; do
  ledger_has file "$path" || continue
  rm --force -- "$path"
  lines+=("file $path")
done
if ledger_has file "$file"; then
  rm --force -- "$file.jts-new"
  folders+=("${file%/*}")
fi
ledger_drop_lines ${lines[@]+"${lines[@]}"}
remove_directories "${folders[@]}"
