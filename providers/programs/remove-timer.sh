# Usage: remove-timer NAME
# A run under way is let finish; what it was told to do is done.
folder=/etc/systemd/system
if [[ -e $folder/$1.timer ]]; then systemctl disable --quiet --now -- "$1.timer"; fi
for unit in "$1.timer" "$1.service"; do
  if ledger_has file "$folder/$unit"; then
    rm --force -- "$folder/$unit"
    ledger_drop file "$folder/$unit"
  fi
done
# The moment of the last run, which Persistent= keeps.
rm --force -- "/var/lib/systemd/timers/stamp-$1.timer"
systemctl daemon-reload
systemctl reset-failed -- "$1.service" 2>/dev/null || true
