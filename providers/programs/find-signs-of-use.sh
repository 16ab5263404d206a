# Usage: find-signs-of-use DEVICE [BYTES [SERIAL]]
# Prints one line for each sign that a block device is in use, holds data, or isn't the one of that size and serial
# number; nothing for a blank one. A filesystem that make-filesystem did not finish is not a sign, where it can't be
# mounted or holds no file.
# Exit: 0 blank, 10 signs were found, anything else: could not look, which is never "blank".
set -euo pipefail
source filesystems.sh
device=$(readlink --canonicalize-existing -- "$1") || {
  echo "there is no $1" >&2
  exit 2
}
[[ -b $device ]] || {
  echo "$1 is not a block device" >&2
  exit 2
}

# Whether nothing was ever put into a filesystem: by a mount that writes nothing, and that nobody else sees.
is_cut_short() {
  [[ -n ${unlogged[$1]-} ]] || return 1
  local folder status=0
  folder=$(mktemp --directory --tmpdir=/run jts-storage.XXXXXXXXXX) || return
  # shellcheck disable=SC2016 # The inner shell's variables.
  unshare --mount -- bash -c '
    if said=$(LC_ALL=C mount --types "$1" --options "ro,$2" -- "$3" "$4" 2>&1); then
      files=$(find "$4" -mindepth 1 -not -path "$4/lost+found" -print -quit) && [[ -z $files ]]
    else
      [[ $said == *"Structure needs cleaning"* || $said == *"bad superblock"* ]]
    fi
  ' mount "$1" "${unlogged[$1]}" "$device" "$folder" || status=$?
  rmdir -- "$folder"
  return "$status"
}

devices=$(lsblk --noheadings --raw --paths --bytes --output NAME,TYPE,SIZE,MAJ:MIN -- "$device")
# The first is the device itself.
read -r _ _ size number <<<"$devices"
# wipefs takes what it can't read for blank: here it must be readable where signatures are.
for skip in 0 $((size > 1048576 ? size / 1048576 - 1 : 0)); do
  dd if="$device" of=/dev/null bs=1M count=1 skip="$skip" status=none
done

signs=()
# util-linux prints no JSON at all where there is nothing to print.
signatures=$(wipefs --no-act --noheadings --output TYPE,UUID,LABEL -- "$device")
[[ -z $signatures ]] || while read -r type uuid label; do
  [[ $label != jts-making ]] || ! is_cut_short "$type" || continue
  signs+=("a signature of ${type}${label:+, label $label}${uuid:+, UUID $uuid}")
done <<<"$signatures"

[[ -z ${2-} || $size == "$2" ]] || signs+=("its size is $size bytes instead of $2")
if [[ -n ${3-} ]]; then
  # A partition has its disk's serial number, the last that is printed.
  serial=$(
    lsblk --noheadings --inverse --list --output SERIAL -- "$device" |
      sed 's/^ *//; s/ *$//' | grep . | tail --lines=1 || true
  )
  [[ $serial == "$3" ]] || signs+=("its serial number is ${serial:-unknown} instead of $3")
fi

{
  read -r _
  while read -r name type _; do signs+=("$type $name on it"); done
} <<<"$devices"
while read -r _ _ of _ point _; do [[ $of != "$number" ]] || signs+=("mounted at $point"); done </proc/self/mountinfo
while read -r used _; do [[ $used != "$device" ]] || signs+=("in use as swap"); done </proc/swaps

((${#signs[@]})) || exit 0
printf '%s\n' "${signs[@]}"
exit 10
