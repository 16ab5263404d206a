# Usage: mount-entry MOUNT-POINT none|mount|remount|replace SHA256-OF-FSTAB LINE [over-files], the new text of fstab
# with our LINE on standard input
# Changes /etc/fstab and what is mounted, both or neither.
target=$1 action=$2 expected=$3 line=$4 over_files=${5-}
fstab=/etc/fstab
text='' old=''
read_all() { IFS= read -r -d '' "$1" || true; }
read_all text
read_all old <"$fstab"
[[ $(printf %s "$old" | sha256sum) == "$expected  -" ]] || { echo "$fstab was changed by someone else just now; run again" >&2; exit 75; }

# Spaces and the like are in octal there, see proc(5).
shown=${target//\\/\\134} shown=${shown// /\\040} shown=${shown//$'\t'/\\011}
is_mounted() {
  local point
  while read -r _ _ _ _ point _; do [[ $point != "$shown" ]] || return 0; done </proc/self/mountinfo
  return 1
}
if ! is_mounted; then
  is_new=
  if [[ ! -e $target && ! -L $target ]]; then
    is_new=yes
    above=${target%/*}
    make_directory "${above:-/}"
    # Both at the price of one.
    ledger_add_lines "directory $target" "immutable $target"
  fi
  make_directory "$target"
  shopt -s nullglob dotglob
  inside=("$target"/*)
  if ((${#inside[@]})) && [[ -z $over_files ]]; then
    echo "$target is not empty, and a mount would hide what is in it; move it away first: mv $target $target.before; or set mountOverFiles, which keeps it underneath" >&2
    exit 1
  fi
  # While nothing is mounted here, not even root can write: a service that starts too early fills no root disk.
  if [[ -n $is_new || $(lsattr -d -- "$target" 2>/dev/null) != ????i* ]]; then
    ledger_add immutable "$target"
    chattr +i -- "$target" || true
  fi
fi

# Replaces the file in one step, its owner, mode and attributes kept.
put_fstab() {
  new=$(mktemp -- "$fstab.jts-XXXXXXXXXX")
  trap 'rm --force -- "$new"' EXIT
  cp --preserve=all -- "$fstab" "$new"
  printf %s "$1" >"$new"
  sync --data -- "$new"
  mv --no-target-directory -- "$new" "$fstab"
  sync -- /etc
  trap - EXIT
}
restore() {
  put_fstab "$old"
  systemctl daemon-reload
}
if [[ $text != "$old" ]]; then
  # Our line alone: what was wrong before us isn't ours to judge.
  tab=/run/jts-storage.fstab
  printf '%s\n' "$line" >"$tab"
  if ! said=$(findmnt --verify --tab-file "$tab" 2>&1); then
    echo "findmnt --verify: $said" >&2
    exit 1
  fi
  rm --force -- "$tab"
  put_fstab "$text"
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
