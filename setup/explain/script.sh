# shellcheck shell=bash
# What a script for a blank host needs besides the programs that an `up` runs there: see script.ts.

fail() {
  printf '%s\n' "$@" >&2
  exit 1
}

# require_blank DEVICE [BYTES [SERIAL]]: ends the script unless the device is the one declared, and proved blank.
require_blank() {
  local said status=0
  # A filesystem that an earlier run left unfinished is a sign, too.
  # shellcheck disable=SC2034 # find_signs_of_use reads it.
  local -A unlogged=()
  # A program's own `set -e` does nothing where somebody asks for its status.
  set +e
  said=$(
    set -e
    find_signs_of_use "$@" 2>&1
  )
  status=$?
  set -e
  ((status == 0)) || fail "$1 is not blank, or not the device that is declared; nothing was made on it:" "$said"
}

# require_unused MOUNT-POINT...: ends the script where something is, or is to be, mounted, or where a mount would hide
# files.
require_unused() {
  local point inside
  shopt -s nullglob dotglob
  for point; do
    refuse_links "$point"
    ! findmnt --mountpoint "$point" >/dev/null || fail "something is mounted at $point"
    ! findmnt --fstab --mountpoint "$point" >/dev/null || fail "/etc/fstab has a line for $point already"
    [[ ! -e $point || -d $point ]] || fail "$point is not a folder"
    inside=("$point"/*)
    ((${#inside[@]} == 0)) || fail "$point is not empty; move it away: mv $point $point.before"
  done
  shopt -u nullglob dotglob
}

# require_absent FILE...: ends the script where one of them is there already.
require_absent() {
  local path
  for path; do [[ ! -e $path && ! -L $path ]] || fail "$path exists already; move it away: mv $path $path.before"; done
}

# make_mount_points MOUNT-POINT...: immutable, so that not even root can write there while nothing is mounted.
make_mount_points() {
  local absent=() point
  for point; do [[ -d $point ]] || absent+=("directory $point"); done
  ledger_add_lines ${absent[@]+"${absent[@]}"} "${@/#/immutable }"
  make_directories "$@"
  chattr +i -- "$@" || true
}

# make_folders OWNER GROUP MODE FOLDER...: each after the one that it is in; one that is there keeps what is in it.
make_folders() {
  local folder
  for folder in "${@:4}"; do
    refuse_links "$folder"
    make_directories "$folder"
    chown -- "$1:$2" "$folder"
    # With fewer digits chmod keeps a setgid bit.
    chmod -- "00$3" "$folder"
  done
}

# put PATH OWNER GROUP MODE: a new file, with what comes on standard input.
put() {
  make_directories "${1%/*}"
  ledger_add file "$1"
  install --no-target-directory --owner="$2" --group="$3" --mode="$4" -- /dev/stdin "$1"
}
