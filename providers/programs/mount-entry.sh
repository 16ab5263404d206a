# Usage: mount-entry MOUNT-POINT none|mount|remount[,OPTION…]|replace SHA256-OF-FSTAB LINE [over-files], the new text
# of fstab with our LINE on standard input; many of them, each on the text that the one before it leaves.
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
    if was_mounted "$target" || was_waiting "$target"; then continue; fi
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

# Whether a line has systemd wait for an access, and mount then.
is_automounted() {
  local options
  read -r _ _ _ options _ <<<"$1"
  [[ ,$options, =~ ,(x-systemd\.|comment=systemd\.)automount, ]]
}
# mount_new I: mounts what the line says where nothing is mounted. systemd begins to wait only while nothing is; that it
# is mounted now shows that it can be.
mount_new() {
  local target=${targets[$1]} unit
  if was_waiting "$target"; then end_waiting "$target" || return; fi
  if ! is_automounted "${lines[$1]}"; then
    mount_line "$1"
    return
  fi
  unit_of "$target" automount
  in_time systemctl start -- "$unit" || return
  # Somebody's access may have had it mounted in between.
  if mount_line "$1" || findmnt --kernel --types noautofs --mountpoint "$target" >/dev/null; then return 0; fi
  end_waiting "$target" || true
  return 1
}
# wait_again I: after a failure, where systemd waited before.
wait_again() {
  local unit
  was_waiting "${targets[$1]}" || return 0
  unit_of "${targets[$1]}" automount
  in_time systemctl start -- "$unit"
}
# mount_line I: `bg` would report success, and go on trying behind our back.
mount_line() {
  local options words=()
  read -r _ _ _ options _ <<<"${lines[$1]}"
  if [[ ,$options, == *,bg,* ]]; then words=(--options fg); fi
  in_time mount ${words[@]+"${words[@]}"} -- "${targets[$1]}"
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
    unit_of "$target" mount
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
    if [[ ${actions[i]} == mount ]] && ! is_automounted "${lines[i]}"; then
      points+=("${targets[i]}")
    else
      others=yes
    fi
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
  if [[ -n $others ]] || has_old_unit "${points[@]}"; then
    i=$begin
    systemctl daemon-reload || fail
  fi
}

# Ends the program, with fstab as it was before the record i.
fail() {
  if [[ $current != "${before[i]}" ]]; then
    # What was unmounted is mounted again also where there is no room for a file, or systemd doesn't answer.
    put_fstab "${before[i]}" || true
    systemctl daemon-reload || true
  fi
  (($# == 0)) || "$@"
  exit 1
}
# While the filesystem is mounted elsewhere too, a new mount would get the old options: those mounts are unmounted with
# it and mounted again. `replace I`: of the record of this number.
replace() {
  local target=${targets[$1]} number='' type='' of point more other octal path pid='' name also=() again=()
  to_octal "$target"
  while read -r _ _ of _ point more; do
    if [[ $point != "$octal" || $more == *" - autofs systemd-"* ]]; then continue; fi
    number=$of type=${more#* - } type=${type%% *}
  done </proc/self/mountinfo
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
    if [[ $other == "$target" ]]; then unmount_all "$other"; else unmount "$other"; fi || fail mount_again
    [[ $other == "$target" ]] || again=("$other" ${again[@]+"${again[@]}"})
  done
  # What is left of it now is in a mount namespace of another process.
  IFS=/ read -r _ _ pid _ < <(
    grep --extended-regexp --files-with-matches "^[0-9]+ [0-9]+ $number .* - $type " /proc/[0-9]*/mountinfo 2>/dev/null
  ) || true
  if [[ -n $pid ]]; then
    name=$(cat "/proc/$pid/comm" 2>/dev/null) || name="it has ended"
    echo "$target: process $pid ($name) has it mounted for itself, as a container does, so that a new mount would keep the old options" >&2
    echo "Next: stop the container or service of that process: systemctl status $pid; then pulumi up --refresh" >&2
    fail mount_all_again
  fi
  mount_new "$1" || fail mount_all_again
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
      mount) mount_new "$i" || fail wait_again "$i" ;;
      # What is taken back comes first, so that fstab's own options win.
      remount*) in_time mount --options-mode append --options "${actions[i]}" -- "${targets[i]}" || fail ;;
      replace) replace "$i" ;;
    esac
    record_done
  done
done
[[ -z $failed ]] || {
  echo "$failed" >&2
  exit 1
}
