# Usage: unmount-entry MOUNT-POINT SHA256-OF-FSTAB, the new text of fstab on standard input; many of them, each on the text
# that the one before it leaves.
# Unmounts, then takes the lines out; a mount in use stays, and its line with it.
fstab=/etc/fstab
count=${#starts[@]} targets=() said=
for ((i = 0; i < count; i++)); do
  read_record "$i"
  targets+=("${record[0]}")
done
read_record 0
if [[ $(sha256sum <"$fstab") != "${record[1]}  -" ]]; then
  echo "$fstab was changed by someone else just now; run again" >&2
  exit 75
fi
unmount() {
  local status=0
  timeout --kill-after=10 90 umount -- "$1" || status=$?
  if ((status == 124 || status == 137)); then echo "umount of $1 did not end within 90 s: what it lies on doesn't answer" >&2; fi
  # fuser takes no "--"; the path is absolute.
  ((status == 0)) || timeout 20 fuser --verbose --mount "$1" >&2 || true
  return "$status"
}
declare -A mounted=()
while read -r _ _ _ _ point _; do mounted[$point]=yes; done </proc/self/mountinfo
for ((gone = 0; gone < count; gone++)); do
  target=${targets[gone]}
  # Spaces and the like are in octal there, see proc(5).
  shown=${target//\\/\\134} shown=${shown// /\\040} shown=${shown//$'\t'/\\011}
  if [[ -n ${mounted[$shown]-} ]]; then said=$(unmount "$target" 2>&1) || break; fi
done
((gone > 0)) || {
  echo "$said" >&2
  exit 1
}
targets=("${targets[@]:0:gone}")
IFS= read -r -d '' current <"$fstab" || true
if [[ $current != "${texts[gone - 1]}" ]]; then
  # A name as mktemp(1) would make it, without a process for it.
  printf -v new '%s.jts-%05x%05x' "$fstab" "$((SRANDOM & 0xfffff))" "$((SRANDOM & 0xfffff))"
  trap 'rm --force -- "$new"' EXIT
  cp --preserve=all -- "$fstab" "$new"
  printf %s "${texts[gone - 1]}" >"$new"
  sync --data -- "$new"
  mv --no-target-directory -- "$new" "$fstab"
  trap - EXIT
  sync -- /etc
fi
immutable=() there=()
for target in "${targets[@]}"; do
  ledger_has immutable "$target" || continue
  immutable+=("immutable $target")
  if [[ -d $target ]]; then there+=("$target"); fi
done
((${#there[@]} == 0)) || chattr -i -- "${there[@]}"
# A mount point no more: it may go as any folder. The ledger is written once, with what goes.
for line in ${immutable[@]+"${immutable[@]}"}; do made[$line]=; done
remove_directories "${targets[@]}"
ledger_drop_lines ${immutable[@]+"${immutable[@]}"}
for target in "${targets[@]}"; do record_done; done
((gone == count)) || {
  echo "$said" >&2
  exit 1
}
