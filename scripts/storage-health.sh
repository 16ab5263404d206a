#!/usr/bin/env bash
set -euo pipefail
here=$(dirname -- "$(readlink --canonicalize -- "${BASH_SOURCE[0]}")")
lib=$here/lib
[[ -d $lib ]] || lib=$here
# shellcheck source=scripts/lib/tiers.sh
source "$lib/tiers.sh"

print_help() {
  cat <<'HELP'
usage: storage-health.sh [--settings FILE]

Looks at the usage of each tier, the volume group and its snapshots, the error counters of btrfs, the NAS, the last
results of our timers, and SMART. Says what is wrong and what to do. Changes nothing, and waits for nothing that hangs.

  --settings FILE  in place of /etc/jts-storage/tiers.env; root's or yours, and nobody else's to write

Exit status: 0 ok · 1 warning · 2 critical · 3 wrong usage or settings
HELP
}

# One finding at the same index of each.
levels=() subjects=() facts=() remedies=()

main() {
  local settings=/etc/jts-storage/tiers.env settings_are=default
  while (($#)); do
    case $1 in
      --help) print_help; exit ;;
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

  look_at_tiers
  look_at_volume_group
  look_at_timers
  look_at_disks
  print_text
  exit "$(worst)"
}

refuse() {
  log error "$1; see --help"
  exit 3
}

# report ok|warning|critical SUBJECT FACT [REMEDY]
report() {
  levels+=("$1") subjects+=("$2") facts+=("$3") remedies+=("${4-}")
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

look_at_tiers() {
  local -a hot
  local point reason
  split "$HOT_MOUNTS" hot
  for point in "${hot[@]}"; do
    if [[ -n $(mount_entry "$point") ]]; then
      look_at_usage hot "$point" "find what grew: du --one-file-system --human-readable --max-depth=2 $point; move old logs: $here/tiered-storage.sh migrate"
    else
      report critical hot "nothing is mounted at $point" "mount $point; if that fails: lvs; journalctl --boot --grep=$point"
    fi
  done

  if [[ -n $WARM_MOUNT ]]; then
    if reason=$(prove_mount "$WARM_MOUNT" '' "$WARM_LABEL"); then
      look_at_usage warm "$WARM_MOUNT" "$here/tiered-storage.sh cleanup; $here/tiered-storage.sh migrate"
      look_at_btrfs
    else
      report critical warm "$reason" "mount $WARM_MOUNT; if that fails: lsblk --fs; dmesg --level=err,warn"
    fi
  fi

  if [[ -n $COLD_MOUNT ]]; then
    if reason=$(prove_mount "$COLD_MOUNT" "$COLD_SOURCE" ''); then
      look_at_usage cold "$COLD_MOUNT" "free space on the NAS, $COLD_SOURCE, or give its volume more" "$(nas_remedy)"
    else
      report critical cold "$reason" "$(nas_remedy)"
    fi
  fi
}

# look_at_usage TIER POINT REMEDY [REMEDY-WHERE-IT-HANGS]
look_at_usage() {
  local used total percent inodes level=ok what
  if ! read -r used total percent inodes < <(usage_of "$2"); then
    report critical "$1" "$2 does not answer within $PROBE_SECONDS s" "${4:-look for a failing disk: dmesg --level=err,warn}"
    return
  fi
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
  local source type folder counters name count errors='' used total
  read -r _ _ type source < <(mount_entry "$WARM_MOUNT")
  [[ $type == btrfs ]] || return 0
  source=$(readlink --canonicalize -- "$source")
  for folder in /sys/fs/btrfs/*/; do [[ -e ${folder}devices/${source##*/} ]] && break; done
  if [[ ! -e ${folder}devices/${source##*/} ]]; then
    report warning btrfs "could not look at the counters of $source" "btrfs device stats $WARM_MOUNT"
    return
  fi
  for counters in "$folder"devinfo/*/error_stats; do
    [[ -r $counters ]] || { errors+=" unreadable"; continue; }
    while read -r name count; do
      ((count == 0)) || errors+=" $name=$count"
    done <"$counters"
  done
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
  local answer size free snapshots name percent level
  [[ -n $VOLUME_GROUP ]] || return 0
  if ! answer=$(bounded 10 vgs --reportformat json --units b --nosuffix --options vg_size,vg_free -- "$VOLUME_GROUP") ||
    ! read -r size free < <(jq --raw-output '.report[0].vg[0] | "\(.vg_size) \(.vg_free)"' <<<"$answer") ||
    ! answer=$(bounded 10 lvs --binary --reportformat json --units b --nosuffix --options lv_name,origin,lv_size,snap_percent,lv_snapshot_invalid -- "$VOLUME_GROUP") ||
    ! snapshots=$(jq --raw-output '.report[0].lv | map(select(.origin != "") | .lv_size | tonumber) | add // 0' <<<"$answer"); then
    report critical lvm "could not look at the volume group $VOLUME_GROUP" "vgs $VOLUME_GROUP; pvs; dmesg --level=err,warn"
    return
  fi
  if ((free + snapshots < ${SNAPSHOT_RESERVE_BYTES:-1})); then
    report warning lvm "$VOLUME_GROUP: $(human "$free") of $(human "$size") free, too little for snapshots" "lvs $VOLUME_GROUP; remove what is not declared, or add a disk"
  else
    report ok lvm "$VOLUME_GROUP: $(human "$free") of $(human "$size") free, $(human "$snapshots") in snapshots"
  fi
  while IFS=$'\t' read -r name percent level; do
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
  local unit answer property value load active result exit_status
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
    if [[ $result == success ]]; then
      report ok timers "$unit: its last run succeeded, or there was none yet"
    else
      report warning timers "$unit: its last run failed (${result:-unknown}, status ${exit_status:-unknown})" "journalctl --unit=$unit.service --lines=50; systemctl start $unit.service"
    fi
  done
}

look_at_disks() {
  local disks disk type answer state
  if ! command -v smartctl >/dev/null; then
    report ok smart "not looked at: there is no smartctl (package smartmontools)"
    return
  fi
  disks=$(bounded 10 lsblk --nodeps --noheadings --raw --paths --output NAME,TYPE) || { report warning smart "the disks cannot be listed" "lsblk"; return; }
  while read -r disk type; do
    [[ $type == disk && $disk != /dev/zram* ]] || continue
    # Its exit status is a set of bits that is rarely 0; what it says counts. A sleeping disk is not woken.
    answer=$(bounded 10 smartctl --json --health --attributes --nocheck=standby -- "$disk") || true
    state=$(jq --raw-output '
      if .smart_status.passed == false or (.nvme_smart_health_information_log.critical_warning // 0) != 0 then "critical failing"
      elif (.nvme_smart_health_information_log.percentage_used // 0) > 90 then "warning worn"
      elif .smart_status.passed == true then "ok passed"
      else "ok unknown" end' <<<"$answer" 2>/dev/null) || state='ok unknown'
    case $state in
      critical*) report critical smart "$disk says that it is failing" "smartctl --all $disk; copy its data off and replace it" ;;
      warning*) report warning smart "$disk has used more than 90 % of its rated writes" "smartctl --all $disk; plan its replacement" ;;
      *passed) report ok smart "$disk passed" ;;
      *) report ok smart "$disk tells nothing, asleep or without SMART" ;;
    esac
  done <<<"$disks"
}

main "$@"
