#!/usr/bin/env bash
set -euo pipefail
here=$(dirname -- "$(readlink --canonicalize -- "${BASH_SOURCE[0]}")")
lib=$here/lib
[[ -d $lib ]] || lib=$here
# shellcheck source=scripts/lib/tiers.sh
source "$lib/tiers.sh"

print_help() {
  cat <<'HELP'
usage: tiered-storage.sh check|migrate|cleanup|optimize|all [--dry-run] [--json] [--yes] [--settings FILE] [--lock FILE]

  check     prints the usage of each tier
  migrate   moves old logs from hot to warm, compressed, by names that logs have, and nothing of a database's folder; old
            backups from warm to cold, and what the settings' RULES say;
            where warm is above its high mark, what is oldest there goes to cold sooner, until warm is below its low mark
  cleanup   deletes old files of warm's temp-processing and logs; docker prune, without volumes. A file's age is how long
            it has been there, whatever time it bears; what somebody has open stays. A first run, and one after a week
            without any or after a clock that went back, deletes nothing: the clock may be wrong
  optimize  defragments warm, trims hot
  all       all of them in this order, whatever fails

  --dry-run        prints a table of all that a run would do, and changes nothing
  --json           prints one JSON document instead: what was done, or in a dry run would be, and what went wrong
  --yes            cleanup deletes all that is old, also where that is more than DELETE_AT_MOST_PERCENT
  --settings FILE  in place of /etc/jts-storage/tiers.env; root's or yours, and nobody else's to write
  --lock FILE      in place of /run/jts-storage-tiering.lock

Settings are lines NAME='value'. Those of the tiers, which all our scripts read; an empty one is a tier that isn't there:
  HOT_MOUNTS                   mount points of the hot tier, separated by colons
  VOLUME_GROUP                 that the hot tier's volumes are in
  LOG_SOURCES                  folders of logs on the hot tier, separated by colons
  LOG_SOURCES_ROOT             below warm's logs they have the paths that they have below this one
  WARM_MOUNT, WARM_LABEL       mount point, and the filesystem's label that proves which one is mounted
  COLD_MOUNT, COLD_SOURCE      mount point, and SERVER:EXPORT that proves it
  COLD_ROOT                    the folder below it that is ours
  STATE_FOLDER                 /var/lib/jts-storage
  PROBE_SECONDS                5: how long a filesystem may take to answer
Those of this one:
  LOGS_TO_WARM_AFTER_DAYS      7; age is that of the last write
  BACKUPS_TO_COLD_AFTER_DAYS   30
  TEMP_AFTER_DAYS              3: temp-processing is deleted
  WARM_LOGS_AFTER_DAYS         30: logs on warm are deleted
  DELETE_AT_MOST_PERCENT       20: where more of warm's size than that is old, none of it is deleted without --yes
  WARM_HIGH_PERCENT, WARM_LOW_PERCENT            85 and 75: the marks
  USAGE_WARNING_PERCENT, USAGE_CRITICAL_PERCENT  80 and 90
  RULES                        a JSON list of {name, source, pattern, olderThanDays, to, destination, compress, keep}; to is
                               warm or cold, destination a folder there; [] is none
  DOCKER_PRUNE                 yes or no: docker system prune, which removes stopped containers and what no one uses
  MOVES_JOURNAL                /var/lib/jts-storage/moves.jsonl: a line of JSON for each move

Exit status: 0 all well · 1 something failed, is away or above the critical usage; the log says what and what to do ·
2 wrong usage or settings · 75 another run holds the lock
HELP
}

main() {
  local action='' settings=/etc/jts-storage/tiers.env settings_are=default lock=/run/jts-storage-tiering.lock
  dry_run='' json='' yes=''
  while (($#)); do
    case $1 in
      --help)
        print_help
        exit
        ;;
      --dry-run) dry_run=yes ;;
      --json) json=yes ;;
      --yes) yes=yes ;;
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
  # For the report: JSON texts of the tiers' usage, of the mover's summaries, and of what was deleted.
  usages=() summaries=() deletions=() commands=() problems=()
  if [[ -z $dry_run && $action != check ]]; then take_lock "$lock" || exit; fi
  if [[ $action == all ]]; then
    check
    migrate
    cleanup
    optimize
  else
    "$action"
  fi
  if [[ -n $json ]]; then
    report "$action"
  else
    [[ -z $dry_run ]] || report "$action" | print_table
    [[ $action == check ]] || echo "${dry_run:+a run would have }moved $moved_files files, $moved_bytes bytes; deleted $deleted_files files, $deleted_bytes bytes"
  fi
  exit "$status"
}

# report SUBCOMMAND: one JSON document. Names that are no UTF-8 have U+FFFD in place of what isn't.
report() {
  {
    printf '%s\n' "${usages[@]}" | jq --slurp .
    printf '%s\n' "${summaries[@]}" | jq --slurp .
    printf '%s\n' "${deletions[@]}" | jq --slurp .
    strings "${commands[@]}"
    strings "${problems[@]}"
  } | jq --slurp --arg subcommand "$1" --arg dryRun "$dry_run" --argjson status "$status" '
    . as [$usage, $summaries, $deletions, $commands, $problems]
    | [$deletions[].deleted[]] as $deleted
    | {
        $subcommand, dryRun: ($dryRun == "yes"), $status, $usage,
        moves: [$summaries[].moves[]],
        skipped: (reduce (($summaries + $deletions)[].skipped | to_entries[]) as $one ({}; .[$one.key] += $one.value)),
        deletions: $deleted,
        $commands,
        totals: {
          moved: {files: ([$summaries[].moved.files] | add // 0), bytes: ([$summaries[].moved.bytes] | add // 0)},
          deleted: ($deleted | map(select(.kind == "file")) | {files: length, bytes: (map(.bytes) | add // 0)})
        },
        problems: [
          $problems[],
          ($summaries[].failed[] | "\(.path | tojson) was not moved: \(.reason)"),
          ($deletions[].failed[] | "\(.path | tojson) was not deleted: \(.reason)")
        ]
      }'
}

# strings TEXT...: a JSON list of them.
strings() {
  # Ended by a line end, since jq 1.6 loses a NUL that nothing follows.
  {
    (($# == 0)) || printf '%s\0' "$@"
    echo
  } | jq --raw-input --slurp 'split("\u0000")[:-1]'
}

print_table() {
  jq --raw-output '
    def row(what; bytes; text): "\(what)\(" " * (10 - (what | length)) // "")\(" " * (14 - (bytes | length)) // "")\(bytes)  \(text)";
    row("action"; "bytes"; "what"),
    (.moves[] | row(.action; .bytes | tostring; "\(.from | tojson) → \(.to | tojson)")),
    (.deletions[] | row("delete"; .bytes | tostring; "\(.path | tojson)\(if .kind == "folder" then ", an empty folder" else "" end)")),
    (.commands[] | row("run"; ""; .)),
    (.problems[] | row("problem"; ""; .))'
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
    usages+=("$(jq --null-input --compact-output --arg tier "$1" --arg mountPoint "$2" "{\$tier, \$mountPoint, usedBytes: $used, totalBytes: $total, usedPercent: $percent, usedInodesPercent: $inodes}")")
    [[ -n $json ]] || printf '%-4s  %s: %d %% of %s used, %s of them; %d %% of its inodes\n' "$1" "$2" "$percent" "$(human "$total")" "$(human "$used")" "$inodes"
    ((inodes > percent)) && percent=$inodes
    if above "$percent" "$USAGE_CRITICAL_PERCENT"; then
      fail "$1: $2 is above the critical $USAGE_CRITICAL_PERCENT %. Do: $0 migrate; $0 cleanup"
    elif above "$percent" "$USAGE_WARNING_PERCENT"; then
      log warning "$1: $2 is above $USAGE_WARNING_PERCENT %"
    fi
  fi
}

migrate() {
  local rule lines reason cold_is=there name to where folder mark=$WARM_HIGH_PERCENT rounds=3 cutoff=0 before
  local -a arguments rules
  if [[ -z $WARM_MOUNT ]]; then
    log info "no warm tier: nothing to migrate to or from"
    return
  fi
  reason=$(prove_mount "$WARM_MOUNT" '' "$WARM_LABEL") || {
    fail "nothing migrated: $reason. Do: mount $WARM_MOUNT"
    return
  }
  lines=$(print_rules) || {
    fail "nothing migrated: the rules cannot be read. Do: look at RULES in the settings"
    return
  }
  mapfile -t rules <<<"$lines"
  for rule in "${rules[@]}"; do
    eval "$rule"
    [[ $to == cold ]] || move "$name" "$WARM_MOUNT" "${arguments[@]}"
  done

  # What goes to cold comes last: where that hangs, nothing else waits for it.
  if [[ -z $COLD_MOUNT ]]; then
    cold_is=absent
  elif ! reason=$(prove_mount "$COLD_MOUNT" "$COLD_SOURCE" ''); then
    fail "nothing goes to cold: $reason. Do: mount $COLD_MOUNT"
    cold_is=away
  elif ! usage_of "$COLD_MOUNT" >/dev/null; then
    fail "nothing goes to cold: $COLD_MOUNT does not answer. Do: storage-health.sh"
    cold_is=away
  fi
  # What a filesystem frees it may tell late, and a compressed file takes less than it says: hence the second look.
  while [[ $cold_is == there ]] && ((rounds-- > 0)); do
    ! is_warm_above "$mark" || cutoff=$(cutoff_for_low_mark)
    before=$moved_files
    for rule in "${rules[@]}"; do
      eval "$rule"
      [[ $to == cold && ($where != pressed || $cutoff != 0) ]] || continue
      [[ $where == elsewhere ]] || arguments+=(--modified-before "$cutoff")
      move "$name" "$COLD_MOUNT" "${arguments[@]}"
    done
    if ((cutoff == 0 || moved_files == before)) || [[ -n $dry_run ]]; then break; fi
    mark=$WARM_LOW_PERCENT
    bounded 60 sync --file-system "$WARM_MOUNT" || true
    is_warm_above "$mark" || break
  done
  if is_warm_above "$WARM_HIGH_PERCENT" && [[ -z $dry_run || $cold_is != there ]]; then
    fail "warm is above $WARM_HIGH_PERCENT %, and nothing more of it goes to cold. Do: $0 cleanup; then look what grew: du --one-file-system --max-depth=2 $WARM_MOUNT"
  fi
}

# print_rules: what moves, by the JTS rules and those of the settings. For each a line of shell that sets name, to, where
# (warm; pressed: warm, while it has no room; elsewhere: no room of warm to be won), folder, and arguments of the mover.
# Of warm's logs, which are deleted in time, some go to cold only where warm has no room.
print_rules() {
  jq --null-input --raw-output --arg logs "$LOG_SOURCES" --arg root "$LOG_SOURCES_ROOT" --arg warm "$WARM_MOUNT" --arg cold "$COLD_ROOT" --argjson rules "$RULES" \
    --argjson logDays "$LOGS_TO_WARM_AFTER_DAYS" --argjson backupDays "$BACKUPS_TO_COLD_AFTER_DAYS" '
    if $logs == "" then empty else {name: "logs", sources: ($logs | split(":")), relativeTo: $root, to: "warm", destination: "logs", olderThanDays: $logDays, compress: true, onlyLogs: true} end,
    {name: "backups", sources: ["\($warm)/daily-backups"], to: "cold", destination: "archives/database", olderThanDays: $backupDays},
    ($rules[] | .sources = [.source]),
    {name: "warm logs", sources: ["\($warm)/logs"], to: "cold", destination: "archives/logs", olderThanDays: 36500, pressed: true}
    | all(.sources[]; startswith("\($warm)/")) as $onWarm
    | ([.sources[] | "--source=\(.)"]
      + ["--destination=\(if .to == "warm" then $warm else $cold end)/\(.destination)", "--older-than-days=\(.olderThanDays)", "--pattern=\(.pattern // "*")"]
      + (if $onWarm then ["--source-mount=\($warm)"] else [] end)
      + (if .relativeTo then ["--relative-to=\(.relativeTo)"] else [] end)
      + (if .onlyLogs then ["--only-logs"] else [] end)
      + (if .compress then ["--compress"] else [] end)
      + (if .keep then ["--keep"] else [] end)) as $arguments
    | (if .pressed then "pressed" elif $onWarm and (.keep | not) then "warm" else "elsewhere" end) as $where
    | @sh "name=\(.name) to=\(.to) where=\($where) folder=\(.sources[0]) arguments=(\($arguments))"'
}

is_warm_above() {
  local percent
  read -r _ _ percent _ < <(usage_of "$WARM_MOUNT") && above "$percent" "$1"
}

# cutoff_for_low_mark: prints the time before which enough of warm was last written to that it is below its low mark
# without that; at most a day ago, since last night's backup is wanted close by.
cutoff_for_low_mark() {
  local used total name to where folder rule
  local -a arguments sources=()
  read -r used total _ < <(usage_of "$WARM_MOUNT") || {
    echo 0
    return
  }
  for rule in "${rules[@]}"; do
    eval "$rule"
    [[ $to == warm || $where == elsewhere ]] || sources+=("$folder")
  done
  { find "${sources[@]}" -xdev -type f -links 1 -printf '%T@ %b\n' 2>/dev/null || true; } | sort --numeric-sort |
    awk -v need="$used" -v total="$total" -v low="$WARM_LOW_PERCENT" -v latest="$(($(date +%s) - 86400))" '
      BEGIN { need -= total * low / 100 }
      need > 0 && $1 < latest { need -= $2 * 512; cutoff = int($1) + 1 }
      END { print cutoff + 0 }'
}

# move NAME MOUNT ARGUMENT...: runs the mover, under our lock, and adds up what it moved.
move() {
  local name=$1 mount=$2 summary files bytes result=0
  shift 2
  summary=$(python3 -I -B "$here/jts_storage" move "$@" --destination-mount "$mount" --journal "$MOVES_JOURNAL" --json ${LOCK_DESCRIPTOR:+--lock-descriptor "$LOCK_DESCRIPTOR"} ${dry_run:+--dry-run} ${dry_run:+--list} ${json:+--list}) || result=$?
  # It ends itself by SIGALRM when nothing moves any more, as on a NAS that was cut.
  ((result != 128 + 14)) || log warning "$mount stopped to answer; the next run finishes"
  ((result == 0)) || fail "some files of the rule $name were not moved to $mount (status $result)"
  read -r files bytes < <(printf %s "$summary" | jq --raw-output '"\(.moved.files) \(.moved.bytes)"') || return 0
  summaries+=("$summary")
  moved_files=$((moved_files + files)) moved_bytes=$((moved_bytes + bytes))
}

cleanup() {
  local reason
  if [[ -n $WARM_MOUNT ]]; then
    look_at_clock cleanup
    if [[ -n $reason ]]; then
      log warning "nothing deleted in this run: $reason"
    elif reason=$(prove_mount "$WARM_MOUNT" '' "$WARM_LABEL"); then
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

# delete_aged FOLDER DAYS: runs what deletes, see jts_storage/retention.py, and adds up what it deleted.
delete_aged() {
  local told files bytes result=0 percent=$DELETE_AT_MOST_PERCENT
  [[ -z $yes ]] || percent=100
  told=$(python3 -I -B "$here/jts_storage" delete --folder "$1" --mount "$WARM_MOUNT" --older-than-days "$2" --at-most-percent "$percent" ${dry_run:+--dry-run}) || result=$?
  ((result == 0)) || fail "not all that is old in $1 was deleted (status $result)"
  read -r files bytes < <(printf %s "$told" | jq --raw-output '[.deleted[] | select(.kind == "file").bytes] | "\(length) \(add // 0)"') || return 0
  deletions+=("$told")
  deleted_files=$((deleted_files + files)) deleted_bytes=$((deleted_bytes + bytes))
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
  commands+=("$*")
  if [[ -z $dry_run ]]; then
    log info "running: $*"
    # What it prints is no part of the report.
    "$@" >&2 || fail "failed with status $?: $*"
  fi
}

main "$@"
