# Usage: mount-entry MOUNT-POINT none|mount|remount|replace SHA256-OF-FSTAB LINE [over-files], the new text of fstab
# with our LINE on standard input; many of them, each on the text that the one before it leaves.
# Changes /etc/fstab and what is mounted, both or neither: all lines are written at once, then they are mounted; where a
# mount fails, fstab is left with the lines of those before it.
set -euo pipefail
source ledger.sh
source records.sh
source fstab.sh
shopt -s nullglob dotglob
count=${#starts[@]} failed=
targets=() actions=() lines=() over_files=() before=("$current" "${texts[@]}")
for ((i = 0; i < count; i++)); do
  read_record "$i"
  targets+=("${record[0]}") actions+=("${record[1]}") lines+=("${record[3]}") over_files+=("${record[4]-}")
done
read_record 0
expect_fstab "${record[2]}"

# give_up RECORD WORDS: this one and those after it are not carried out; the words are printed at the end.
give_up() { end=$1 failed=$2; }

# Makes the mount points of the records from `begin` to `end`.
make_mount_points() {
  local target flags inside absent=() bare=() unguarded=()
  local -A is_immutable=()
  for ((i = begin; i < end; i++)); do
    target=${targets[i]}
    if was_mounted "$target"; then continue; fi
    if ! said=$(refuse_links "$target" 2>&1); then
      give_up "$i" "$said"
      continue
    fi
    inside=("$target"/*)
    if [[ ! -e $target ]]; then
      absent+=("$target")
    elif [[ ! -d $target ]]; then
      give_up "$i" "$target is not a directory"
    elif ((${#inside[@]})) && [[ -z ${over_files[i]} ]]; then
      give_up "$i" "$target is not empty, and a mount would hide what is in it; move it away first: mv $target $target.before; or set mountOverFiles, which keeps it underneath"
    else
      bare+=("$target")
    fi
  done
  # While nothing is mounted there, not even root can write: a service that starts too early fills no root disk.
  if ((${#bare[@]})); then
    while read -r flags target; do
      [[ $flags != ????i* ]] || is_immutable[$target]=yes
    done < <(lsattr -d -- "${bare[@]}" 2>/dev/null)
    for target in "${bare[@]}"; do [[ -n ${is_immutable[$target]-} ]] || unguarded+=("$target"); done
  fi
  if ((${#absent[@]})); then
    ledger_add_lines "${absent[@]/#/directory }" "${absent[@]/#/immutable }"
    make_directories "${absent[@]}"
    unguarded+=("${absent[@]}")
  fi
  ((${#unguarded[@]})) || return 0
  ledger_add_lines "${unguarded[@]/#/immutable }"
  chattr +i -- "${unguarded[@]}" || true
}

# verify LINE...: only our lines: what was wrong before us isn't ours to judge.
verify() {
  trap remove_new EXIT
  printf '%s\n' "$@" >"$new"
  said=$(findmnt --verify --tab-file "$new" 2>&1)
}
# systemd's unit of an old line might undo a new mount; nothing needs a unit of a new line yet.
has_old_unit() {
  local target unit
  [[ -d /run/systemd/generator ]] || return 1
  for target; do
    unit=${target#/}
    # As systemd-escape(1), where that leaves most as it is.
    if [[ $unit =~ ^[[:alnum:]_][[:alnum:]_/-]*$ ]]; then
      unit=${unit//-/\\x2d} unit=${unit//\//-}.mount
    else
      unit=$(systemd-escape --path --suffix=mount -- "$target")
    fi
    if [[ -e /run/systemd/generator/$unit ]]; then return 0; fi
  done
  return 1
}
# Writes the lines of the records from `begin` to `end`.
write_lines() {
  local changed=() wanted=() points=() others=
  for ((i = begin; i < end; i++)); do
    if [[ ${texts[i]} == "${before[i]}" ]]; then continue; fi
    changed+=("$i") wanted+=("${lines[i]}")
    if [[ ${actions[i]} == mount ]]; then points+=("${targets[i]}"); else others=yes; fi
  done
  ((${#changed[@]})) || return 0
  if ! verify "${wanted[@]}"; then
    for i in "${changed[@]}"; do
      if verify "${lines[i]}"; then continue; fi
      give_up "$i" "findmnt --verify: $said"
      break
    done
    ((end > begin)) || return 0
  fi
  put_fstab "${texts[end - 1]}"
  if [[ -n $others ]] || has_old_unit "${points[@]}"; then systemctl daemon-reload; fi
}

# Ends the program, with fstab as it was before the record i.
fail() {
  if [[ $current != "${before[i]}" ]]; then
    put_fstab "${before[i]}"
    systemctl daemon-reload
  fi
  (($# == 0)) || "$@"
  exit 1
}
# While the filesystem is mounted elsewhere too, a new mount would get the old options: those mounts are unmounted with
# it and mounted again.
replace() {
  local target=$1 number='' of point other octal path also=() again=()
  to_octal "$target"
  while read -r _ _ of _ point _; do [[ $point != "$octal" ]] || number=$of; done </proc/self/mountinfo
  while read -r _ _ of _ point _; do
    if [[ $of != "$number" || $point == "$octal" ]]; then continue; fi
    from_octal "$point"
    also=("$path" ${also[@]+"${also[@]}"})
  done </proc/self/mountinfo
  for other in ${also[@]+"${also[@]}"}; do
    findmnt --fstab --noheadings --target "$other" --output OPTIONS | grep --quiet x-jts-storage || {
      echo "$target is mounted at $other too, which isn't ours; umount it first" >&2
      fail
    }
  done
  mount_again() { for other in ${again[@]+"${again[@]}"}; do in_time mount -- "$other"; done; }
  mount_all_again() {
    in_time mount -- "$target"
    mount_again
  }
  for other in ${also[@]+"${also[@]}"} "$target"; do
    unmount "$other" || fail mount_again
    [[ $other == "$target" ]] || again=("$other" ${again[@]+"${again[@]}"})
  done
  in_time mount -- "$target" || fail mount_all_again
  mount_again
}

for ((begin = 0; begin < count && ${#failed} == 0; begin = end)); do
  # A mount point below another is made when that one is mounted.
  for ((end = begin + 1; end < count; end++)); do
    for ((i = begin; i < end; i++)); do [[ ${targets[end]} != "${targets[i]}"/* ]] || break 2; done
  done
  make_mount_points
  ((end > begin)) || break
  write_lines
  for ((i = begin; i < end; i++)); do
    lies_on=${lines[i]%%[[:space:]]*}
    case ${actions[i]} in
      none) ;;
      mount) in_time mount -- "${targets[i]}" || fail ;;
      remount) in_time mount --options remount -- "${targets[i]}" || fail ;;
      replace) replace "${targets[i]}" ;;
    esac
    record_done
  done
done
[[ -z $failed ]] || {
  echo "$failed" >&2
  exit 1
}
