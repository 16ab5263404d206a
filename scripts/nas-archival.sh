#!/usr/bin/env bash
# shellcheck disable=SC2317  # Functions are run by name: watched and archive do.
set -euo pipefail
here=$(dirname -- "$(readlink --canonicalize -- "${BASH_SOURCE[0]}")")
lib=$here/lib
[[ -d $lib ]] || lib=$here
# shellcheck source=scripts/lib/tiers.sh
source "$lib/tiers.sh"

print_help() {
  cat <<'HELP'
usage: nas-archival.sh configs|postgresql|development|clickhouse|all [--dry-run] [--now TIME] [--settings FILE] [--lock FILE]

  configs      archives fstab, LVM's metadata, units and our settings to archives/configs
  postgresql   dumps each database, and the roles, to archives/database, and reads the dumps to their end
  development  copies folders to development/NAME; what is gone or changed there is kept aside in development/.removed.
               A NAME that another host or folder copies to, or that has others' files, is left alone
  clickhouse   has ClickHouse move old partitions to the volume "cold" of their tables' storage policy
  all          all of them in this order, whatever fails; what the host doesn't have is left out

  --dry-run        says what a run would do, and changes nothing
  --now TIME       in place of the clock, as date(1) takes it
  --settings FILE  in place of /etc/jts-storage/tiers.env; root's or yours, and nobody else's to write
  --lock FILE      in place of /run/jts-storage-archival.lock

Settings (those of the tiers are told by tiered-storage.sh --help):
  ARCHIVES_KEPT_DAYS             90, for configs and postgresql
  POSTGRES_DATABASES             names, separated by colons; empty: all
  DEVELOPMENT_SOURCES            folders, separated by colons; each is copied under its last name
  DEVELOPMENT_KEPT_DAYS          30: what a copy replaced or deleted
  CLICKHOUSE_TO_COLD_AFTER_DAYS  30

Archives go when they are older than ARCHIVES_KEPT_DAYS and seven newer ones are there. What was kept aside goes by the clock
alone, so that none goes in a first run, after a week without any, or after a clock that went back, unless --now is given.
Roles are dumped with their passwords' hashes: only root reads archives.

Exit status: 0 all well · 1 something failed or is away; the log says what and what to do · 2 wrong usage or settings ·
75 another run holds the lock
HELP
}

TEMPORARY=.jts-archive-

main() {
  local action='' settings=/etc/jts-storage/tiers.env settings_are=default lock=/run/jts-storage-archival.lock now=''
  dry_run=''
  while (($#)); do
    case $1 in
      --help)
        print_help
        exit
        ;;
      --dry-run) dry_run=yes ;;
      --settings | --lock | --now)
        [[ -n ${2-} ]] || refuse "$1 needs a value"
        case $1 in
          --settings) settings=$2 settings_are=given ;;
          --lock) lock=$2 ;;
          --now) now=$2 ;;
        esac
        shift
        ;;
      configs | postgresql | development | clickhouse | all)
        [[ -z $action ]] || refuse "one subcommand at a time, not $action and $1"
        action=$1
        ;;
      *) refuse "there is no $1" ;;
    esac
    shift
  done
  [[ -n $action ]] || refuse "a subcommand is missing"
  read_settings "$settings" "$settings_are" || exit 2
  now_is=${now:+given}
  now=$(date --date="${now:-now}" +%s) || refuse "--now takes a time as date(1) does"
  stamp=$(stamp_of "$now")

  status=0 working='' scratch='' asked_for=$action
  if [[ -n $dry_run ]]; then
    # What would happen is what was asked for, so it is the output.
    exec 2>&1
  else
    take_lock "$lock" || exit
    # Archives hold what only root and the services may read.
    umask 077
    at_end undo
  fi
  case $action in
    configs) configs ;;
    postgresql) postgresql ;;
    development) development ;;
    clickhouse) clickhouse ;;
    all)
      configs
      postgresql
      development
      clickhouse
      ;;
  esac
  exit "$status"
}

undo() {
  [[ -z $working ]] || kill -KILL -- "-$working" 2>/dev/null || true
  [[ -z $scratch ]] || rm --recursive --force -- "$scratch"
}

# ready FOLDER: whether the cold tier is the right one, answers, and has that folder of ours; tells otherwise.
ready() {
  local reason
  reason=$(cold_answers) || {
    fail "nothing archived in $1: $reason. Do: $here/storage-health.sh"
    return 1
  }
  bounded "$PROBE_SECONDS" test -d "$COLD_ROOT/$1" || {
    fail "there is no folder $COLD_ROOT/$1. Do: pulumi up --refresh"
    return 1
  }
}

# absent PROGRAM: whether it is not on this host; that is a failure only where it was asked for.
absent() {
  ! command -v "$1" >/dev/null || return 1
  if [[ $asked_for == all ]]; then log info "there is no $1: left out"; else fail "there is no $1. Do: apt-get install the package that has it"; fi
}

# watched COMMAND...: its status; 1, and it is killed, where the cold tier stops to answer meanwhile. What writes to a NAS
# that is away waits for ever, and so would whoever waits for that.
watched() {
  local sleeper ended='' result misses=0
  # A process group of its own, so that all of it can be killed.
  set -m
  "$@" </dev/null &
  working=$!
  set +m
  while :; do
    sleep "$PROBE_SECONDS" &
    sleeper=$! result=0
    wait -n -p ended "$working" "$sleeper" || result=$?
    if [[ $ended != "$sleeper" ]]; then
      kill "$sleeper"
      working=''
      return "$result"
    elif usage_of "$COLD_MOUNT" >/dev/null; then
      misses=0
    elif ((++misses == 5)); then
      log warning "$COLD_MOUNT stopped to answer; the next run tries again"
      kill -KILL -- "-$working"
      working=''
      return 1
    fi
  done
}

# keep FOLDER NAME ENDING READER PROGRAM...: what PROGRAM prints becomes an archive there. Runs watched.
keep() {
  local folder=$COLD_ROOT/$1 name=$2-$stamp$3 reader=$4 temporary sum
  # Of runs that were killed: we have their lock. Those of other hosts have other names.
  find "$folder" -maxdepth 1 -type f -name "$TEMPORARY$2-*" -delete
  temporary=$folder/$TEMPORARY$name
  shift 4
  if sum=$("$@" | tee -- "$temporary" | sha256sum) && publish_archive "$temporary" "$folder/$name" "${sum%% *}" "$reader"; then
    log info "archived $folder/$name"
  else
    rm --force -- "$temporary" "$temporary.sha256"
    return 1
  fi
}

# thin FOLDER NAME ENDING: deletes what is kept no longer. Runs watched.
thin() {
  local name
  # They have no spaces in their names.
  for name in $(expired_archives "$COLD_ROOT/$1" "$2" "$3" "$ARCHIVES_KEPT_DAYS" 7 "$now"); do
    [[ -n $dry_run ]] || rm --force -- "$COLD_ROOT/$1/$name" "$COLD_ROOT/$1/$name.sha256"
    log info "${dry_run:+would have }deleted $COLD_ROOT/$1/$name"
  done
}

# archive FOLDER NAME ENDING READER PROGRAM...
archive() {
  if [[ -n $dry_run ]]; then
    log info "would archive $COLD_ROOT/$1/$2-$stamp$3"
  elif ! watched keep "$@"; then
    fail "no archive of $2. Do: look at the lines before this one; $here/storage-health.sh"
    return
  fi
  # Only where a newer one was made.
  watched thin "$1" "$2" "$3" || fail "old archives of $2 cannot be deleted"
}

configs() {
  ready archives/configs || return 0
  scratch=$(mktemp --directory)
  if [[ -n $VOLUME_GROUP ]]; then
    bounded 60 vgcfgbackup --quiet --file "$scratch/$VOLUME_GROUP.vgcfg" -- "$VOLUME_GROUP" >/dev/null || fail "LVM's metadata of $VOLUME_GROUP cannot be had. Do: vgs; pvs"
  fi
  bounded 60 lsblk --json --bytes --output NAME,SIZE,SERIAL,WWN,FSTYPE,LABEL,UUID,PARTUUID,MOUNTPOINTS >"$scratch/lsblk.json" || fail "the block devices cannot be listed. Do: lsblk"
  # Several hosts may share a NAS.
  archive archives/configs "configs-$(uname --nodename)" .tar.zst read_tar pack_configs
  rm --recursive --force -- "$scratch"
  scratch=''
}

pack_configs() {
  local path
  local -a paths=()
  for path in etc/fstab etc/jts-storage etc/systemd/system etc/lvm etc/sysctl.d etc/udev/rules.d etc/exports var/lib/jts-storage; do
    [[ ! -e /$path ]] || paths+=("$path")
  done
  tar --create --file=- --numeric-owner --directory="$scratch" . --directory=/ "${paths[@]}" | zstd --quiet --stdout
}

postgresql() {
  local name names
  ! absent pg_dump || return 0
  # Tools alone make no server.
  getent passwd postgres >/dev/null || {
    log info "there is no account postgres, so no server: left out"
    return 0
  }
  ready archives/database || return 0
  local -a databases
  split "$POSTGRES_DATABASES" databases
  if ((${#databases[@]} == 0)); then
    names=$(as_postgres psql --no-psqlrc --no-password --tuples-only --no-align --dbname=postgres --command="select replace(encode(convert_to(datname, 'utf8'), 'base64'), E'\n', '') from pg_database where datallowconn and not datistemplate order by 1") ||
      {
        fail "PostgreSQL doesn't answer. Do: systemctl status postgresql"
        return
      }
    while read -r name; do databases+=("$(base64 --decode <<<"$name")"); done <<<"$names"
  fi
  archive archives/database "postgresql-$(uname --nodename)-roles" .sql.zst read_roles dump_roles
  for name in "${databases[@]}"; do
    archive archives/database "postgresql-$(uname --nodename)-$(escape_name "$name")" .dump read_dump dump_database "$name"
  done
}

# With no terminal, and in the process group that watched kills.
as_postgres() {
  (cd / && timeout --foreground --kill-after=10 6h setpriv --reuid=postgres --regid=postgres --init-groups -- "$@" </dev/null)
}

dump_roles() {
  as_postgres pg_dumpall --no-password --globals-only | zstd --quiet --stdout
}

# Its last line tells that it is whole.
read_roles() {
  zstd --quiet --decompress --stdout | tail --lines=5 | grep --fixed-strings 'PostgreSQL database cluster dump complete'
}

# By the environment, since an argument with = in it would be a connection.
dump_database() {
  as_postgres env PGDATABASE="$1" pg_dump --no-password --format=custom
}

# All of it, not just its list of contents.
read_dump() {
  pg_restore --file=-
}

# escape_name NAME: for a file's name.
escape_name() {
  printf '%s' "$1" | jq --raw-input --slurp --raw-output '@uri'
}

development() {
  local source reason
  local -a sources
  split "$DEVELOPMENT_SOURCES" sources
  if ((${#sources[@]} == 0)); then
    log info "no folders to copy (DEVELOPMENT_SOURCES)"
    return
  fi
  ready development || return 0
  for source in "${sources[@]}"; do
    check_source "$source" || continue
    log info "${dry_run:+would be }copying $source"
    watched copy "$source" || fail "$source is not copied, or not all of it. Do: look at the lines before this one; $here/storage-health.sh"
  done
  reason=''
  [[ -n $now_is ]] || look_at_clock removed
  watched forget_removed || fail "what was kept aside for long cannot be deleted"
}

# An empty folder, or one that its filesystem is not mounted at, would empty the copy.
check_source() {
  local point escaped
  [[ ${1##*/} != .removed && ${1##*/} != .copies ]] || {
    fail "$1 is not copied: its name is one of ours at the cold tier"
    return 1
  }
  [[ -d $1 && ! -L $1 ]] || {
    fail "there is no folder $1, so its copy stays as it is"
    return 1
  }
  [[ -n $(find "$1" -mindepth 1 -print -quit) ]] || {
    fail "$1 is empty, so its copy stays as it is. Do: take it out of automation.developmentFolders"
    return 1
  }
  escaped=$(escape_mount "$1")
  while read -r _ point _; do
    [[ $point != / && $escaped/ == "$point"/* ]] || continue
    [[ -n $(mount_entry "$(printf %b "$point")") ]] || {
      fail "$point is not mounted, so the copy of $1 stays as it is. Do: mount $point"
      return 1
    }
  done < <(grep '^[^#]' /etc/fstab)
}

# claim SOURCE TARGET: whether TARGET is SOURCE's copy, of this host, as a file beside it says; an empty one becomes it. What
# others put there would count as deleted.
claim() {
  local claims=${2%/*}/.copies ours whose found
  local claim=$claims/${2##*/}
  ours="$(uname --nodename):$(printf %q "$1")"
  whose=$(first_line "$claim")
  [[ $whose != "$ours" ]] || return 0
  if [[ -n $whose ]]; then
    log error "$2 is the copy of $whose. Do: rename one of the folders; or, where that copy is given up: rm ${claim@Q}"
    return 1
  fi
  if [[ -d $2 ]] && found=$(find "$2" -mindepth 1 -print -quit) && [[ -n $found ]]; then
    log error "$2 has what no copy of ours put there, such as $(printf %q "${found##*/}"); it would be deleted. Do: move it away; or, where it is the copy of $1: mkdir --parents ${claims@Q}; echo ${ours@Q} >${claim@Q}"
    return 1
  fi
  [[ -n $dry_run ]] || { mkdir --parents -- "$claims" && write_whole "$claim" <<<"$ours"; }
}

# What is replaced or deleted is moved aside, on the same filesystem.
copy() {
  local target=$COLD_ROOT/development/${1##*/} aside=$COLD_ROOT/development/.removed/$stamp/${1##*/} result=0
  [[ ! -L $target ]] || {
    log error "$target is a symbolic link"
    return 1
  }
  claim "$1" "$target" || return 1
  [[ -n $dry_run ]] || mkdir --parents -- "$target"
  rsync --archive --hard-links --numeric-ids --one-file-system --delete-delay --backup --backup-dir="$aside" ${dry_run:+--dry-run --itemize-changes} -- "$1/" "$target/" >&2 || result=$?
  # 24: files that went away meanwhile, in a folder that is worked in.
  ((result == 0 || result == 24))
}

# forget_removed: `reason` is why nothing may go for its age.
forget_removed() {
  local path oldest
  oldest=$(stamp_of $((now - DEVELOPMENT_KEPT_DAYS * 86400)))
  for path in "$COLD_ROOT"/development/.removed/*; do
    [[ ${path##*/} =~ ^[0-9]{8}T[0-9]{6}Z$ && -d $path && ! -L $path && ${path##*/} < $oldest ]] || continue
    [[ -z $reason ]] || {
      log warning "$path, kept aside, stays in this run: $reason"
      continue
    }
    [[ -n $dry_run ]] || rm --recursive --force --one-file-system -- "$path"
    log info "${dry_run:+would have }deleted $path, kept aside for $DEVELOPMENT_KEPT_DAYS days"
  done
}

# Age is that of the data where the partition key has a time, else that of the last write. ClickHouse copies, and lets go
# of the old parts only when the new ones are there; a partition that is partly there is moved again.
OLD_PARTITIONS="
SELECT DISTINCT parts.database AS database, parts.table AS table, parts.partition_id AS id
FROM system.parts AS parts
INNER JOIN system.tables AS tables ON tables.database = parts.database AND tables.name = parts.table
INNER JOIN system.storage_policies AS policies ON policies.policy_name = tables.storage_policy AND policies.volume_name = 'cold'
WHERE parts.active
GROUP BY parts.database, parts.table, parts.partition_id
HAVING max(if(toUnixTimestamp(parts.max_time) > 86400, parts.max_time, if(toUInt16(parts.max_date) > 1, toDateTime(parts.max_date), parts.modification_time))) < now() - toIntervalDay(DAYS)
  AND countIf(NOT has(policies.disks, parts.disk_name)) > 0
ORDER BY database, table, id
FORMAT JSONEachRow"

clickhouse() {
  local found partition
  ! absent clickhouse-client || return 0
  # ClickHouse writes there, not we; a disk on an unmounted point would fill the root disk.
  local reason
  reason=$(cold_answers) || {
    fail "ClickHouse moves nothing: $reason. Do: $here/storage-health.sh"
    return
  }
  found=$(bounded 300 clickhouse-client --query "${OLD_PARTITIONS/DAYS/$CLICKHOUSE_TO_COLD_AFTER_DAYS}") ||
    {
      fail "ClickHouse doesn't answer. Do: systemctl status clickhouse-server; clickhouse-client --query 'SELECT 1'"
      return
    }
  while IFS= read -r partition; do
    [[ -n $partition ]] || continue
    if [[ -n $dry_run ]]; then
      log info "would move the partition $partition"
    elif watched clickhouse-client --query "$(jq --raw-output '
      def name: gsub("\\\\"; "\\\\") | gsub("`"; "\\`") | "`\(.)`";
      "ALTER TABLE \(.database | name).\(.table | name) MOVE PARTITION ID \u0027\(.id)\u0027 TO VOLUME \u0027cold\u0027"' <<<"$partition")"; then
      log info "moved the partition $partition"
    else
      fail "the partition $partition is not moved. Do: look at the lines before this one, and at ClickHouse's log"
    fi
  done <<<"$found"
}

main "$@"
