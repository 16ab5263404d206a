# What this program made on the host, one thing a line: `directory PATH`, `file PATH`, `user NAME`, `group NAME`,
# `kernel PATH VALUE-BEFORE`. Written before the thing is made, so that a cut leaves nothing unowned; whatever isn't
# here was there before us and stays. It is on the host because stacks share it, and because state can be lost.
ledger=/var/lib/jts-storage/made
ledger_has() {
  local line
  [[ -e $ledger ]] || return 1
  while IFS= read -r line; do [[ $line != "$*" ]] || return 0; done <"$ledger"
  return 1
}
ledger_add() {
  ledger_has "$@" && return
  [[ -d ${ledger%/*} ]] || install --directory --mode=755 -- "${ledger%/*}"
  printf '%s\n' "$*" >>"$ledger"
  sync --data -- "$ledger"
}
# Several lines at the price of one.
ledger_add_lines() {
  [[ -d ${ledger%/*} ]] || install --directory --mode=755 -- "${ledger%/*}"
  local line
  for line; do ledger_has "$line" || printf '%s\n' "$line" >>"$ledger"; done
  sync --data -- "$ledger"
}
ledger_drop() {
  [[ -e $ledger ]] || return 0
  grep --invert-match --line-regexp --fixed-strings -- "$*" "$ledger" >"$ledger.new" || true
  if [[ -s $ledger.new ]]; then
    sync --data -- "$ledger.new"
    mv --no-target-directory -- "$ledger.new" "$ledger"
  else
    rm --force -- "$ledger.new" "$ledger"
    rmdir --ignore-fail-on-non-empty -- "${ledger%/*}"
  fi
}
# Ends the program where a path goes by a link: whoever may plant one would choose where things are made.
refuse_links() {
  local path=$1
  while [[ -n $path ]]; do
    if [[ -L $path ]]; then
      echo "$path is a symbolic link; declare the path that it leads to, or take it away" >&2
      exit 1
    fi
    path=${path%/*}
  done
}
# Makes a folder, and those above it, as root's with mode 755, and remembers each that it made.
make_directory() {
  refuse_links "$1"
  [[ -d $1 ]] && return
  local above=${1%/*}
  make_directory "${above:-/}"
  ledger_add directory "$1"
  mkdir --mode=755 -- "$1"
}
# Removes a folder of ours where it is empty, and those of ours above it that no one else uses.
remove_directory() {
  local above
  # A mount point goes with its mount.
  if ledger_has immutable "$1"; then return 0; fi
  if ledger_has directory "$1"; then
    if [[ ! -L $1 && -d $1 ]] && ! rmdir -- "$1" 2>/dev/null; then
      # What people put into it is theirs now; a folder that still holds another of ours is not yet theirs.
      grep --quiet --fixed-strings -- "directory $1/" "$ledger" || ledger_drop directory "$1"
      return 0
    fi
    ledger_drop directory "$1"
  fi
  above=${1%/*}
  if ledger_has directory "$above"; then remove_directory "$above"; fi
}
# Remembers the kernel's value as it was before us, once.
remember_kernel_value() {
  local value
  [[ -e $ledger ]] && grep --quiet "^kernel $1 " "$ledger" && return
  value=$(<"$1")
  # Of a choice such as `[none] mq-deadline` the chosen one.
  [[ ! $value =~ \[([^]]+)\] ]] || value=${BASH_REMATCH[1]}
  ledger_add kernel "$1" "$value"
}
