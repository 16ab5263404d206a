#!/usr/bin/env bash
set -euo pipefail
here=$(dirname -- "$(readlink --canonicalize -- "${BASH_SOURCE[0]}")")
lib=$here/lib
[[ -d $lib ]] || lib=$here
# shellcheck source=scripts/lib/tiers.sh
source "$lib/tiers.sh"

print_help() {
  cat <<'HELP'
usage: storage-health.sh [--json | --prometheus] [--save] [--settings FILE]

Looks at the usage of each tier, the volume group and its snapshots, the error counters of btrfs, the NAS, the last
results of our timers and failed mounts, the age of the newest backups, what the disks do, and SMART. Says what is wrong
and what to do. Changes nothing, and waits for nothing that hangs: each look has a limit in time.

  --json           prints one JSON document, as docs/storage-health.schema.json describes it
  --prometheus     prints metrics for the textfile collector of Prometheus's node exporter
  --save           also writes both, each in one step: STATE_FOLDER/health.json, and METRICS_FOLDER/jts-storage.prom
                   where that folder is there; the timer's service does
  --settings FILE  in place of /etc/jts-storage/tiers.env; root's or yours, and nobody else's to write

Levels:
  warning   usage or a snapshot's fill above USAGE_WARNING_PERCENT; too little room for snapshots; a timer that is gone or
            stopped, or whose last run failed; a failed mount unit; a newest backup older than BACKUP_WARNING_HOURS, or
            none in so long; a worn disk
  critical  usage or a snapshot's fill above USAGE_CRITICAL_PERCENT; a tier that isn't mounted, is another one, or doesn't
            answer; a lost snapshot; device errors of btrfs; a disk that says it is failing

Settings (those of the tiers are told by tiered-storage.sh --help):
  USAGE_WARNING_PERCENT, USAGE_CRITICAL_PERCENT  80 and 90
  SNAPSHOT_RESERVE_BYTES  what must be free in VOLUME_GROUP, or be a snapshot's
  TIMERS                  names of timers, separated by colons
  BACKUP_WARNING_HOURS    36; 0: the age of backups doesn't matter
  BUDGET_SECONDS          180: after so long no further look is made, and the report is critical
  BACKUP_VOLUMES          VOLUME=BYTES, separated by colons: those that must have backups
  METRICS_FOLDER          /var/lib/prometheus/node-exporter

Exit status: 0 ok · 1 warning · 2 critical · 3 wrong usage or settings, or --save could not write
HELP
}

# One finding at the same index of each.
levels=() subjects=() facts=() remedies=()
# Figures, six words each: name, value, label and its value, another label and its value; a label may be empty.
figures=()

# 2 is what critical findings are told by.
WRONG_USAGE=3

main() {
  local settings=/etc/jts-storage/tiers.env settings_are=default form='' save=''
  while (($#)); do
    case $1 in
      --help)
        print_help
        exit
        ;;
      --json | --prometheus)
        [[ -z $form || $form == "$1" ]] || refuse "one form at a time, not $form and $1"
        form=$1
        ;;
      --save) save=yes ;;
      --settings)
        [[ -n ${2-} ]] || refuse "$1 needs a file"
        settings=$2 settings_are=given
        shift
        ;;
      *) refuse "there is no $1" ;;
    esac
    shift
  done
  read_settings "$settings" "$settings_are" || exit 3
  # Well within the unit's own limit, which would leave no report.
  BUDGET_SECONDS=${BUDGET_SECONDS:-180}

  look_at_tiers
  look_at_volume_group
  look_at_timers
  look_at_backups
  look_at_activity
  look_at_disks
  if ((SECONDS >= BUDGET_SECONDS)); then
    report critical look "the looks took $SECONDS s, so those after the first $BUDGET_SECONDS s were not made, and say that nothing answers" "mend what is above, from the first on; then: $0"
  fi

  local document
  document=$(print_json)
  case $form in
    --json) printf '%s\n' "$document" ;;
    --prometheus) print_metrics <<<"$document" ;;
    *) print_text ;;
  esac
  [[ -z $save ]] || save "$document" || exit 3
  exit "$(worst)"
}

# report ok|warning|critical SUBJECT FACT [REMEDY]
report() {
  levels+=("$1") subjects+=("$2") facts+=("$3") remedies+=("${4-}")
}

# figure NAME VALUE [LABEL VALUE [LABEL VALUE]]: a number for those who keep them over time; METRICS tells what each is.
figure() {
  figures+=("$1" "$2" "${3-}" "${4-}" "${5-}" "${6-}")
}

worst() {
  case " ${levels[*]} " in *' critical '*) echo 2 ;; *' warning '*) echo 1 ;; *) echo 0 ;; esac
}

print_text() {
  local index names=(ok warning critical)
  for index in "${!levels[@]}"; do
    printf '%-8s  %-12s  %s\n' "${levels[index]}" "${subjects[index]}" "${facts[index]}"
    [[ -z ${remedies[index]} ]] || printf '%-8s  %-12s  → %s\n' '' '' "${remedies[index]}"
  done
  printf 'storage is %s\n' "${names[$(worst)]}"
}

# Words travel to jq as they are, each ended by NUL.
print_json() {
  local index
  {
    printf '%s\0' "$(date --utc +%FT%TZ)" "$(uname --nodename)" "$(worst)" "${#levels[@]}"
    for index in "${!levels[@]}"; do printf '%s\0' "${levels[index]}" "${subjects[index]}" "${facts[index]}" "${remedies[index]}"; done
    ((${#figures[@]} == 0)) || printf '%s\0' "${figures[@]}"
    # jq 1.6 drops a final NUL, and later ones don't.
    printf end
  } | jq --raw-input --slurp '
    def groups($size): . as $all | [range(0; length; $size) | $all[. : . + $size]];
    split("\u0000")[:-1] | (.[3] | tonumber * 4) as $words
    | {version: 1, at: .[0], host: .[1], level: (["ok", "warning", "critical"][.[2] | tonumber]),
       findings: (.[4 : 4 + $words] | groups(4) | map({level: .[0], subject: .[1], fact: .[2]} + if .[3] == "" then {} else {remedy: .[3]} end)),
       figures: (.[4 + $words :] | groups(6) | map({name: .[0], value: (.[1] | tonumber),
         labels: ([{key: .[2], value: .[3]}, {key: .[4], value: .[5]}] | map(select(.key != "")) | from_entries)}))}'
}

# What each figure is, for HELP and TYPE of the metric; all are gauges.
METRICS='{
  "level": "What the whole is: 0 ok, 1 warning, 2 critical.",
  "checked_timestamp_seconds": "When this was looked at.",
  "findings": "How many findings have this level.",
  "tier_writable": "Whether it is not mounted read-only, by hand or by the kernel after an error.",
  "filesystem_errors": "Errors that ext4 counted since its last check.",
  "tier_answers": "Whether the right filesystem is mounted there and answers.",
  "tier_size_bytes": "Size of the filesystem.",
  "tier_used_bytes": "What is used of it.",
  "tier_used_percent": "What is used of it, of what users may have, as df(1) tells.",
  "tier_inodes_used_percent": "What is used of its inodes.",
  "btrfs_device_errors": "Errors of all kinds that btrfs has counted on the device.",
  "volume_group_size_bytes": "Size of the volume group.",
  "volume_group_free_bytes": "What of it no volume has.",
  "snapshot_fill_percent": "How full a snapshot is; at 100 it is lost.",
  "timer_active": "Whether the timer waits for its time.",
  "timer_last_run_timestamp_seconds": "When the timer last started its service.",
  "timer_next_run_timestamp_seconds": "When it will next.",
  "service_succeeded": "Whether the last run of the service succeeded, or there was none yet.",
  "backup_age_seconds": "Age of the newest backup archive of a volume that has its checksum beside it.",
  "disk_reads_per_second": "Over the second of the look.",
  "disk_writes_per_second": "Over the second of the look.",
  "disk_read_bytes_per_second": "Over the second of the look.",
  "disk_written_bytes_per_second": "Over the second of the look.",
  "disk_busy_percent": "Share of the second of the look in which the disk had something to do.",
  "disk_passes": "Whether SMART says that the disk passes its own test."
}'

# The JSON document on standard input as metrics, each family together, as the text format wants it.
print_metrics() {
  jq --raw-output --argjson metrics "$METRICS" '
    def escaped: gsub("\\\\"; "\\\\") | gsub("\""; "\\\"") | gsub("\n"; "\\n");
    [{name: "level", labels: {}, value: ({ok: 0, warning: 1, critical: 2}[.level])},
     {name: "checked_timestamp_seconds", labels: {}, value: (.at | fromdate)}]
    + [("ok", "warning", "critical") as $level | {name: "findings", labels: {level: $level}, value: ([.findings[] | select(.level == $level)] | length)}]
    + .figures
    | . as $all | $metrics | to_entries[] | .key as $name
    | [$all[] | select(.name == $name)] | select(length > 0)
    | "# HELP jts_storage_\($name) \($metrics[$name])", "# TYPE jts_storage_\($name) gauge",
      (.[] | "jts_storage_\($name)\(.labels | to_entries | map("\(.key)=\"\(.value | escaped)\"") | if length == 0 then "" else "{" + join(",") + "}" end) \(.value)")'
}

# save DOCUMENT
save() {
  make_state_folder || return 1
  write_whole "$STATE_FOLDER/health.json" <<<"$1" || {
    log error "cannot write $STATE_FOLDER/health.json; this needs root"
    return 1
  }
  # Whoever has no node exporter has no such folder.
  [[ -d $METRICS_FOLDER ]] || return 0
  print_metrics <<<"$1" | write_whole "$METRICS_FOLDER/jts-storage.prom" || {
    log error "cannot write $METRICS_FOLDER/jts-storage.prom"
    return 1
  }
}

look_at_tiers() {
  local -a hot
  local point reason
  split "$HOT_MOUNTS" hot
  for point in "${hot[@]}"; do
    if [[ -n $(mount_entry "$point") ]]; then
      look_at_usage hot "$point" "find what grew: du --one-file-system --human-readable --max-depth=2 $point; move old logs: $here/tiered-storage.sh migrate"
    else
      figure tier_answers 0 tier hot mount_point "$point"
      report critical hot "nothing is mounted at $point" "mount $point; if that fails: lvs; journalctl --boot --grep=$point"
    fi
  done

  if [[ -n $WARM_MOUNT ]]; then
    if reason=$(prove_mount "$WARM_MOUNT" '' "$WARM_LABEL"); then
      look_at_usage warm "$WARM_MOUNT" "$here/tiered-storage.sh cleanup; $here/tiered-storage.sh migrate"
      look_at_btrfs
    else
      figure tier_answers 0 tier warm mount_point "$WARM_MOUNT"
      report critical warm "$reason" "mount $WARM_MOUNT; if that fails: lsblk --fs; dmesg --level=err,warn"
    fi
  fi

  if [[ -n $COLD_MOUNT ]]; then
    if reason=$(prove_mount "$COLD_MOUNT" "$COLD_SOURCE" ''); then
      look_at_usage cold "$COLD_MOUNT" "free space on the NAS, $COLD_SOURCE, or give its volume more" "$(nas_remedy)"
    else
      figure tier_answers 0 tier cold mount_point "$COLD_MOUNT"
      report critical cold "$reason" "$(nas_remedy)"
    fi
  fi
}

# look_at_usage TIER POINT REMEDY [REMEDY-WHERE-IT-HANGS]
look_at_usage() {
  local used total percent inodes level=ok what
  if ! read -r used total percent inodes < <(usage_of "$2"); then
    figure tier_answers 0 tier "$1" mount_point "$2"
    report critical "$1" "$2 does not answer within $PROBE_SECONDS s" "${4:-look for a failing disk: dmesg --level=err,warn}"
    return
  fi
  figure tier_answers 1 tier "$1" mount_point "$2"
  look_at_mount "$1" "$2"
  figure tier_size_bytes "$total" tier "$1" mount_point "$2"
  figure tier_used_bytes "$used" tier "$1" mount_point "$2"
  figure tier_used_percent "$percent" tier "$1" mount_point "$2"
  figure tier_inodes_used_percent "$inodes" tier "$1" mount_point "$2"
  for what in "$percent" "$inodes"; do
    if above "$what" "$USAGE_CRITICAL_PERCENT"; then
      level=critical
    elif [[ $level == ok ]] && above "$what" "$USAGE_WARNING_PERCENT"; then
      level=warning
    fi
  done
  [[ $level != ok ]] || set -- "$1" "$2" ''
  report "$level" "$1" "$2: $percent % of $(human "$total") used, $inodes % of its inodes" "$3"
}

# look_at_mount TIER POINT: the kernel makes a filesystem read-only after an error; reads still succeed then.
look_at_mount() {
  local id by device type count
  read -r id device type _ < <(mount_entry "$2") || return 0
  by=$(awk -v id="$id" '
    $1 == id {
      for (i = 7; $i != "-"; i++) { }
      print "," $(i + 3) "," ~ /,ro,/ ? "filesystem" : "," $6 "," ~ /,ro,/ ? "mount" : "writable"
    }' /proc/self/mountinfo)
  figure tier_writable "$([[ $by == writable ]] && echo 1 || echo 0)" tier "$1" mount_point "$2"
  case $by in
    filesystem) report critical "$1" "$2 is read-only: the kernel does so after an error" "dmesg --level=err,crit,warn; look at its disk; then unmount, check and mount it: umount $2; fsck; mount $2" ;;
    mount) report critical "$1" "$2 is mounted read-only" "where nobody wants it so: mount --options remount,rw $2; then: pulumi up --refresh" ;;
  esac
  [[ $type == ext4 ]] || return 0
  device=$(readlink --canonicalize -- "/sys/dev/block/$device")
  count=$(first_line "/sys/fs/ext4/${device##*/}/errors_count")
  [[ $count =~ ^[0-9]+$ ]] || return 0
  figure filesystem_errors "$count" tier "$1" mount_point "$2"
  ((count == 0)) || report warning "$1" "$2: ext4 counted $count errors since it was checked last" "dmesg --level=err,warn; umount $2; e2fsck -f /dev/${device##*/}; mount $2"
}

# Where the server answers, the fault is here or in its export; else it is in the network or the NAS.
nas_remedy() {
  local server=${COLD_SOURCE%%:/*}
  server=${server#[} server=${server%]}
  # shellcheck disable=SC2016  # The inner shell expands it.
  if bounded "$PROBE_SECONDS" bash -c ': >"/dev/tcp/$1/2049"' probe "$server" 2>/dev/null; then
    echo "$server answers on port 2049: showmount --exports $server; mount $COLD_MOUNT"
  else
    echo "$server does not answer on port 2049: ping $server; look at the NAS; what waits for it goes on when it is back"
  fi
}

# The kernel's counters, which no ailing device can make hang.
look_at_btrfs() {
  local source type folder counters name count errors='' sum=0 used total
  read -r _ _ type source < <(mount_entry "$WARM_MOUNT")
  [[ $type == btrfs ]] || return 0
  source=$(readlink --canonicalize -- "$source")
  for folder in /sys/fs/btrfs/*/; do [[ -e ${folder}devices/${source##*/} ]] && break; done
  if [[ ! -e ${folder}devices/${source##*/} ]]; then
    report warning btrfs "could not look at the counters of $source" "btrfs device stats $WARM_MOUNT"
    return
  fi
  for counters in "$folder"devinfo/*/error_stats; do
    [[ -r $counters ]] || {
      errors+=" unreadable"
      continue
    }
    while read -r name count; do
      ((count == 0)) || errors+=" $name=$count" sum=$((sum + count))
    done <"$counters"
  done
  figure btrfs_device_errors "$sum" mount_point "$WARM_MOUNT"
  if [[ -n $errors ]]; then
    report critical btrfs "device errors of $source:$errors" "btrfs scrub start $WARM_MOUNT; smartctl --all $source; replace the disk, then: btrfs device stats --reset $WARM_MOUNT"
  else
    report ok btrfs "no device errors of $source"
  fi
  # It runs out of metadata before df shows it, once all of the device is allocated.
  read -r used <"${folder}allocation/metadata/bytes_used"
  read -r total <"${folder}allocation/metadata/total_bytes"
  if above "$((used * 100 / (total + 1)))" "$USAGE_CRITICAL_PERCENT" && (($(unallocated "$folder") < 1 << 30)); then
    report critical btrfs "metadata of $WARM_MOUNT is nearly full, and nothing is left to allocate" "btrfs balance start -dusage=20 $WARM_MOUNT; $here/tiered-storage.sh cleanup"
  fi
}

# unallocated FOLDER: bytes of the devices that no block group has; FOLDER is that of the filesystem in /sys/fs/btrfs.
unallocated() {
  local bytes=0 file count
  for file in "$1"devices/*/size; do
    read -r count <"$file"
    bytes=$((bytes + count * 512))
  done
  for file in "$1"allocation/{data,metadata,system}/disk_total; do
    read -r count <"$file"
    bytes=$((bytes - count))
  done
  echo "$bytes"
}

look_at_volume_group() {
  local answer size free missing snapshots name percent level
  [[ -n $VOLUME_GROUP ]] || return 0
  if ! answer=$(bounded 10 vgs --reportformat json --units b --nosuffix --options vg_size,vg_free,vg_missing_pv_count -- "$VOLUME_GROUP") ||
    ! read -r size free missing < <(jq --raw-output '.report[0].vg[0] | "\(.vg_size) \(.vg_free) \(.vg_missing_pv_count // 0)"' <<<"$answer") ||
    ! answer=$(bounded 10 lvs --binary --reportformat json --units b --nosuffix --options lv_name,origin,lv_size,snap_percent,lv_snapshot_invalid -- "$VOLUME_GROUP") ||
    ! snapshots=$(jq --raw-output '.report[0].lv | map(select(.origin != "") | .lv_size | tonumber) | add // 0' <<<"$answer"); then
    report critical lvm "could not look at the volume group $VOLUME_GROUP" "vgs $VOLUME_GROUP; pvs; dmesg --level=err,warn"
    return
  fi
  figure volume_group_size_bytes "$size" volume_group "$VOLUME_GROUP"
  figure volume_group_free_bytes "$free" volume_group "$VOLUME_GROUP"
  ((missing == 0)) || report critical lvm "$VOLUME_GROUP lacks $missing of its physical volumes: a disk has left" "pvs; lsblk; look at its cable and power; dmesg --level=err,warn; never vgreduce --removemissing while data is wanted"
  if ((free + snapshots < ${SNAPSHOT_RESERVE_BYTES:-1})); then
    report warning lvm "$VOLUME_GROUP: $(human "$free") of $(human "$size") free, too little for snapshots" "lvs $VOLUME_GROUP; remove what is not declared, or add a disk"
  else
    report ok lvm "$VOLUME_GROUP: $(human "$free") of $(human "$size") free, $(human "$snapshots") in snapshots"
  fi
  while IFS=$'\t' read -r name percent level; do
    figure snapshot_fill_percent "$percent" volume_group "$VOLUME_GROUP" snapshot "$name"
    case $level in
      invalid) report critical lvm "snapshot $name is full, so what it holds is lost" "lvremove $VOLUME_GROUP/$name; make the next one larger" ;;
      critical | warning) report "$level" lvm "snapshot $name is $percent % full; at 100 % it is lost" "copy it off, then: lvremove $VOLUME_GROUP/$name; or: lvextend --size +1G $VOLUME_GROUP/$name" ;;
      *) report ok lvm "snapshot $name is $percent % full" ;;
    esac
  done < <(jq --raw-output --arg warning "$USAGE_WARNING_PERCENT" --arg critical "$USAGE_CRITICAL_PERCENT" '
    .report[0].lv[] | select(.origin != "") | (.snap_percent | tonumber? // 0) as $fill
    | [.lv_name, $fill,
       if (.lv_snapshot_invalid | tostring) == "1" or $fill >= 100 then "invalid"
       elif $fill > ($critical | tonumber) then "critical"
       elif $fill > ($warning | tonumber) then "warning"
       else "ok" end] | @tsv' <<<"$answer")
}

look_at_timers() {
  local -a units
  local unit answer property value load active last next result exit_status
  split "$TIMERS" units
  for unit in "${units[@]}"; do
    if ! answer=$(bounded 10 systemctl show --property=LoadState,ActiveState -- "$unit.timer"); then
      report warning timers "could not look at $unit.timer" "systemctl status $unit.timer"
      continue
    fi
    load='' active='' result='' exit_status=''
    while IFS='=' read -r property value; do
      case $property in LoadState) load=$value ;; ActiveState) active=$value ;; esac
    done <<<"$answer"
    figure timer_active "$([[ $load == loaded && $active == active ]] && echo 1 || echo 0)" timer "$unit"
    if [[ $load != loaded ]]; then
      report warning timers "there is no $unit.timer" "pulumi up --refresh"
      continue
    elif [[ $active != active ]]; then
      report warning timers "$unit.timer is $active, so it starts nothing" "systemctl enable --now $unit.timer"
      continue
    fi
    # Our own last result is only what we found last time.
    [[ $unit != storage-health ]] || continue
    answer=$(bounded 10 systemctl show --property=Result,ExecMainStatus -- "$unit.service") || answer=''
    while IFS='=' read -r property value; do
      case $property in Result) result=$value ;; ExecMainStatus) exit_status=$value ;; esac
    done <<<"$answer"
    figure service_succeeded "$([[ $result == success ]] && echo 1 || echo 0)" service "$unit"
    if [[ $result == success ]]; then
      report ok timers "$unit: its last run succeeded, or there was none yet"
    else
      report warning timers "$unit: its last run failed (${result:-unknown}, status ${exit_status:-unknown})" "journalctl --unit=$unit.service --lines=50; systemctl start $unit.service"
    fi
  done

  [[ -n $TIMERS ]] || return 0
  # Of those without a time, such as the next one while the service runs, there is no figure.
  answer=$(bounded 10 systemctl list-timers --all --output=json -- "${units[@]/%/.timer}") || answer='[]'
  while IFS=$'\t' read -r unit last next; do
    ((last == 0)) || figure timer_last_run_timestamp_seconds "$last" timer "$unit"
    ((next == 0)) || figure timer_next_run_timestamp_seconds "$next" timer "$unit"
  done < <(jq --raw-output '.[] | [(.unit | rtrimstr(".timer")), (.last / 1000000 | floor), (.next / 1000000 | floor)] | @tsv' <<<"$answer" 2>/dev/null)

  # What failed of what a tier stands on; others' failures are others' to report.
  local -a points patterns
  local point
  split "$HOT_MOUNTS" points
  for point in "$WARM_MOUNT" "$COLD_MOUNT"; do [[ -z $point ]] || points+=("$point"); done
  [[ -z $LOG_SOURCES_ROOT ]] || points+=("$LOG_SOURCES_ROOT/*")
  read -ra patterns < <(systemd-escape --path --suffix=mount -- "${points[@]}" 2>/dev/null) || true
  # The tree's star is one again; other backslashes would quote what follows.
  patterns=("${patterns[@]//'\x2a'/'*'}")
  patterns=("${patterns[@]//\\/\\\\}")
  if ! answer=$(bounded 10 systemctl list-units --state=failed --plain --no-legend --full -- "${patterns[@]}" 'systemd-fsck@*' 'lvm2-*'); then
    report warning units "failed units cannot be listed" "systemctl --failed"
    return
  fi
  while read -r unit _; do
    [[ -z $unit ]] || report warning units "$unit has failed" "systemctl status '$unit'; once it is mended: systemctl reset-failed '$unit'"
  done <<<"$answer"
}

# The archives that lvm-backup.sh makes. One without its checksum beside it is one that was never finished.
look_at_backups() {
  local found volume stamp age level since
  local -a volumes
  local -A archived=()
  local remedy="journalctl --unit=lvm-backup.service --lines=50; systemctl start lvm-backup.service"
  [[ -n $WARM_MOUNT && -n $(mount_entry "$WARM_MOUNT") ]] || return 0
  # Where the folder isn't there or doesn't answer, the warm tier says so.
  found=$(bounded "$PROBE_SECONDS" find "$WARM_MOUNT/daily-backups" -xdev -type f -regextype posix-extended -regex '.*/[A-Za-z0-9+_.-]+-[0-9]{8}T[0-9]{6}Z\.tar\.zst(\.sha256)?' -printf '%f\n' 2>/dev/null) || return 0
  while read -r volume stamp; do
    age=$(($(date +%s) - $(date --utc --date="${stamp:0:4}-${stamp:4:2}-${stamp:6:2} ${stamp:9:2}:${stamp:11:2}:${stamp:13:2}" +%s))) || continue
    figure backup_age_seconds "$age" volume "$volume"
    archived[$volume]=yes
    if ((age < -3600)); then
      report warning backups "the newest archive of $volume is of a time to come" "timedatectl; once the clock is right: systemctl start lvm-backup.service, and move that archive away"
      continue
    fi
    level=ok
    ((BACKUP_WARNING_HOURS == 0 || age <= BACKUP_WARNING_HOURS * 3600)) || level=warning
    report "$level" backups "the newest good archive of $volume is $((age / 3600)) h old" "$([[ $level == ok ]] || echo "$remedy")"
  done < <(awk '
    /\.sha256$/ { good[substr($0, 1, length($0) - 7)] = 1; next }
    { archives[$0] = 1 }
    END {
      for (name in archives) if (name in good) {
        stamp = substr(name, length(name) - 23, 16); volume = substr(name, 1, length(name) - 25)
        if (stamp > newest[volume]) newest[volume] = stamp
      }
      for (volume in newest) print volume, newest[volume]
    }' <<<"$found" | sort)
  # A host that is just made has none yet; where the filesystem can't tell since when the folder is there, it is old.
  ((BACKUP_WARNING_HOURS > 0)) || return 0
  since=$(bounded "$PROBE_SECONDS" stat --format=%W -- "$WARM_MOUNT/daily-backups") || return 0
  (($(date +%s) - since > BACKUP_WARNING_HOURS * 3600)) || return 0
  split "$BACKUP_VOLUMES" volumes
  for volume in "${volumes[@]%%=*}"; do
    [[ -n ${archived[$volume]-} ]] || report warning backups "there is no good archive of $volume" "$remedy"
  done
}

# What the disks do just now; no amount of it is a fault.
look_at_activity() {
  local answer disk reads writes read_bytes written_bytes busy
  command -v iostat >/dev/null || {
    report ok disks "not looked at: there is no iostat (package sysstat)"
    return
  }
  answer=$(bounded 10 iostat -y -d -x -k -o JSON 1 1) || {
    report warning disks "iostat does not answer within 10 s" "iostat -x 1 2"
    return
  }
  while IFS=$'\t' read -r disk reads writes read_bytes written_bytes busy; do
    figure disk_reads_per_second "$reads" disk "$disk"
    figure disk_writes_per_second "$writes" disk "$disk"
    figure disk_read_bytes_per_second "$read_bytes" disk "$disk"
    figure disk_written_bytes_per_second "$written_bytes" disk "$disk"
    figure disk_busy_percent "$busy" disk "$disk"
    report ok disks "$disk: $reads reads/s ($(human "${read_bytes%.*}")/s), $writes writes/s ($(human "${written_bytes%.*}")/s), busy $busy %"
  done < <(jq --raw-output '
    .sysstat.hosts[0].statistics[-1].disk[] | select(.disk_device | test("^(loop|ram|zram|sr|fd|dm-)") | not)
    | [.disk_device, .["r/s"], .["w/s"], .["rkB/s"] * 1024, .["wkB/s"] * 1024, .util] | @tsv' <<<"$answer" 2>/dev/null)
}

look_at_disks() {
  local disks disk type answer state
  if ! command -v smartctl >/dev/null; then
    report ok smart "not looked at: there is no smartctl (package smartmontools)"
    return
  fi
  disks=$(bounded 10 lsblk --nodeps --noheadings --raw --paths --output NAME,TYPE) || {
    report warning smart "the disks cannot be listed" "lsblk"
    return
  }
  while read -r disk type; do
    [[ $type == disk && $disk != /dev/zram* ]] || continue
    # Its exit status is a set of bits that is rarely 0; what it says counts. A sleeping disk is not woken.
    answer=$(bounded 10 smartctl --json --health --attributes --nocheck=standby -- "$disk") || true
    state=$(jq --raw-output '
      if .smart_status.passed == false or (.nvme_smart_health_information_log.critical_warning // 0) != 0 then "critical failing"
      elif (.nvme_smart_health_information_log.percentage_used // 0) > 90 then "warning worn"
      elif .smart_status.passed == true then "ok passed"
      else "ok unknown" end' <<<"$answer" 2>/dev/null) || state='ok unknown'
    case $state in *unknown) ;; critical*) figure disk_passes 0 disk "${disk#/dev/}" ;; *) figure disk_passes 1 disk "${disk#/dev/}" ;; esac
    case $state in
      critical*) report critical smart "$disk says that it is failing" "smartctl --all $disk; copy its data off and replace it" ;;
      warning*) report warning smart "$disk has used more than 90 % of its rated writes" "smartctl --all $disk; plan its replacement" ;;
      *passed) report ok smart "$disk passed" ;;
      *) report ok smart "$disk tells nothing, asleep or without SMART" ;;
    esac
  done <<<"$disks"
}

main "$@"
