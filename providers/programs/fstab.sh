# shellcheck shell=bash disable=SC2034
# /etc/fstab and what is mounted, for the programs that change both.
fstab=/etc/fstab
# A link to it stays: what it leads to is replaced.
if [[ -L $fstab ]]; then fstab=$(readlink --canonicalize-existing -- "$fstab"); fi
# What is mounted in a namespace of sshd's own never reaches the services, nor is anything of theirs unmounted there.
[[ ! -e /proc/1/ns/mnt || /proc/1/ns/mnt -ef /proc/self/ns/mnt ]] || {
  echo "this SSH session has mounts of its own, which nothing else on the host sees" >&2
  echo "Next: on the host: systemctl cat ssh.service; grep pam_namespace /etc/pam.d/sshd; take out what gives sshd a mount namespace (PrivateTmp=, ProtectSystem=, … or pam_namespace), systemctl restart ssh; then: pulumi up --refresh" >&2
  exit 1
}
# The text of fstab.
current=
IFS= read -r -d '' current <"$fstab" || true
# What is mounted, by its path: the numbers of the filesystems there, the last one on top; and where systemd waits for
# an access, to mount what its line says. That is systemd-1 of type autofs.
declare -A mounted=() waiting=()
while read -r _ _ number _ point more; do
  if [[ $more == *" - autofs systemd-"* ]]; then waiting[$point]=yes; else mounted[$point]+=" $number"; fi
done </proc/self/mountinfo
# mountinfo has backslashes, spaces and tabs in octal, see proc(5).
# Sets `octal` to a path as it is written there.
to_octal() { octal=${1//\\/\\134} octal=${octal// /\\040} octal=${octal//$'\t'/\\011}; }
# Sets `path` to what is written there. printf's %b would take a digit after it for a part of the number.
from_octal() { path=${1//\\040/ } path=${path//\\011/$'\t'} path=${path//\\134/\\}; }
# Whether something was mounted at a path when the program began; or systemd waited there for an access.
was_mounted() {
  local octal
  to_octal "$1"
  [[ -n ${mounted[$octal]-} ]]
}
was_waiting() {
  local octal
  to_octal "$1"
  [[ -n ${waiting[$octal]-} ]]
}
# Sets `unit` to the name of systemd's unit of this kind for a path.
unit_of() {
  unit=${1#/}
  # As systemd-escape(1), where that leaves most as it is.
  if [[ $unit =~ ^[[:alnum:]_][[:alnum:]_/-]*$ ]]; then
    unit=${unit//-/\\x2d} unit=${unit//\//-}.$2
  else
    unit=$(systemd-escape --path --suffix="$2" -- "$1")
  fi
}
# Ends the program where fstab is no longer the text with this checksum.
expect_fstab() {
  [[ $(sha256sum <"$fstab") == "$1  -" ]] || {
    echo "$fstab was changed by someone else just now; run again" >&2
    exit 75
  }
}
# A name as mktemp(1) would make it, without a process for it.
printf -v new '%s.jts-%05x%05x' "$fstab" "$((SRANDOM & 0xfffff))" "$((SRANDOM & 0xfffff))"
remove_new() { rm --force -- "$new"; }
# put_fstab TEXT: replaces the file in one step, its owner, mode and attributes kept.
put_fstab() {
  [[ $current != "$1" ]] || return 0
  trap remove_new EXIT
  cp --preserve=all -- "$fstab" "$new" || return
  printf %s "$1" >"$new" || return
  sync --data -- "$new" || return
  mv --no-target-directory -- "$new" "$fstab" || return
  trap - EXIT
  sync -- "${fstab%/*}"
  current=$1
}
# What the mount that is worked on lies on, for messages; empty: not known.
lies_on=
# in_time COMMAND...: its status; what lies on a server or disk that doesn't answer would wait for ever.
in_time() {
  local status=0
  timeout --kill-after=10 90 "$@" || status=$?
  ((status != 124 && status != 137)) ||
    echo "$1 of ${!#} did not end within 90 s: what it lies on doesn't answer${lies_on:+: $lies_on}" >&2
  return "$status"
}
# Ends systemd's wait for an access. It would unmount what is mounted there, also what is in use: that goes before.
end_waiting() {
  local unit
  unit_of "$1" automount
  in_time systemctl stop -- "$unit"
}
# Unmounts, or names who uses the mount. fuser takes no "--"; the path is absolute.
unmount() {
  local status=0
  in_time umount -- "$1" || status=$?
  ((status == 0)) || timeout 20 fuser --verbose --mount "$1" >&2 || true
  return "$status"
}
# Unmounts the filesystem that was on top at a path, also where it was mounted there several times.
unmount_all() {
  local octal number numbers
  to_octal "$1"
  read -ra numbers <<<"${mounted[$octal]-}"
  for number in ${numbers[@]+"${numbers[@]}"}; do
    if [[ $number == "${numbers[-1]}" ]]; then unmount "$1" || return; fi
  done
}
