# shellcheck shell=bash
# What the scripts of the storage tiers share: settings, log, lock, limits in time, and proof that a mount is the right
# one. To be sourced, by a script that has `set -euo pipefail`.
# shellcheck disable=SC2034  # What is set here is used by those.

# A timer's service has no HOME and a short PATH; the language of messages must not depend on who runs this.
export LC_ALL=C LVM_SUPPRESS_FD_WARNINGS=1
PATH=$PATH:/usr/sbin:/sbin

# Logs go to standard error, where systemd takes them with their priority into the journal.
log() {
  local level=$1 priority
  shift
  case $level in error) priority=3 ;; warning) priority=4 ;; *) priority=6 ;; esac
  if [[ -n ${JOURNAL_STREAM-} ]]; then printf '<%d>%s\n' "$priority" "$*" >&2; else printf '%s: %s\n' "$level" "$*" >&2; fi
}

# The status of wrong usage; a script whose own statuses take it has another.
WRONG_USAGE=2

refuse() {
  log error "$1; see --help"
  exit "$WRONG_USAGE"
}

# fail PROBLEM: tells it, and the rest still runs: a NAS that is away must not stop moves to warm.
fail() {
  log warning "$1"
  problems+=("$1")
  status=1
}

# at_end FUNCTION: runs it at the script's end, also where that is a signal's.
at_end() {
  # shellcheck disable=SC2064  # The function's name is what is known now.
  trap "$1" EXIT
  trap 'exit 129' HUP
  trap 'exit 130' INT
  trap 'exit 143' TERM
}

# read_settings FILE given|default: sets the names below; what the file leaves out is an absent tier or the JTS value.
# Only a file that nobody but root can write is run as shell; one named on the command line may be the caller's own.
read_settings() {
  local file=$1 descriptor owner mode name
  HOT_MOUNTS='' LOG_SOURCES='' LOG_SOURCES_ROOT='' VOLUME_GROUP='' SNAPSHOT_RESERVE_BYTES=''
  WARM_MOUNT='' WARM_LABEL='' COLD_MOUNT='' COLD_SOURCE='' COLD_ROOT='' TIMERS='' DOCKER_PRUNE=no
  LOGS_TO_WARM_AFTER_DAYS=7 BACKUPS_TO_COLD_AFTER_DAYS=30 TEMP_AFTER_DAYS=3 WARM_LOGS_AFTER_DAYS=30
  USAGE_WARNING_PERCENT=80 USAGE_CRITICAL_PERCENT=90 DELETE_AT_MOST_PERCENT=20 PROBE_SECONDS=5 BUDGET_SECONDS=''
  RULES='[]' WARM_HIGH_PERCENT=85 WARM_LOW_PERCENT=75 MOVES_JOURNAL=/var/lib/jts-storage/moves.jsonl
  BACKUP_VOLUMES='' BACKUPS_KEPT_DAYS=7 POSTGRES_DATABASES='' DEVELOPMENT_SOURCES='' DEVELOPMENT_KEPT_DAYS=30
  CLICKHOUSE_TO_COLD_AFTER_DAYS=30 ARCHIVES_KEPT_DAYS=90
  STATE_FOLDER=/var/lib/jts-storage METRICS_FOLDER=/var/lib/prometheus/node-exporter BACKUP_WARNING_HOURS=36
  { exec {descriptor}<"$file"; } 2>/dev/null || {
    log error "cannot read the settings, $file"
    return 1
  }
  # The open file is judged and then run, so that none can be put in its place between.
  read -r owner mode < <(stat --dereference --format='%u %a' "/dev/fd/$descriptor")
  if [[ $owner != 0 && ! ($2 == given && $owner == "$EUID") ]] || ((8#$mode & 8#22)); then
    log error "$file could be written by others than root; not read. Do: chown root:root $file; chmod 644 $file"
    return 1
  fi
  # shellcheck source=/dev/null
  source "/dev/fd/$descriptor" || {
    log error "$file is no shell file of KEY='value' lines"
    return 1
  }
  exec {descriptor}<&-
  for name in LOGS_TO_WARM_AFTER_DAYS BACKUPS_TO_COLD_AFTER_DAYS TEMP_AFTER_DAYS WARM_LOGS_AFTER_DAYS PROBE_SECONDS BACKUP_WARNING_HOURS ${BUDGET_SECONDS:+BUDGET_SECONDS}; do
    [[ ${!name} =~ ^[0-9]+$ ]] || {
      log error "$file: $name='${!name}' is no whole number"
      return 1
    }
  done
  for name in STATE_FOLDER METRICS_FOLDER; do
    [[ ${!name} == /* ]] || {
      log error "$file: $name='${!name}' is no absolute path"
      return 1
    }
  done
  for name in USAGE_WARNING_PERCENT USAGE_CRITICAL_PERCENT DELETE_AT_MOST_PERCENT WARM_HIGH_PERCENT WARM_LOW_PERCENT; do
    [[ ${!name} =~ ^[0-9]+(\.[0-9]+)?$ ]] || {
      log error "$file: $name='${!name}' is no percentage"
      return 1
    }
  done
  for name in BACKUPS_KEPT_DAYS DEVELOPMENT_KEPT_DAYS CLICKHOUSE_TO_COLD_AFTER_DAYS ARCHIVES_KEPT_DAYS; do
    [[ ${!name} =~ ^[1-9][0-9]*$ ]] || {
      log error "$file: $name='${!name}' is no number of days, at least 1"
      return 1
    }
  done
  [[ $BACKUP_VOLUMES =~ ^([A-Za-z0-9_+.-]+=[0-9]+(:|$))*$ ]] || {
    log error "$file: BACKUP_VOLUMES='$BACKUP_VOLUMES' is no list of VOLUME=BYTES"
    return 1
  }
  [[ -z $BACKUP_VOLUMES || -n $VOLUME_GROUP ]] || {
    log error "$file: BACKUP_VOLUMES needs VOLUME_GROUP, which they are in"
    return 1
  }
  local -a folders
  split "$DEVELOPMENT_SOURCES" folders
  for name in "${folders[@]}"; do
    [[ $name == /*[^/] ]] || {
      log error "$file: DEVELOPMENT_SOURCES: '$name' is no absolute path of a folder"
      return 1
    }
  done
  for name in WARM_MOUNT COLD_MOUNT COLD_ROOT LOG_SOURCES_ROOT MOVES_JOURNAL; do
    [[ -z ${!name} || ${!name} == /* ]] || {
      log error "$file: $name='${!name}' is no absolute path"
      return 1
    }
  done
  [[ -z $LOG_SOURCES || -n $LOG_SOURCES_ROOT ]] || {
    log error "$file: LOG_SOURCES needs LOG_SOURCES_ROOT, which keeps their logs apart"
    return 1
  }
  [[ -z $COLD_MOUNT || $COLD_ROOT/ == "$COLD_MOUNT"/* ]] || {
    log error "$file: COLD_ROOT='$COLD_ROOT' is not on COLD_MOUNT='$COLD_MOUNT'"
    return 1
  }
  ! above "$WARM_LOW_PERCENT" "$WARM_HIGH_PERCENT" || {
    log error "$file: WARM_LOW_PERCENT='$WARM_LOW_PERCENT' is above WARM_HIGH_PERCENT='$WARM_HIGH_PERCENT'"
    return 1
  }
  rules_are_well_formed || {
    log error "$file: RULES is no JSON list of rules {name, source, pattern, olderThanDays, to, destination, compress, keep}"
    return 1
  }
}

# The configuration refuses more, and with better words; this is about what a hand may have written.
rules_are_well_formed() {
  [[ $RULES != '[]' ]] || return 0
  [[ -n $RULES ]] && jq --exit-status 'type == "array" and all(.[];
    (keys - ["name", "source", "pattern", "olderThanDays", "to", "destination", "compress", "keep"] == [])
    and all(.name, .source, .destination, .to, .pattern // "*"; type == "string" and test("^[^[:cntrl:]]+$"))
    and (.source | startswith("/"))
    and (.destination | startswith("/") or (split("/") | any(. == "..")) | not)
    and (.to == "warm" or .to == "cold")
    and (.olderThanDays | type == "number" and . >= 0)
    and all(.compress // false, .keep // false; type == "boolean"))' <<<"$RULES" >/dev/null 2>&1
}

# split LIST NAME: the parts of a colon-separated list, into the array NAME.
split() {
  local -n parts=$2
  parts=()
  [[ -z $1 ]] || IFS=: read -r -d '' -a parts < <(printf '%s:\0' "$1") || true
}

# take_lock FILE: holds the lock until this process and its children end; status 1 where another run has it.
take_lock() {
  { exec {LOCK_DESCRIPTOR}<>"$1"; } 2>/dev/null || {
    log error "cannot open the lock, $1; this needs root"
    return 1
  }
  flock --nonblock "$LOCK_DESCRIPTOR" || {
    log error "another run holds $1"
    return 75
  }
}

# bounded SECONDS COMMAND...: its output and status; 124 where it took too long, or the script all its BUDGET_SECONDS
# (empty: none). Standard error stays as it is.
bounded() {
  local limit=$1 descriptor output=''
  shift
  [[ -z $BUDGET_SECONDS ]] || ((SECONDS < BUDGET_SECONDS)) || return 124
  exec {descriptor}< <(
    # What hangs must not keep the lock.
    [[ -z ${LOCK_DESCRIPTOR-} ]] || exec {LOCK_DESCRIPTOR}>&-
    status=0
    timeout --kill-after=1 "$limit" "$@" </dev/null || status=$?
    printf '\n%d' "$status"
  )
  # timeout(1) waits for its child, which may sleep in the kernel where even SIGKILL doesn't reach it: don't wait for them.
  IFS= read -r -d '' -t "$((limit + 2))" -u "$descriptor" output || (($? <= 128)) || output=$'\n124'
  exec {descriptor}<&-
  printf '%s' "${output%$'\n'*}"
  return "${output##*$'\n'}"
}

# mount_entry POINT: ID, device number, type and source of what is mounted at exactly POINT; nothing where nothing is.
# Asks the kernel's table alone, since findmnt looks at the path, which hangs where a NAS is away. A folder that is bound
# to itself is no mount: systemd binds what a unit may write to and isn't mounted.
mount_entry() {
  MOUNT_POINT=$(escape_mount "$1") awk '
    { device[$1] = $3 }
    $5 == ENVIRON["MOUNT_POINT"] { id = $1; parent = $2; for (i = 7; $i != "-"; i++) { } type = $(i + 1); source = $(i + 2) }
    END { if (id != "" && device[id] != device[parent]) print id, device[id], type, source }' /proc/self/mountinfo
}

# escape_mount TEXT: as the kernel writes it in its tables.
escape_mount() {
  local text=${1//\\/\\134}
  text=${text// /\\040} text=${text//$'\t'/\\011}
  printf '%s' "${text//$'\n'/\\012}"
}

# prove_mount POINT SOURCE LABEL: prints why POINT is not the mount of that source and label (empty: any), status 1.
prove_mount() {
  local device type source root label
  read -r _ device type source < <(mount_entry "$1") || {
    echo "nothing is mounted at $1"
    return 1
  }
  read -r _ root _ < <(mount_entry /) || {
    echo "the mounts cannot be read"
    return 1
  }
  [[ $device != "$root" ]] || {
    echo "$1 shows the root filesystem"
    return 1
  }
  [[ -z $2 || $source == "$(escape_mount "$2")" ]] || {
    echo "$source is mounted at $1 instead of $2"
    return 1
  }
  [[ -n $3 ]] || return 0
  label=$(bounded 10 blkid --probe --match-tag LABEL --output value -- "$source") || {
    echo "the label of $source, mounted at $1 as $type, cannot be read"
    return 1
  }
  [[ $label == "$3" ]] || {
    echo "$source, mounted at $1, has the label '$label' instead of '$3'"
    return 1
  }
}

# cold_answers: whether the cold tier is mounted and answers; prints why not.
cold_answers() {
  [[ -n $COLD_MOUNT ]] || {
    echo "this host has no cold tier"
    return 1
  }
  prove_mount "$COLD_MOUNT" "$COLD_SOURCE" '' || return
  usage_of "$COLD_MOUNT" >/dev/null || {
    echo "$COLD_MOUNT does not answer"
    return 1
  }
}

# usage_of POINT: used and total bytes of its filesystem, its used space and used inodes in percent, rounded up as df does.
usage_of() {
  # One path and statfs alone: df looks at other mounts too, and hangs with them.
  bounded "$PROBE_SECONDS" stat --file-system --format='%b %f %a %S %c %d' -- "$1" | awk '
    NF == 6 { printf "%.0f %.0f %d %d\n", ($1 - $2) * $4, $1 * $4, percent($1 - $2, $1 - $2 + $3), percent($5 - $6, $5); found = 1 }
    END { exit !found }
    function percent(used, of) { return of > 0 ? int(used * 100 / of) + (int(used * 100 / of) < used * 100 / of) : 0 }'
}

# publish_archive TEMPORARY TARGET SHA256 READER...: gives an archive its name, and TARGET.sha256, once it is on the device,
# reads back from there as it was written, and READER takes it. Replaces nothing. Status 1: neither name is there.
publish_archive() {
  local temporary=$1 target=$2 sum=$3 found
  shift 3
  # Out of the page cache, which would only give back what we gave it.
  dd of="$temporary" oflag=nocache conv=notrunc,fdatasync count=0 status=none || {
    log error "$target cannot be flushed to its device"
    return 1
  }
  found=$(sha256sum <"$temporary") || return
  [[ ${found%% *} == "$sum" ]] || {
    log error "$target reads back differently from what was written: check its device"
    return 1
  }
  "$@" <"$temporary" >/dev/null || {
    log error "$target cannot be read as what it should be"
    return 1
  }
  # The archive last: one that has its name is whole, and has its checksum.
  printf '%s  %s\n' "$sum" "${target##*/}" >"$temporary.sha256" || return
  sync -- "$temporary.sha256" || return
  ln --no-target-directory -- "$temporary.sha256" "$target.sha256" || return
  ln --no-target-directory -- "$temporary" "$target" || {
    rm --force -- "$target.sha256"
    return 1
  }
  rm --force -- "$temporary" "$temporary.sha256"
  sync -- "${target%/*}"
}

# read_tar: reads a compressed tar to its end; both formats tell a cut.
read_tar() {
  zstd --quiet --decompress --stdout | tar --list --file=-
}

# stamp_of SECONDS: as archives have it in their names; names then sort as time does.
stamp_of() {
  TZ=UTC printf '%(%Y%m%dT%H%M%SZ)T' "$1"
}

# expired_archives FOLDER NAME ENDING DAYS COUNT NOW [weekly]: those of NAME-STAMP ENDING that may go: older than DAYS, and
# COUNT newer ones are there, so that a clock that jumps doesn't take them all. weekly: the first of each week stays. What
# has no checksum is not ours.
expired_archives() {
  local -a found=()
  local path stamp oldest index year month week last=''
  oldest=$(stamp_of $(($6 - $4 * 86400)))
  for path in "$1/$2"-*"$3"; do
    stamp=${path:${#1}+1+${#2}}
    if [[ $stamp =~ ^-[0-9]{8}T[0-9]{6}Z"$3"$ && -f $path && ! -L $path && -f $path.sha256 ]]; then found+=("${stamp:1:16}"); fi
  done
  for index in "${!found[@]}"; do
    stamp=${found[index]} year=$((10#${stamp:0:4})) month=$((10#${stamp:4:2}))
    if ((month < 3)); then year=$((year - 1)) month=$((month + 12)); fi
    week=$(((365 * year + year / 4 - year / 100 + year / 400 + (153 * month - 457) / 5 + 10#${stamp:6:2}) / 7))
    if [[ -n ${7-} && $week != "$last" ]]; then
      last=$week
    elif ((index + $5 < ${#found[@]})) && [[ $stamp < $oldest ]]; then
      printf '%s\n' "$2-$stamp$3"
    fi
  done
}

# Whoever writes there first makes it, under whatever umask.
make_state_folder() {
  [[ -d $STATE_FOLDER ]] || install --directory --mode=755 -- "$STATE_FOLDER"
}

# look_at_clock KIND: sets `reason` to why nothing may be deleted for its age in this run; empty: it may. What is deleted is
# gone, so a clock that jumped must not take it all: after a first run, a week without any, or one that the clock went back
# behind, there is a day to see it. A clock that jumped fails the run, and is gone by only once it is synchronized. The runs
# have our lock, unless they are dry.
look_at_clock() {
  local file=$STATE_FOLDER/$1.last now last
  now=$(date +%s)
  last=$(first_line "$file")
  reason=''
  if [[ ! $last =~ ^[0-9]{1,12}$ ]]; then
    reason="it is the first one; the next one deletes what is old by then. Do: look at that by --dry-run, now that this one was made"
  elif ((now < last || now - last > 7 * 86400)); then
    reason="the clock says $(date --utc --date="@$now" '+%F %R') UTC, and said $(date --utc --date="@$last" '+%F %R') in the last one"
    if [[ $(bounded 10 timedatectl show --property=NTPSynchronized --value 2>/dev/null || true) == yes ]]; then
      reason+="; it is synchronized, and the next one goes by it. Do: timedatectl"
    else
      fail "nothing is deleted for its age: $reason, and is not synchronized. Do: timedatectl; systemctl restart systemd-timesyncd; where it is right nevertheless: rm $file"
      return 0
    fi
    fail "nothing is deleted for its age: $reason"
  fi
  [[ -n $dry_run ]] || { make_state_folder && write_whole "$file" <<<"$now"; } || log warning "$file cannot be written"
}

# above NUMBER LIMIT: whether it is; both may have decimals.
above() {
  awk -v number="$1" -v limit="$2" 'BEGIN { exit !(number > limit) }'
}

# human BYTES: with a binary unit.
human() {
  numfmt --to=iec-i --suffix=B -- "$1"
}

# first_line FILE: prints it; nothing where there is no such regular file. A link is not followed.
first_line() {
  local line=''
  [[ ! -f $1 || -L $1 ]] || read -r line <"$1" || true
  printf '%s' "$line"
}

# write_whole FILE: standard input becomes FILE, in one step, so that no reader sees half of it; its folder is there. A link
# in its place is replaced, not followed.
write_whole() {
  local temporary
  temporary=$(mktemp "${1%/*}/.${1##*/}.XXXXXXXXXX") || return 1
  if cat >"$temporary" && chmod 644 -- "$temporary" && sync --data -- "$temporary" && mv --no-target-directory -- "$temporary" "$1"; then
    return 0
  fi
  rm --force -- "$temporary"
  return 1
}
