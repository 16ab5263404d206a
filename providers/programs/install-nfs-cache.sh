# Usage: install-nfs-cache FILE BYTES MOUNT-POINT MOUNT-UNIT SERVICE CONF CONF-TEXT MOUNT-UNIT-TEXT SERVICE-TEXT
# Makes the file of the cache, where it isn't there in that size, and has cachefilesd run on it, now and at each boot.
set -euo pipefail
source ledger.sh
source nfs-cache-file.sh
source stop-nfs-cache.sh
file=$1 bytes=$2 point=$3 mount=$4 service=$5 conf=$6
units=/etc/systemd/system
# put PATH TEXT
put() {
  [[ -e $1 ]] || ledger_add file "$1"
  printf %s "$2" >"$1.jts-new"
  chmod 644 -- "$1.jts-new"
  sync --data -- "$1.jts-new"
  mv --no-target-directory -- "$1.jts-new" "$1"
}
# Stopped first, so that a run that is cut is seen to be unfinished.
stop_units "$service" "$mount"
make_directories "${file%/*}" "$point"
if [[ ! -e $file || $(stat --format=%s -- "$file") != "$bytes" ]]; then
  if [[ ! -e $file ]]; then
    ledger_add file "$file"
  elif ! ledger_has file "$file"; then
    echo "$file is not ours" >&2
    exit 1
  fi
  make_cache_file "$file" "$bytes"
else
  # Gives back what fstrim(8) has taken out of it.
  fallocate --length "$bytes" -- "$file"
fi
put "$conf" "$7"
put "$units/$mount" "$8"
put "$units/$service" "$9"
systemctl daemon-reload
systemctl --quiet --no-reload reenable -- "$service"
start() { said=$(timeout --kill-after=10 120 systemctl start -- "$service" 2>&1); }
start && exit
# A filesystem that doesn't mount is made anew: all that is in it is a copy.
if [[ $(systemctl show --property=ActiveState --value -- "$mount") == failed ]]; then
  stop_units "$service" "$mount"
  make_cache_file "$file" "$bytes"
  start && exit
fi
{
  echo "$said"
  journalctl --quiet --boot --unit="$service" --unit="$mount" --lines=8 --output=cat || true
  echo "Next: lsmod | grep cachefiles (the kernel needs this module); fuser --verbose /dev/cachefiles (another cachefilesd may run); repair that; pulumi up --refresh"
} >&2
exit 1
