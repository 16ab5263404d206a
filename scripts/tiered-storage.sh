#!/usr/bin/env bash
set -euo pipefail
here=$(dirname -- "$(readlink --canonicalize -- "${BASH_SOURCE[0]}")")
lib=$here/lib
[[ -d $lib ]] || lib=$here
# shellcheck source=scripts/lib/tiers.sh
source "$lib/tiers.sh"

print_help() {
  cat <<'HELP'
usage: tiered-storage.sh check|migrate|cleanup|optimize|all [--dry-run] [--settings FILE] [--lock FILE]

  check     prints the usage of each tier
  migrate   moves old logs from hot to warm, compressed, and old backups from warm to cold
  cleanup   deletes old files of warm's temp-processing and logs; docker prune, without volumes
  optimize  defragments warm, trims hot
  all       all of them in this order, whatever fails

  --dry-run        says what a run would do, and changes nothing
  --settings FILE  in place of /etc/jts-storage/tiers.env; root's or yours, and nobody else's to write
  --lock FILE      in place of /run/jts-storage-tiering.lock

Exit status: 0 all well · 1 something failed, is away or above the critical usage; the log says what and what to do ·
2 wrong usage or settings · 75 another run holds the lock
HELP
}

main() {
  local action='' settings=/etc/jts-storage/tiers.env settings_are=default lock=/run/jts-storage-tiering.lock
  dry_run=''
  while (($#)); do
    case $1 in
      --help) print_help; exit ;;
      --dry-run) dry_run=yes ;;
      --settings | --lock)
        [[ -n ${2-} ]] || refuse "$1 needs a file"
        if [[ $1 == --lock ]]; then lock=$2; else settings=$2 settings_are=given; fi
        shift
        ;;
      check | migrate | cleanup | optimize | all)
        [[ -z $action ]] || refuse "one subcommand at a time, not $action and $1"
        action=$1
        ;;
      *) refuse "there is no $1" ;;
    esac
    shift
  done
  [[ -n $action ]] || refuse "a subcommand is missing"
  read_settings "$settings" "$settings_are" || exit 2

  status=0 moved_files=0 moved_bytes=0 deleted_files=0 deleted_bytes=0
  if [[ -n $dry_run ]]; then
    # What would happen is what was asked for, so it is the output.
    exec 2>&1
  elif [[ $action != check ]]; then
    take_lock "$lock" || exit
  fi
  if [[ $action == all ]]; then
    check
    migrate
    cleanup
    optimize
  else
    "$action"
  fi
  [[ $action == check ]] || echo "${dry_run:+a run would have }moved $moved_files files, $moved_bytes bytes; deleted $deleted_files files, $deleted_bytes bytes"
  exit "$status"
}

refuse() {
  log error "$1; see --help"
  exit 2
}

# The rest still runs: a NAS that is away must not stop moves to warm.
fail() {
  log warning "$1"
  status=1
}

check() {
  local -a hot
  local point
  split "$HOT_MOUNTS" hot
  for point in "${hot[@]}"; do check_tier hot "$point" '' ''; done
  [[ -z $WARM_MOUNT ]] || check_tier warm "$WARM_MOUNT" '' "$WARM_LABEL"
  [[ -z $COLD_MOUNT ]] || check_tier cold "$COLD_MOUNT" "$COLD_SOURCE" ''
}

# check_tier TIER POINT SOURCE LABEL
check_tier() {
  local reason used total percent inodes
  # Plain folders of a small host may lie on the root filesystem; then there is only something to measure.
  if [[ $1 != hot ]] && ! reason=$(prove_mount "$2" "$3" "$4"); then
    fail "$1: $reason. Do: mount $2"
  elif [[ $1 == hot && -z $(mount_entry "$2") ]]; then
    fail "$1: nothing is mounted at $2. Do: mount $2"
  elif ! read -r used total percent inodes < <(usage_of "$2"); then
    fail "$1: $2 does not answer. Do: storage-health.sh"
  else
    printf '%-4s  %s: %d %% of %s used, %s of them; %d %% of its inodes\n' "$1" "$2" "$percent" "$(human "$total")" "$(human "$used")" "$inodes"
    ((inodes > percent)) && percent=$inodes
    if above "$percent" "$USAGE_CRITICAL_PERCENT"; then
      fail "$1: $2 is above the critical $USAGE_CRITICAL_PERCENT %. Do: $0 migrate; $0 cleanup"
    elif above "$percent" "$USAGE_WARNING_PERCENT"; then
      log warning "$1: $2 is above $USAGE_WARNING_PERCENT %"
    fi
  fi
}

migrate() {
  local -a logs arguments=()
  local source reason
  if [[ -z $WARM_MOUNT ]]; then
    log info "no warm tier: nothing to migrate to or from"
    return
  fi
  reason=$(prove_mount "$WARM_MOUNT" '' "$WARM_LABEL") || { fail "nothing migrated: $reason. Do: mount $WARM_MOUNT"; return; }

  split "$LOG_SOURCES" logs
  for source in "${logs[@]}"; do arguments+=(--source "$source"); done
  if ((${#logs[@]})); then
    move "$WARM_MOUNT" "${arguments[@]}" --relative-to "$LOG_SOURCES_ROOT" --destination "$WARM_MOUNT/logs" --older-than-days "$LOGS_TO_WARM_AFTER_DAYS" --compress
  fi

  [[ -n $COLD_MOUNT ]] || return 0
  reason=$(prove_mount "$COLD_MOUNT" "$COLD_SOURCE" '') || { fail "backups stay on warm: $reason. Do: mount $COLD_MOUNT"; return; }
  usage_of "$COLD_MOUNT" >/dev/null || { fail "backups stay on warm: $COLD_MOUNT does not answer. Do: storage-health.sh"; return; }
  move "$COLD_MOUNT" --source "$WARM_MOUNT/daily-backups" --source-mount "$WARM_MOUNT" --destination "$COLD_ROOT/archives/database" --older-than-days "$BACKUPS_TO_COLD_AFTER_DAYS"
}

# move MOUNT ARGUMENT...: runs the mover, under our lock, and adds up what it moved.
move() {
  local mount=$1 summary files bytes result=0
  shift
  summary=$(python3 -I -B "$lib/move-aged-files.py" "$@" --destination-mount "$mount" --json ${LOCK_DESCRIPTOR:+--lock-descriptor "$LOCK_DESCRIPTOR"} ${dry_run:+--dry-run}) || result=$?
  # It ends itself by SIGALRM when nothing moves any more, as on a NAS that was cut.
  ((result != 128 + 14)) || log warning "$mount stopped to answer; the next run finishes"
  ((result == 0)) || fail "some files were not moved to $mount (status $result)"
  read -r files bytes < <(printf %s "$summary" | jq --raw-output '"\(.moved.files) \(.moved.bytes)"') || return 0
  moved_files=$((moved_files + files)) moved_bytes=$((moved_bytes + bytes))
}

cleanup() {
  local reason
  if [[ -n $WARM_MOUNT ]]; then
    if reason=$(prove_mount "$WARM_MOUNT" '' "$WARM_LABEL"); then
      delete_aged "$WARM_MOUNT/temp-processing" "$TEMP_AFTER_DAYS"
      delete_aged "$WARM_MOUNT/logs" "$WARM_LOGS_AFTER_DAYS"
    else
      fail "nothing deleted: $reason. Do: mount $WARM_MOUNT"
    fi
  fi
  if [[ $DOCKER_PRUNE == yes ]] && command -v docker >/dev/null; then
    # Never with --volumes: those hold data.
    perform timeout --kill-after=10 15m docker system prune --force
  fi
}

# delete_aged FOLDER DAYS: regular files below it that were not written to for that long, then folders that have been
# empty for as long. The folder itself and those right in it stay: they are declared.
delete_aged() {
  local folder=$1 cutoff size path
  [[ -d $folder && ! -L $folder ]] || { fail "there is no folder $folder. Do: pulumi up --refresh"; return; }
  cutoff=$(($(date +%s) - $2 * 86400))
  local -a delete=(-delete)
  [[ -z $dry_run ]] || delete=()
  while IFS= read -r -d '' size && IFS= read -r -d '' path; do
    if [[ $size == failed ]]; then
      fail "some of $folder could not be deleted"
    else
      log info "${dry_run:+would have }deleted $(printf %q "$path") ($size bytes)"
      deleted_files=$((deleted_files + 1)) deleted_bytes=$((deleted_bytes + size))
    fi
  done < <(find "$folder" -xdev -mindepth 1 -type f ! -newermt "@$cutoff" "${delete[@]}" -printf '%s\0%p\0' || printf 'failed\0\0')
  while IFS= read -r -d '' path; do
    log info "${dry_run:+would have }deleted the empty folder $(printf %q "$path")"
  done < <(find "$folder" -xdev -mindepth 2 -type d -empty ! -newermt "@$cutoff" "${delete[@]}" -printf '%p\0')
}

optimize() {
  local -a hot
  local point type subvolumes reason
  if [[ -n $WARM_MOUNT ]]; then
    if ! reason=$(prove_mount "$WARM_MOUNT" '' "$WARM_LABEL"); then
      fail "warm is not defragmented: $reason. Do: mount $WARM_MOUNT"
    elif read -r _ _ type _ < <(mount_entry "$WARM_MOUNT") && [[ $type != btrfs ]]; then
      log info "warm is not defragmented: it is $type, not btrfs"
    elif ! subvolumes=$(bounded 60 btrfs subvolume list "$WARM_MOUNT"); then
      fail "warm is not defragmented: its subvolumes cannot be listed"
    elif [[ -n $subvolumes ]]; then
      # What a snapshot shares with a file would be stored twice.
      log info "warm is not defragmented: it has subvolumes, and what they share would be doubled"
    else
      perform timeout --kill-after=10 2h btrfs filesystem defragment -r "$WARM_MOUNT"
    fi
  fi
  split "$HOT_MOUNTS" hot
  for point in "${hot[@]}"; do
    if [[ -z $(mount_entry "$point") ]]; then
      fail "$point is not trimmed: nothing is mounted there. Do: mount $point"
    else
      perform timeout --kill-after=10 1h fstrim --quiet-unsupported --verbose "$point"
    fi
  done
}

# perform COMMAND...: runs it, or in a dry run says so.
perform() {
  if [[ -n $dry_run ]]; then
    log info "would run: $*"
  else
    log info "running: $*"
    "$@" || fail "failed with status $?: $*"
  fi
}

main "$@"
