# Usage: mount-entry MOUNT-POINT none|mount|remount|replace SHA256-OF-FSTAB, the new text of fstab on standard input
# Changes /etc/fstab and what is mounted, both or neither.
target=$1 action=$2 expected=$3
fstab=/etc/fstab
new=$(mktemp -- "$fstab.jts-XXXXXXXXXX")
old=$(mktemp --tmpdir=/run jts-storage.XXXXXXXXXX)
trap 'rm --force -- "$new" "$old"' EXIT
cp --preserve=all -- "$fstab" "$old"
cp --attributes-only --preserve=all -- "$fstab" "$new"
cat >"$new"
[[ $(sha256sum <"$old") == "$expected  -" ]] || { echo "$fstab was changed by someone else just now; run again" >&2; exit 75; }

if ! findmnt --kernel --mountpoint "$target" >/dev/null; then
  make_directory "$target"
  shopt -s nullglob dotglob
  inside=("$target"/*)
  if ((${#inside[@]})); then
    echo "$target is not empty, and a mount would hide what is in it; move it away first: mv $target $target.before" >&2
    exit 1
  fi
  # While nothing is mounted here, not even root can write: a service that starts too early fills no root disk.
  if [[ $(lsattr -d -- "$target" 2>/dev/null) == ????i* ]] || { ledger_add immutable "$target" && chattr +i -- "$target"; }; then :; fi
fi

restore() {
  cp --preserve=all -- "$old" "$new"
  mv --no-target-directory -- "$new" "$fstab"
  systemctl daemon-reload
}
if ! cmp --quiet -- "$new" "$old"; then
  # What was wrong before us isn't ours to judge; what we add must not make it worse.
  if ! said=$(findmnt --verify --tab-file "$new" 2>&1) && findmnt --verify --tab-file "$old" >/dev/null 2>&1; then
    echo "findmnt --verify: $said" >&2
    exit 1
  fi
  sync --data -- "$new"
  mv --no-target-directory -- "$new" "$fstab"
  sync -- /etc
  # A unit of the old line might undo a new mount.
  [[ $action == mount ]] || systemctl daemon-reload
fi
case $action in
  none) ;;
  mount) timeout 90 mount -- "$target" || { restore; exit 1; } ;;
  remount) timeout 90 mount --options remount -- "$target" || { restore; exit 1; } ;;
  replace)
    timeout 90 umount -- "$target" || { fuser --verbose --mount -- "$target" >&2 || true; restore; exit 1; }
    timeout 90 mount -- "$target" || { restore; timeout 90 mount -- "$target"; exit 1; }
    ;;
esac
