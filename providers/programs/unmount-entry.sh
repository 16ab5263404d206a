# Usage: unmount-entry MOUNT-POINT SHA256-OF-FSTAB, the new text of fstab on standard input
# Unmounts, then takes the line out; a mount in use stays, and its line with it.
target=$1 expected=$2
fstab=/etc/fstab
new=$(mktemp -- "$fstab.jts-XXXXXXXXXX")
trap 'rm --force -- "$new"' EXIT
cat >"$new"
[[ $(sha256sum <"$fstab") == "$expected  -" ]] || {
  echo "$fstab was changed by someone else just now; run again" >&2
  exit 75
}
if findmnt --kernel --mountpoint "$target" >/dev/null; then
  status=0
  timeout --kill-after=10 90 umount -- "$target" || status=$?
  if ((status == 124 || status == 137)); then echo "umount of $target did not end within 90 s: what it lies on doesn't answer" >&2; fi
  if ((status != 0)); then
    # It takes no "--"; the path is absolute.
    timeout 20 fuser --verbose --mount "$target" >&2 || true
    exit 1
  fi
fi
if ! cmp --quiet -- "$new" "$fstab"; then
  chmod --reference="$fstab" -- "$new"
  chown --reference="$fstab" -- "$new"
  sync --data -- "$new"
  mv --no-target-directory -- "$new" "$fstab"
  sync -- /etc
fi
if ledger_has immutable "$target"; then
  if [[ -d $target ]]; then chattr -i -- "$target"; fi
  ledger_drop immutable "$target"
fi
remove_directory "$target"
