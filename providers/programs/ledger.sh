# What this program made on the host, one thing a line: `directory PATH`, `file PATH`, `user NAME`, `group NAME`,
# `immutable PATH`, `kernel PATH VALUE-BEFORE`; and what others had there, see replaced.sh: `replaced PATH`,
# `written PATH MARK`, `active UNIT`, `link PATH TARGET`. Written before the thing is made, so that a cut leaves nothing
# unowned; whatever isn't here was there before us and stays. It is on the host because stacks share it, and because
# state can be lost.
ledger=/var/lib/jts-storage/made
# Its lines; nobody else changes it meanwhile. One that was dropped is empty.
declare -A made=()
if [[ -e $ledger ]]; then
  while IFS= read -r line; do [[ -z $line ]] || made[$line]=yes; done <"$ledger"
fi
ledger_has() { [[ -n ${made[$*]-} ]]; }
ledger_add() { ledger_add_lines "$*"; }
# Several lines at the price of one.
ledger_add_lines() {
  local line added=()
  for line; do
    [[ -z ${made[$line]-} ]] || continue
    made[$line]=yes
    added+=("$line")
  done
  ((${#added[@]})) || return 0
  [[ -d ${ledger%/*} ]] || install --directory --mode=755 -- "${ledger%/*}"
  printf '%s\n' "${added[@]}" >>"$ledger"
  sync --data -- "$ledger"
}
ledger_drop() { ledger_drop_lines "$*"; }
ledger_drop_lines() {
  local line kept=() has_more=
  (($#)) || return 0
  for line; do made[$line]=; done
  [[ -e $ledger ]] || return 0
  while IFS= read -r line; do
    if [[ -n $line && -n ${made[$line]-} ]]; then kept+=("$line"); else has_more=yes; fi
  done <"$ledger"
  [[ -n $has_more ]] || return 0
  if ((${#kept[@]})); then
    printf '%s\n' "${kept[@]}" >"$ledger.new"
    sync --data -- "$ledger.new"
    mv --no-target-directory -- "$ledger.new" "$ledger"
  else
    rm --force -- "$ledger"
    rmdir --ignore-fail-on-non-empty -- "${ledger%/*}"
  fi
}
# Fails where a path goes by a link: whoever may plant one would choose where things are made.
refuse_links() {
  local path=$1
  while [[ -n $path ]]; do
    if [[ -L $path ]]; then
      echo "$path is a symbolic link; declare the path that it leads to, or take it away" >&2
      return 1
    fi
    path=${path%/*}
  done
}
# Makes folders, and those above them, as root's with mode 755, and remembers each that it made.
make_directories() {
  local path above missing=()
  local -A is_missing=()
  for path; do
    refuse_links "$path" || return
    above=()
    while [[ -n $path && ! -d $path && -z ${is_missing[$path]-} ]]; do
      is_missing[$path]=yes
      above=("$path" ${above[@]+"${above[@]}"})
      path=${path%/*}
    done
    missing+=(${above[@]+"${above[@]}"})
  done
  ((${#missing[@]})) || return 0
  ledger_add_lines "${missing[@]/#/directory }"
  mkdir --mode=755 -- "${missing[@]}"
}
# Removes folders of ours where they are empty, each after those in it, and those of ours above them that no one else
# uses.
remove_directories() {
  local path line ours above dropped=()
  while (($#)); do
    ours=() above=()
    for path; do
      # A mount point goes with its mount.
      if ledger_has immutable "$path"; then continue; fi
      if ledger_has directory "$path"; then ours+=("$path"); else above+=("${path%/*}"); fi
    done
    if ((${#ours[@]})); then rmdir -- "${ours[@]}" 2>/dev/null || true; fi
    for path in ${ours[@]+"${ours[@]}"}; do
      if [[ ! -L $path && -d $path ]]; then
        # What people put into it is theirs now; a folder that still holds another of ours is not yet theirs.
        for line in "${!made[@]}"; do
          if [[ -n ${made[$line]} && ($line == "directory $path/"* || $line == "file $path/"*) ]]; then continue 2; fi
        done
      else
        above+=("${path%/*}")
      fi
      made["directory $path"]=
      dropped+=("directory $path")
    done
    set --
    for path in ${above[@]+"${above[@]}"}; do
      if ledger_has directory "$path"; then set -- "$@" "$path"; fi
    done
  done
  ledger_drop_lines ${dropped[@]+"${dropped[@]}"}
}
# Sets `line` to the line that remembers the kernel's value before us, and `before` to that value; fails where none
# does.
remembered() {
  for line in "${!made[@]}"; do
    if [[ -n ${made[$line]} && $line == "kernel $1 "* ]]; then
      before=${line#"kernel $1 "}
      return
    fi
  done
  return 1
}
# Sets `half` to the file of the value that the kernel makes 0 when this one is set, a share of the memory or a size,
# and `usual` to what a kernel starts with there; fails where there is none. providers/values/sysctl.ts has the same
# pairs.
other_half() {
  usual=0
  case ${1#/proc/sys/vm/} in
    dirty_ratio) half=dirty_bytes ;;
    dirty_bytes) half=dirty_ratio usual=20 ;;
    dirty_background_ratio) half=dirty_background_bytes ;;
    dirty_background_bytes) half=dirty_background_ratio usual=10 ;;
    overcommit_ratio) half=overcommit_kbytes ;;
    overcommit_kbytes) half=overcommit_ratio usual=50 ;;
    *) return 1 ;;
  esac
  half=/proc/sys/vm/$half
}
# Remembers the kernel's values as they were before us, once, and those that change with them.
# shellcheck disable=SC2034 # other_half and remembered set more than is read here.
remember_kernel_values() {
  local file one value line before half usual added=()
  for file; do
    if remembered "$file"; then continue; fi
    half=
    other_half "$file" || true
    for one in "$file" ${half:+"$half"}; do
      if remembered "$one"; then continue; fi
      value=$(<"$one")
      # Of a choice such as `[none] mq-deadline` the chosen one. A value of sysctl(8) is none, and may hold brackets.
      [[ $one == /proc/sys/* || ! $value =~ \[([^]]+)\] ]] || value=${BASH_REMATCH[1]}
      added+=("kernel $one $value")
    done
  done
  ledger_add_lines ${added[@]+"${added[@]}"}
}
