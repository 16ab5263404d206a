# What others had at paths of ours is kept in this folder, at the same path below it, until it is put back. The ledger
# then has `replaced PATH`, and `written PATH MARK` for what we wrote there: by that, a file is known to be ours still.
# Sourced after ledger.sh.
replaced=/var/lib/jts-storage/replaced
is_at() { [[ -e $1 || -L $1 ]]; }
# Sets `mark` to what tells a file, or a link, from any other.
mark_of() {
  if [[ -L $1 ]]; then
    mark="link $(readlink -- "$1")"
  else
    mark=$(sha256sum <"$1")
    mark=${mark%% *}
  fi
}
# Whether two files, or two links, are the same in all that is put back.
is_same() {
  local one
  for one in "$1" "$2"; do [[ -L $one || -f $one ]] || return 1; done
  if [[ -L $1 || -L $2 ]]; then
    [[ -L $1 && -L $2 && $(readlink -- "$1") == "$(readlink -- "$2")" ]] || return 1
    [[ $(stat --format=%u:%g -- "$1") == "$(stat --format=%u:%g -- "$2")" ]]
  else
    [[ $(stat --format=%u:%g:%a -- "$1") == "$(stat --format=%u:%g:%a -- "$2")" ]] && cmp --silent -- "$1" "$2"
  fi
}
# Remembers what a new file is that takes the place of another's. remember_written PATH NEW
remember_written() {
  local mark
  if ledger_has replaced "$1"; then
    mark_of "$2"
    ledger_add written "$1" "$mark"
  fi
}
# Copies what others have at paths. Nothing counts as kept before own_replaced, so what was copied and then changed is
# copied again; what differs is never overwritten, but gets a number.
copy_replaced() {
  local path new=$replaced.new
  for path; do
    if ledger_has replaced "$path" && ledger_has file "$path"; then continue; fi
    is_at "$path" || continue
    refuse_links "${path%/*}"
    [[ -L $path || -f $path ]] || {
      echo "$path is neither a file nor a link; look whose it is, and move it away" >&2
      return 1
    }
    [[ -d ${replaced%/*} ]] || install --directory --mode=755 -- "${replaced%/*}"
    install --directory --mode=700 -- "$replaced"
    mkdir --parents -- "$replaced${path%/*}"
    rm --force -- "$new"
    cp --archive --no-target-directory -- "$path" "$new"
    # With all of its content before it has its name.
    sync --file-system -- "${replaced%/*}"
    if is_at "$replaced$path" && ! is_same "$path" "$replaced$path"; then
      mv --backup=numbered --no-target-directory -- "$new" "$replaced$path"
    else
      mv --no-target-directory -- "$new" "$replaced$path"
    fi
  done
  [[ ! -d $replaced ]] || sync --file-system -- "${replaced%/*}"
}
# From here on the paths are ours, and what was copied of them stays as it is.
own_replaced() {
  local path lines=() files=()
  for path; do
    if ledger_has replaced "$path" && ledger_has file "$path"; then continue; fi
    is_at "$path" || continue
    is_same "$path" "$replaced$path" || {
      echo "$path was changed by someone else just now; run again" >&2
      # EX_TEMPFAIL: it is looked at again.
      exit 75
    }
    lines+=("replaced $path") files+=("file $path")
  done
  ledger_add_lines ${lines[@]+"${lines[@]}"} ${files[@]+"${files[@]}"}
}
# Puts back what others had, each in one step; it is still kept.
put_back() {
  local path folder new
  for path; do
    if is_same "$path" "$replaced$path"; then continue; fi
    folder=${path%/*}
    mkdir --parents -- "$folder"
    # In a folder that nobody else can write to.
    new=$(mktemp --directory -- "$folder/.jts-storage.XXXXXXXXXX")
    cp --archive --no-target-directory -- "$replaced$path" "$new/old"
    sync --file-system -- "$new"
    mv --no-target-directory -- "$new/old" "$path"
    rmdir -- "$new"
    sync -- "$folder"
  done
}
# Adds to `lines` what the ledger has of paths.
# shellcheck disable=SC2154
lines_of() {
  local path line
  for path; do
    for line in "${!made[@]}"; do
      if [[ $line == "file $path" || $line == "replaced $path" || $line == "written $path "* ]]; then lines+=("$line"); fi
    done
  done
}
# Whether a line of the ledger has a link that enabled a unit, or was another name of it. has_link_of UNIT LINE
has_link_of() { [[ $2 == "link "*"/$1 "* || $2 == "link "*[/\ ]"$1" ]]; }
# Removes what was kept of paths, once it is put back. The ledger still has them, so that a run that is cut is finished.
forget_replaced() {
  local path
  for path; do rm --force -- "$replaced$path"; done
}
# Removes the folders in which something was kept of paths, as far as they are empty.
tidy_replaced() {
  local path folder
  for path; do
    if ! ledger_has replaced "$path"; then continue; fi
    folder=$replaced${path%/*}
    while [[ $folder == "$replaced"* ]]; do
      [[ ! -d $folder ]] || rmdir --ignore-fail-on-non-empty -- "$folder"
      folder=${folder%/*}
    done
  done
}
