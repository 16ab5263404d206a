# Usage: mount-entry MOUNT-POINT none|mount|remount|replace SHA256-OF-FSTAB LINE [over-files], the new text of fstab
# with our LINE on standard input
# Changes /etc/fstab and what is mounted, both or neither.
target=$1 action=$2 expected=$3 line=$4 over_files=${5-}
fstab=/etc/fstab
text='' old=''
read_all() { IFS= read -r -d '' "$1" || true; }
read_all text
read_all old <"$fstab"
[[ $(printf %s "$old" | sha256sum) == "$expected  -" ]] || {
  echo "$fstab was changed by someone else just now; run again" >&2
  exit 75
}

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

# put_fstab TEXT [LINE]: replaces the file in one step, its owner, mode and attributes kept, if the line is a good one.
put_fstab() {
  local said
  new=$(mktemp -- "$fstab.jts-XXXXXXXXXX")
  trap 'rm --force -- "$new"' EXIT
  if (($# > 1)); then
    # Our line alone: what was wrong before us isn't ours to judge.
    printf '%s\n' "$2" >"$new"
    said=$(findmnt --verify --tab-file "$new" 2>&1) || {
      echo "findmnt --verify: $said" >&2
      exit 1
    }
  fi
  cp --preserve=all -- "$fstab" "$new"
  printf %s "$1" >"$new"
  sync --data -- "$new"
  mv --no-target-directory -- "$new" "$fstab"
  sync -- /etc
  trap - EXIT
}
# in_time COMMAND...: its status; what lies on a server or disk that doesn't answer would wait for ever.
in_time() {
  local status=0
  timeout --kill-after=10 90 "$@" || status=$?
  ((status != 124 && status != 137)) || echo "$1 of ${!#} did not end within 90 s: what it lies on doesn't answer: ${line%%[[:space:]]*}" >&2
  return "$status"
}
restore() {
  put_fstab "$old"
  systemctl daemon-reload
}
if [[ $text != "$old" ]]; then
  put_fstab "$text" "$line"
  # A unit of the old line might undo a new mount.
  [[ $action == mount ]] || systemctl daemon-reload
fi
case $action in
  none) ;;
  mount) in_time mount -- "$target" || {
    restore
    exit 1
  } ;;
  remount) in_time mount --options remount -- "$target" || {
    restore
    exit 1
  } ;;
  replace)
    # While it is mounted elsewhere too, a new mount would have the old options: what shows it goes and comes with it.
    also=()
    number=$(
      while read -r _ _ of _ point _; do [[ $point != "$shown" ]] || last=$of; done </proc/self/mountinfo
      echo "$last"
    )
    while read -r _ _ of _ point _; do
      [[ $of != "$number" || $point == "$shown" ]] || also=("$(printf %b "$point")" ${also[@]+"${also[@]}"})
    done </proc/self/mountinfo
    for other in ${also[@]+"${also[@]}"}; do
      findmnt --fstab --noheadings --target "$other" --output OPTIONS | grep --quiet x-jts-storage || {
        echo "$target is mounted at $other too, which isn't ours; umount it first" >&2
        restore
        exit 1
      }
    done
    again=()
    mount_again() { for other in ${again[@]+"${again[@]}"}; do in_time mount -- "$other"; done; }
    for other in ${also[@]+"${also[@]}"} "$target"; do
      in_time umount -- "$other" || {
        timeout 20 fuser --verbose --mount "$other" >&2 || true
        restore
        mount_again
        exit 1
      }
      [[ $other == "$target" ]] || again=("$other" ${again[@]+"${again[@]}"})
    done
    in_time mount -- "$target" || {
      restore
      in_time mount -- "$target"
      mount_again
      exit 1
    }
    mount_again
    ;;
esac
