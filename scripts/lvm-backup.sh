#!/usr/bin/env bash
set -euo pipefail
here=$(dirname -- "$(readlink --canonicalize -- "${BASH_SOURCE[0]}")")
lib=$here/lib
[[ -d $lib ]] || lib=$here
# shellcheck source=scripts/lib/tiers.sh
source "$lib/tiers.sh"

print_help() {
  cat <<'HELP'
usage: lvm-backup.sh create [VOLUME…] | daily [VOLUME…] | cleanup | all | list | verify [ARCHIVE…] [OPTION…]
       lvm-backup.sh restore ARCHIVE --to FOLDER [OPTION…]
       lvm-backup.sh restore ARCHIVE --to-volume NAME [--size SIZE] [--filesystem ext4|xfs] [OPTION…]

  create   makes a snapshot of each volume, to go back to within days
  daily    archives each volume from a snapshot of its own to warm's daily-backups, with a checksum
  cleanup  removes our snapshots and archives that are older than they are kept
  all      daily, then cleanup, whatever fails
  list     prints archives, on warm and cold, and snapshots
  verify   compares archives with their checksums, and reads them to their end
  restore  unpacks an archive into a folder that has no files, or a new volume; never over something

  --dry-run        says what a run would do, and changes nothing
  --json           for list
  --size SIZE      of the new volume, as lvcreate(8) takes it; left out: the original's. So is --filesystem
  --now TIME       in place of the clock, as date(1) takes it
  --settings FILE  in place of /etc/jts-storage/tiers.env; root's or yours, and nobody else's to write
  --lock FILE      in place of /run/jts-storage-backup.lock; snapshots are mounted at FILE.mount, seen by this run alone

Settings (those of the tiers are told by tiered-storage.sh --help):
  BACKUP_VOLUMES     VOLUME=BYTES, separated by colons: what is backed up, and the size of its snapshot, which is what may
                     change while it is read
  BACKUPS_KEPT_DAYS  7

An archive goes when it is older than BACKUPS_KEPT_DAYS and as many newer ones of its volume are there. Where there is a
cold tier, the first of each week stays until tiered-storage.sh moves it there. Snapshots go by the clock alone, so that
none goes in a first run, after a week without any, or after a clock that went back, unless --now is given.

Exit status: 0 all well · 1 something failed or is away; the log says what and what to do · 2 wrong usage or settings ·
75 another run holds the lock
HELP
}

# What is ours in LVM is what has one of these tags: a snapshot that stays, one of a run, a volume that is being restored.
TAG_KEPT=jts-backup.kept TAG_DAILY=jts-backup.daily TAG_RESTORING=jts-backup.restoring
TEMPORARY=.jts-backup-
UNFINISHED=.jts-restore-unfinished
ARCHIVE='^([A-Za-z0-9_+.][A-Za-z0-9_+.-]*)-[0-9]{8}T[0-9]{6}Z\.tar\.zst$'

main() {
  local action='' settings=/etc/jts-storage/tiers.env settings_are=default now=''
  lock=/run/jts-storage-backup.lock dry_run='' json='' folder='' volume='' size='' filesystem=''
  arguments=()
  while (($#)); do
    case $1 in
      --help)
        print_help
        exit
        ;;
      --dry-run) dry_run=yes ;;
      --json) json=yes ;;
      --settings | --lock | --now | --to | --to-volume | --size | --filesystem)
        [[ -n ${2-} ]] || refuse "$1 needs a value"
        case $1 in
          --settings) settings=$2 settings_are=given ;;
          --lock) lock=$2 ;;
          --now) now=$2 ;;
          --to) folder=$2 ;;
          --to-volume) volume=$2 ;;
          --size) size=$2 ;;
          --filesystem) filesystem=$2 ;;
        esac
        shift
        ;;
      create | daily | cleanup | all | list | verify | restore)
        if [[ -z $action ]]; then action=$1; else arguments+=("$1"); fi
        ;;
      -*) refuse "there is no $1" ;;
      *) arguments+=("$1") ;;
    esac
    shift
  done
  [[ -n $action ]] || refuse "a subcommand is missing"
  read_settings "$settings" "$settings_are" || exit 2
  now_is=${now:+given}
  now=$(date --date="${now:-now}" +%s) || refuse "--now takes a time as date(1) does"
  stamp=$(stamp_of "$now")
  check_arguments "$action"

  status=0 snapshot='' temporary='' restoring=''
  backups=$WARM_MOUNT/daily-backups archived=$COLD_ROOT/archives/database mount_point=${lock%.lock}.mount
  if [[ -n $dry_run ]]; then
    # What would happen is what was asked for, so it is the output.
    exec 2>&1
  elif [[ $action != list && $action != verify ]]; then
    take_lock "$lock" || exit
    # Archives hold what only their services may read.
    umask 077
    at_end undo
    remove_leftovers
  fi
  case $action in
    create) create ;;
    daily) daily ;;
    cleanup) cleanup ;;
    all)
      daily
      cleanup
      ;;
    list) list ;;
    verify) verify ;;
    restore) restore ;;
  esac
  exit "$status"
}

check_arguments() {
  local one
  local -a volumes
  case $1 in
    create | daily)
      split "$BACKUP_VOLUMES" volumes
      for one in "${arguments[@]}"; do [[ " ${volumes[*]%%=*} " == *" $one "* ]] || refuse "$one is none of the volumes that are backed up (${volumes[*]%%=*})"; done
      ;;
    verify | restore)
      for one in "${arguments[@]}"; do [[ $one =~ $ARCHIVE ]] || refuse "$one is no archive's name, as list prints them"; done
      ;;
    *) ((${#arguments[@]} == 0)) || refuse "$1 takes no ${arguments[0]}" ;;
  esac
  if [[ $1 == restore ]]; then
    ((${#arguments[@]} == 1)) || refuse "restore takes one archive"
    [[ (-n $folder && -z $volume) || (-z $folder && -n $volume) ]] || refuse "restore needs one of --to and --to-volume"
    [[ -z $folder || $folder == /* ]] || refuse "--to needs an absolute path"
    [[ -z $volume || $volume =~ ^[A-Za-z0-9_+.][A-Za-z0-9_+.-]*$ ]] || refuse "$volume is no name of a volume"
    [[ -z $filesystem || $filesystem == ext4 || $filesystem == xfs ]] || refuse "--filesystem is ext4 or xfs"
  fi
  [[ $1 != restore || -z $volume || -n $VOLUME_GROUP ]] || refuse "this host has no volume group to restore a volume in"
}

# What this run must not leave behind, however it ends.
# shellcheck disable=SC2317  # The trap calls it.
undo() {
  [[ -z $temporary ]] || rm --force -- "$temporary" "$temporary.sha256"
  [[ -z $snapshot ]] || remove_volume "$snapshot" "$TAG_DAILY" || true
  [[ -z $restoring ]] || remove_volume "$restoring" "$TAG_RESTORING" || true
}

# What a run that was killed left behind: we have its lock, so it is no more. Its mounts went with it.
remove_leftovers() {
  local name tag path
  if [[ -n $VOLUME_GROUP && (-n $BACKUP_VOLUMES || -n $volume) ]]; then
    look_at_volumes || return 0
    while read -r name tag; do
      remove_volume "$name" "$tag" || fail "$VOLUME_GROUP/$name is left of a run that was cut off, and cannot be removed. Do: lvremove $VOLUME_GROUP/$name"
    done < <(jq --raw-output --arg daily "$TAG_DAILY" --arg restoring "$TAG_RESTORING" '.[] | .name as $name | .tags[] | select(. == $daily or . == $restoring) | "\($name) \(.)"' <<<"$volumes_seen")
  fi
  [[ -n $WARM_MOUNT ]] && prove_mount "$WARM_MOUNT" '' "$WARM_LABEL" >/dev/null || return 0
  find "$backups" -maxdepth 1 -type f -name "$TEMPORARY*" -delete
  # A checksum gets its name just before its archive does. On cold it may be about one that was moved already.
  for path in "$backups"/*.tar.zst.sha256; do
    name=${path##*/}
    name=${name%.sha256}
    [[ $name =~ $ARCHIVE && -f $path && ! -e ${path%.sha256} ]] || continue
    if [[ -z $COLD_MOUNT ]] || { cold_answers >/dev/null && [[ ! -e $archived/$name ]]; }; then rm --force -- "$path"; fi
  done
}

# Sets volumes_seen: name, origin, bytes, fill in percent, invalid, tags of each.
look_at_volumes() {
  local answer
  if ! answer=$(bounded 60 lvs --binary --reportformat json --units b --nosuffix --options lv_name,origin,lv_size,snap_percent,lv_snapshot_invalid,lv_tags -- "$VOLUME_GROUP") ||
    ! volumes_seen=$(jq '[.report[0].lv[] | {name: .lv_name, origin, bytes: (.lv_size | tonumber), fillPercent: (.snap_percent | tonumber? // 0), invalid: ((.lv_snapshot_invalid | tostring) == "1"), tags: (.lv_tags / "," - [""])}]' <<<"$answer"); then
    fail "the volume group $VOLUME_GROUP cannot be looked at. Do: vgs; pvs; dmesg --level=err,warn"
    return 1
  fi
}

# seen NAME FILTER: what jq's FILTER makes of that volume; status 1 where there is none.
seen() {
  jq --exit-status --raw-output --arg name "$1" "first(.[] | select(.name == \$name)) | $2" <<<"$volumes_seen"
}

# remove_volume NAME TAG: only where it has our tag still.
remove_volume() {
  lvremove --quiet --yes --select "lv_name=$1 && lv_tags={$2}" -- "$VOLUME_GROUP" </dev/null >&2
}

create() {
  local name
  for name in $(chosen_volumes); do
    make_snapshot "$name" kept "$TAG_KEPT" || continue
    [[ -n $dry_run ]] || log info "made $VOLUME_GROUP/${name}_kept_$stamp"
  done
}

# Those that were named, or all; they have no spaces in their names.
chosen_volumes() {
  local -a volumes
  split "$BACKUP_VOLUMES" volumes
  ((${#volumes[@]})) || log info "no volumes to back up (BACKUP_VOLUMES)"
  if ((${#arguments[@]})); then printf '%s\n' "${arguments[@]}"; else printf '%s\n' "${volumes[@]%%=*}"; fi
}

# make_snapshot VOLUME KIND TAG: sets filesystem_seen.
make_snapshot() {
  local bytes=:$BACKUP_VOLUMES: origin name=$1_$2_$stamp
  bytes=${bytes#*":$1="} bytes=${bytes%%:*}
  look_at_volumes || return
  origin=$(seen "$1" .origin) || {
    fail "there is no volume $VOLUME_GROUP/$1. Do: pulumi up --refresh"
    return 1
  }
  [[ -z $origin ]] || {
    fail "$VOLUME_GROUP/$1 is a snapshot itself"
    return 1
  }
  filesystem_seen=$(bounded 60 blkid --probe --match-tag TYPE --output value -- "/dev/$VOLUME_GROUP/$1") || {
    fail "the filesystem of $VOLUME_GROUP/$1 cannot be told"
    return 1
  }
  # btrfs takes a copy of a device for the device itself.
  [[ $filesystem_seen == ext4 || $filesystem_seen == xfs ]] || {
    fail "$VOLUME_GROUP/$1 has $filesystem_seen, of which no snapshot by LVM is safe. Do: leave it out of automation.backupVolumes"
    return 1
  }
  if [[ -n $dry_run ]]; then
    log info "would make the snapshot $VOLUME_GROUP/$name of $(human "$bytes")"
    return
  fi
  # Not bounded: killed halfway, the volume would stay suspended.
  lvcreate --quiet --yes --snapshot --permission rw --size "${bytes}b" --name "$name" --addtag "$3" -- "$VOLUME_GROUP/$1" </dev/null >&2 ||
    {
      fail "no snapshot of $VOLUME_GROUP/$1. Do: $0 cleanup; vgs $VOLUME_GROUP"
      return 1
    }
}

daily() {
  local name reason
  if [[ -n $BACKUP_VOLUMES ]]; then
    reason=$(prove_mount "$WARM_MOUNT" '' "$WARM_LABEL") || {
      fail "nothing archived: $reason. Do: mount $WARM_MOUNT"
      return
    }
    [[ -d $backups && ! -L $backups ]] || {
      fail "there is no folder $backups. Do: pulumi up --refresh"
      return
    }
  fi
  for name in $(chosen_volumes); do archive "$name"; done
}

# The snapshot can be written to, so that the filesystem replays its log though it is mounted read-only: what a crash at
# that moment would leave is what is archived. norecovery (noload) would leave out what is in the log alone.
# Nobody else sees the mount, and it goes with the last of us; what others unmount is not kept by us.
# shellcheck disable=SC2016  # The inner shell expands it.
READ_SNAPSHOT='
mount --types "$1" --options "$2" -- "$3" "$4" && cd -- "$4" &&
exec tar --create --file=- --one-file-system --format=posix --numeric-owner --acls --xattrs --xattrs-include="*" --sparse .'

archive() {
  local sum='' options=ro target=$backups/$1-$stamp.tar.zst
  if [[ -e $target || -L $target ]]; then
    fail "$target is there already"
    return
  fi
  snapshot=$1_daily_$stamp
  if ! make_snapshot "$1" daily "$TAG_DAILY"; then
    snapshot=''
    return
  elif [[ -n $dry_run ]]; then
    snapshot=''
    log info "would archive it as $target"
    return
  fi
  temporary=$backups/$TEMPORARY$1-$stamp
  [[ $filesystem_seen != xfs ]] || options=ro,nouuid
  mkdir --parents -- "$mount_point"
  sum=$(unshare --mount --propagation slave -- bash -c "$READ_SNAPSHOT" read-snapshot "$filesystem_seen" "$options" "/dev/$VOLUME_GROUP/$snapshot" "$mount_point" | zstd --quiet --stdout | tee -- "$temporary" | sha256sum) || sum=''
  # Asked after all was read: what was read before it filled up is right, and what is not seen to be whole is not.
  if ! look_at_volumes; then
    fail "$1 is not archived: whether its snapshot is whole cannot be told"
  elif [[ $(seen "$snapshot" '.invalid or .fillPercent >= 100') != false ]]; then
    fail "$1 is not archived: its snapshot of $(human "$(seen "$snapshot" .bytes)") filled up meanwhile. Do: give it more in automation.backupVolumes"
  elif [[ -z $sum ]] || ! publish_archive "$temporary" "$target" "${sum%% *}" read_tar; then
    fail "$1 is not archived; is there room on $WARM_MOUNT? Do: $here/storage-health.sh"
  else
    log info "archived $VOLUME_GROUP/$1 as $target ($(stat --format=%s -- "$target") bytes)"
  fi
  rm --force -- "$temporary" "$temporary.sha256"
  temporary=''
  remove_volume "$snapshot" "$TAG_DAILY" || fail "the snapshot $VOLUME_GROUP/$snapshot cannot be removed; the next run tries again"
  snapshot=''
}

cleanup() {
  local name reason='' path volume is_full
  local -a volumes
  split "$BACKUP_VOLUMES" volumes
  if ((${#volumes[@]})) && look_at_volumes; then
    reason=''
    [[ -n $now_is ]] || look_at_clock snapshots
    while read -r name is_full; do
      if [[ -n $reason && $is_full == false ]]; then
        log warning "the snapshot $VOLUME_GROUP/$name stays in this run: $reason"
        continue
      elif [[ -z $dry_run ]]; then
        remove_volume "$name" "$TAG_KEPT" || {
          fail "the snapshot $VOLUME_GROUP/$name cannot be removed. Do: findmnt --source /dev/$VOLUME_GROUP/$name; fuser /dev/$VOLUME_GROUP/$name"
          continue
        }
      fi
      log info "${dry_run:+would have }removed the snapshot $VOLUME_GROUP/$name"
    done < <(jq --raw-output --arg tag "$TAG_KEPT" --argjson oldest "$((now - BACKUPS_KEPT_DAYS * 86400))" '
      .[] | select(.tags | index($tag)) | select(.invalid or (.name | capture("_(?<stamp>[0-9]{8}T[0-9]{6}Z)$").stamp | strptime("%Y%m%dT%H%M%SZ") | mktime) < $oldest) | "\(.name) \(.invalid)"' <<<"$volumes_seen")
  fi
  [[ -n $WARM_MOUNT ]] || return 0
  reason=$(prove_mount "$WARM_MOUNT" '' "$WARM_LABEL") || {
    fail "no archives deleted: $reason. Do: mount $WARM_MOUNT"
    return
  }
  for volume in "${volumes[@]%%=*}"; do
    # They have no spaces in their names.
    for path in $(expired_archives "$backups" "$volume" .tar.zst "$BACKUPS_KEPT_DAYS" "$BACKUPS_KEPT_DAYS" "$now" "${COLD_MOUNT:+weekly}"); do
      # The archive first: a checksum alone is a leftover.
      [[ -n $dry_run ]] || rm --force -- "$backups/$path" "$backups/$path.sha256" || {
        fail "$backups/$path cannot be deleted"
        continue
      }
      log info "${dry_run:+would have }deleted $backups/$path"
    done
  done
}

# Prints JSON lines: name, bytes, tier, folder, hasChecksum of each archive that can be seen. A checksum may be on the other
# tier: what moves to cold moves one after the other.
archives() {
  look_at_archives | jq --slurp --compact-output 'map(select(.checksumOf).checksumOf) as $sums
    | .[] | select(.name) | .hasChecksum = (.name as $name | $sums | index($name) != null)'
}

look_at_archives() {
  local reason
  if [[ -n $WARM_MOUNT ]]; then
    if reason=$(prove_mount "$WARM_MOUNT" '' "$WARM_LABEL"); then archives_in warm "$backups"; else fail "warm is not looked at: $reason. Do: mount $WARM_MOUNT"; fi
  fi
  if [[ -n $COLD_MOUNT ]]; then
    if reason=$(cold_answers); then archives_in cold "$archived"; else fail "cold is not looked at: $reason. Do: $here/storage-health.sh"; fi
  fi
  # What a subshell found wrong must be told by its status.
  return "$status"
}

archives_in() {
  [[ -d $2 ]] || return 0
  bounded 60 find "$2" -maxdepth 1 -type f -regextype posix-extended -regex '.*\.tar\.zst(\.sha256)?' -printf '%f\t%s\n' | jq --raw-input --null-input --compact-output --arg tier "$1" --arg folder "$2" --arg ours "$ARCHIVE" '
    inputs / "\t" | .[0] as $name
    | if $name | endswith(".sha256") then {checksumOf: ($name | rtrimstr(".sha256"))}
      elif $name | test($ours) then {name: $name, volume: ($name | sub("-[^-]*$"; "")), bytes: (.[1] | tonumber), tier: $tier, folder: $folder}
      else empty end'
}

list() {
  local found snapshots='[]'
  found=$(archives) || status=1
  if [[ -n $VOLUME_GROUP ]] && look_at_volumes; then
    snapshots=$(jq --arg kept "$TAG_KEPT" --arg daily "$TAG_DAILY" '[.[] | select(.tags | index($kept) or index($daily)) | {name, volume: .origin, bytes, fillPercent, invalid}]' <<<"$volumes_seen")
  fi
  found=$(jq --slurp --argjson snapshots "$snapshots" '{archives: sort_by(.volume, .name), snapshots: $snapshots}' <<<"$found")
  if [[ -n $json ]]; then
    printf '%s\n' "$found"
  else
    jq --raw-output '(.archives[] | "archive   \(.tier)  \(.name)  \(.bytes) bytes\(if .hasChecksum then "" else "  WITHOUT A CHECKSUM" end)"), (.snapshots[] | "snapshot  hot   \(.name)  \(.fillPercent) % full\(if .invalid then "  LOST" else "" end)")' <<<"$found"
  fi
}

# copies_of NAME: the paths of that archive; a move that was cut off leaves it on warm and cold.
copies_of() {
  (archives || true) | jq --raw-output --slurp --exit-status --arg name "$1" 'map(select(.name == $name) | "\(.folder)/\(.name)") | if . == [] then empty else .[] end'
}

# checksum_of PATH: the path of its checksum, beside it or on the other tier.
checksum_of() {
  local name=${1##*/}.sha256
  if [[ -f $1.sha256 ]]; then
    echo "$1.sha256"
  elif [[ ${1%/*} != "$backups" && -n $WARM_MOUNT && -f $backups/$name ]] && prove_mount "$WARM_MOUNT" '' "$WARM_LABEL" >/dev/null; then
    echo "$backups/$name"
  elif [[ ${1%/*} != "$archived" && -n $COLD_MOUNT ]] && cold_answers >/dev/null && [[ -f $archived/$name ]]; then
    echo "$archived/$name"
  else
    return 1
  fi
}

# check_sum PATH: whether it is what its checksum says; prints why not.
check_sum() {
  local wanted found sum
  sum=$(checksum_of "$1") || {
    echo "$1 has no checksum, neither beside it nor on the other tier"
    return 1
  }
  read -r wanted _ <"$sum" || {
    echo "$sum cannot be read"
    return 1
  }
  found=$(sha256sum <"$1") || {
    echo "$1 cannot be read"
    return 1
  }
  [[ ${found%% *} == "$wanted" ]] || {
    echo "$1 is not what its checksum says: it is damaged"
    return 1
  }
}

verify() {
  local path found reason
  if ((${#arguments[@]})); then
    found=$(for path in "${arguments[@]}"; do copies_of "$path" || echo "missing $path"; done)
  else
    found=$(archives | jq --raw-output '"\(.folder)/\(.name)"') || status=1
  fi
  while IFS= read -r path; do
    case $path in
      '') ;;
      'missing '*) fail "there is no archive ${path#missing }. Do: $0 list" ;;
      *)
        reason=$(check_sum "$path") || {
          fail "$reason"
          continue
        }
        if read_tar <"$path" >/dev/null; then echo "ok  $path"; else fail "$path cannot be unpacked, though it is as it was written"; fi
        ;;
    esac
  done <<<"$found"
}

# shellcheck disable=SC2016  # The inner shell expands it.
UNPACK='cd -- "$1" && exec tar --extract --file=- --numeric-owner --same-owner --same-permissions --acls --xattrs --xattrs-include="*"'

restore() {
  local path found reason
  found=$(copies_of "${arguments[0]}") || {
    fail "there is no archive ${arguments[0]}. Do: $0 list"
    return
  }
  while IFS= read -r path; do
    reason=$(check_sum "$path") || {
      log warning "$reason"
      continue
    }
    if [[ -n $folder ]]; then restore_to_folder "$path"; else restore_to_volume "$path"; fi
    return
  done <<<"$found"
  fail "no copy of ${arguments[0]} is good. Do: $0 list, and restore another one"
}

restore_to_folder() {
  local found unfinished
  [[ ! -L $folder ]] || {
    fail "$folder is a symbolic link"
    return
  }
  if [[ -e $folder ]]; then
    [[ -d $folder ]] || {
      fail "$folder is no folder"
      return
    }
    # One that we didn't finish is ours to finish, with the same archive: of another one files would stay.
    unfinished=$(first_line "$folder/$UNFINISHED")
    if [[ $unfinished != "${1##*/}" ]]; then
      found=$(find "$folder" -mindepth 1 ! -type d ! -name "$UNFINISHED" -print -quit) || {
        fail "$folder cannot be looked through"
        return
      }
      [[ -z $found || -z $unfinished ]] || {
        fail "$folder has an unfinished restore of $unfinished. Do: finish that one, or restore to another folder"
        return
      }
      [[ -z $found ]] || {
        fail "$folder has files in it, such as $(printf %q "$found"). Do: move them away, or restore to another folder"
        return
      }
    fi
  fi
  if [[ -n $dry_run ]]; then
    log info "would restore $1 to $folder"
    return
  fi
  # On the device before anything else of it is.
  if mkdir --parents -- "$folder" && write_whole "$folder/$UNFINISHED" <<<"${1##*/}" && sync -- "$folder" &&
    zstd --quiet --decompress --stdout <"$1" | bash -c "$UNPACK" unpack "$folder" && sync --file-system -- "$folder" &&
    rm -- "$folder/$UNFINISHED"; then
    log info "restored $1 to $folder"
  else
    fail "$folder is not whole, as its file $UNFINISHED tells. Do: look for room in it, and run this again"
  fi
}

restore_to_volume() {
  local bytes original device=/dev/$VOLUME_GROUP/$volume
  look_at_volumes || return 0
  ! seen "$volume" .name >/dev/null || {
    fail "there is a volume $VOLUME_GROUP/$volume already. Do: choose another name"
    return
  }
  [[ ${arguments[0]} =~ $ARCHIVE ]]
  original=${BASH_REMATCH[1]}
  if [[ -z $size ]]; then
    bytes=$(seen "$original" .bytes) || {
      fail "there is no $VOLUME_GROUP/$original to take the size from. Do: give --size"
      return
    }
    size=${bytes}b
  fi
  [[ -n $filesystem ]] || filesystem=$(bounded 60 blkid --probe --match-tag TYPE --output value -- "/dev/$VOLUME_GROUP/$original") || true
  [[ $filesystem == ext4 || $filesystem == xfs ]] || {
    fail "there is no filesystem of $VOLUME_GROUP/$original to take the type from. Do: give --filesystem"
    return
  }
  if [[ -n $dry_run ]]; then
    log info "would restore $1 to a new volume $VOLUME_GROUP/$volume of $size, $filesystem"
    return
  fi
  restoring=$volume
  if ! lvcreate --quiet --yes --wipesignatures y --size "$size" --name "$volume" --addtag "$TAG_RESTORING" -- "$VOLUME_GROUP" </dev/null >&2; then
    restoring=''
    fail "no volume $VOLUME_GROUP/$volume. Do: vgs $VOLUME_GROUP"
    return
  fi
  mkdir --parents -- "$mount_point"
  # shellcheck disable=SC2016  # The inner shell expands it.
  if "mkfs.$filesystem" -q -- "$device" </dev/null >&2 &&
    zstd --quiet --decompress --stdout <"$1" | unshare --mount --propagation slave -- bash -c 'mount --types "$1" -- "$2" "$3" && bash -c "$4" unpack "$3" && umount -- "$3"' restore "$filesystem" "$device" "$mount_point" "$UNPACK" &&
    lvchange --quiet --deltag "$TAG_RESTORING" -- "$VOLUME_GROUP/$volume" </dev/null >&2; then
    log info "restored $1 to $VOLUME_GROUP/$volume, which is not mounted"
    restoring=''
  else
    fail "$1 is not restored; is there room in $size?"
  fi
}

main "$@"
