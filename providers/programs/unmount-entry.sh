# Usage: unmount-entry MOUNT-POINT SHA256-OF-FSTAB, the new text of fstab on standard input; many of them, each on the
# text that the one before it leaves.
# Unmounts, then takes the lines out; a mount in use stays, and its line with it.
set -euo pipefail
source ledger.sh
source records.sh
source fstab.sh
count=${#starts[@]} targets=() said=
for ((i = 0; i < count; i++)); do
  read_record "$i"
  targets+=("${record[0]}")
done
read_record 0
expect_fstab "${record[1]}"
for ((gone = 0; gone < count; gone++)); do
  if was_mounted "${targets[gone]}"; then said=$(unmount_all "${targets[gone]}" 2>&1) || break; fi
  if was_waiting "${targets[gone]}"; then said=$(end_waiting "${targets[gone]}" 2>&1) || break; fi
done
((gone > 0)) || {
  echo "$said" >&2
  exit 1
}
targets=("${targets[@]:0:gone}")
put_fstab "${texts[gone - 1]}"
immutable=() there=()
for target in "${targets[@]}"; do
  ledger_has immutable "$target" || continue
  immutable+=("immutable $target")
  if [[ -d $target ]]; then there+=("$target"); fi
done
if ((${#there[@]})) && ! chattr -i -- "${there[@]}"; then
  # A filesystem without this flag gave none to them.
  if lsattr -d -- "${there[@]}" 2>/dev/null | grep --quiet '^....i'; then exit 1; fi
fi
# No longer a mount point: it may go as any folder. The ledger is written once, with what goes.
for line in ${immutable[@]+"${immutable[@]}"}; do made[$line]=; done
remove_directories "${targets[@]}"
ledger_drop_lines ${immutable[@]+"${immutable[@]}"}
for target in "${targets[@]}"; do record_done; done
((gone == count)) || {
  echo "$said" >&2
  exit 1
}
