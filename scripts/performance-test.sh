#!/usr/bin/env bash
set -euo pipefail
here=$(dirname -- "$(readlink --canonicalize -- "${BASH_SOURCE[0]}")")
lib=$here/lib
[[ -d $lib ]] || lib=$here
# shellcheck source=scripts/lib/tiers.sh
source "$lib/tiers.sh"

print_help() {
  cat <<'HELP'
usage: performance-test.sh [--quick] [--tier hot|warm|cold]... [--json] [--dry-run] [--settings FILE] [--lock FILE]

Measures each tier with fio: 1 MiB blocks one after another (8 at a time), and 4 KiB blocks at random (32 at a time),
written and read past the page cache; for cold that is the throughput of the NAS and the network. Compares with the last
run of the same size, in per cent, and keeps the figures. It loads the disks: run it when the services can bear that.

Of the hot tier the mount with most free space is measured; of cold the folder that is ours.

  --quick          64 MiB and 5 s for each test, in place of 4 GiB and 30 s
  --tier TIER      that tier alone; may be repeated
  --json           prints one JSON document in place of the table: "at", "size" (quick or full), "bytes", and "tiers":
                   for each "tier", "path" and "problem" (null: measured), and "tests" by name (sequentialWrite,
                   sequentialRead, randomWrite, randomRead), each with "bytesPerSecond", "operationsPerSecond",
                   "p99Microseconds" and "changePercent" of the bytes per second (null: nothing to compare with)
  --dry-run        says what would be measured where, and writes nothing
  --settings FILE  in place of /etc/jts-storage/tiers.env; root's or yours, and nobody else's to write
  --lock FILE      in place of /run/jts-storage-performance.lock

A tier is refused where its mount isn't proved, or where the test would leave it above USAGE_WARNING_PERCENT or with less
than twice the test's size free. The test's file lies in a folder .jts-performance-… of its own at the top of what is
measured, and is removed whatever happens; what a killed run left, the next one removes.

Settings: HOT_MOUNTS, WARM_MOUNT, WARM_LABEL, COLD_MOUNT, COLD_SOURCE, COLD_ROOT, USAGE_WARNING_PERCENT, PROBE_SECONDS,
and STATE_FOLDER (/var/lib/jts-storage), where performance.json keeps the last run of each size.

Exit status: 0 all measured · 1 some tier could not be measured; the log says why · 2 wrong usage or settings · 75 another
run holds the lock
HELP
}

NAME=jts-performance.fio
scratch=''

main() {
  local settings=/etc/jts-storage/tiers.env settings_are=default lock=/run/jts-storage-performance.lock size=full json='' dry_run='' tiers=''
  while (($#)); do
    case $1 in
      --help)
        print_help
        exit
        ;;
      --quick) size=quick ;;
      --json) json=yes ;;
      --dry-run) dry_run=yes ;;
      --tier)
        case ${2-} in hot | warm | cold) tiers+=" $2" ;; *) refuse "$1 needs hot, warm or cold" ;; esac
        shift
        ;;
      --settings | --lock)
        [[ -n ${2-} ]] || refuse "$1 needs a file"
        if [[ $1 == --lock ]]; then lock=$2; else settings=$2 settings_are=given; fi
        shift
        ;;
      *) refuse "there is no $1" ;;
    esac
    shift
  done
  read_settings "$settings" "$settings_are" || exit 2
  [[ -n $dry_run ]] || command -v fio >/dev/null || refuse "there is no fio. Do: apt-get install fio"

  local bytes=$((4 << 30)) seconds=30 limit tier path problem tests result results=() document
  [[ $size == full ]] || bytes=$((64 << 20)) seconds=5
  # Before it measures, fio writes the whole file once; a tier that writes less than 4 MiB/s fails.
  limit=$((4 * seconds + 60 + (bytes >> 22)))
  if [[ -z $dry_run ]]; then
    take_lock "$lock" || exit
    at_end clean_up
  fi
  for tier in ${tiers:-hot warm cold}; do
    path=$(place_of "$tier")
    [[ -n $path ]] || continue
    tests=null
    if problem=$(reason_against "$tier" "$path" "$bytes"); then
      log warning "$tier is not measured: $problem"
    elif [[ -n $dry_run ]]; then
      echo "would measure $tier at $path with $(human "$bytes"), at most $limit s"
    else
      log info "measuring $tier at $path, at most $limit s"
      make_scratch "$path"
      # Not in a subshell, so that a signal is heard at once.
      bounded "$limit" fio --output-format=json --filename="$NAME" --size="$bytes" --runtime="$seconds" --direct=1 --ioengine=libaio --end_fsync=1 \
        --name=sequentialWrite --stonewall --rw=write --bs=1M --iodepth=8 --name=sequentialRead --stonewall --rw=read --bs=1M --iodepth=8 \
        --name=randomWrite --stonewall --rw=randwrite --bs=4k --iodepth=32 --name=randomRead --stonewall --rw=randread --bs=4k --iodepth=32 >"$answer" || true
      tests=$(jq --compact-output '
        .jobs | if length == 4 and all(.error == 0) then . else error("failed") end
        | map({key: .jobname, value: (if .jobname | endswith("Write") then .write else .read end
            | {bytesPerSecond: .bw_bytes, operationsPerSecond: .iops, p99Microseconds: ((.clat_ns.percentile["99.000000"] // 0) / 1000)})}) | from_entries' "$answer" 2>/dev/null) ||
        {
          tests=null problem="fio failed or did not end within $limit s. Do: $here/storage-health.sh"
          log warning "$tier is not measured: $problem"
        }
      clean_up
    fi
    result=$(jq --null-input --arg tier "$tier" --arg path "$path" --arg problem "$problem" --argjson tests "$tests" '{tier: $tier, path: $path, problem: (if $problem == "" then null else $problem end), tests: $tests}')
    results+=("$result")
  done
  ((${#results[@]})) || refuse "the settings have no such tier"

  local failed
  failed=$(jq --slurp 'map(select(.problem != null)) | length' <<<"${results[*]}")
  if [[ -z $dry_run ]]; then
    document=$(jq --slurp --arg at "$(date --utc +%FT%TZ)" --arg size "$size" --argjson bytes "$bytes" --argjson last "$(last_run "$size")" '
      {version: 1, at: $at, size: $size, bytes: $bytes, comparedWith: $last.at, tiers: map(. as $tier
        | ([$last.tiers // [] | .[] | select(.tier == $tier.tier and .path == $tier.path)][0].tests // {}) as $before
        | if .tests == null then . else .tests |= with_entries(.key as $test | .value.bytesPerSecond as $now
            | .value.changePercent = ($before[$test].bytesPerSecond // 0 | if . == 0 then null else (($now / . - 1) * 1000 | round) / 10 end)) end)}' <<<"${results[*]}")
    if [[ -n $json ]]; then printf '%s\n' "$document"; else print_text <<<"$document"; fi
    keep "$document" "$size" || exit 1
  fi
  ((failed == 0)) || exit 1
}

# place_of TIER: the folder to measure it in; nothing where the host has no such tier.
place_of() {
  local -a points
  local point used total free most=-1 best=''
  case $1 in
    warm) printf %s "$WARM_MOUNT" ;;
    cold) printf %s "$COLD_ROOT" ;;
    hot)
      split "$HOT_MOUNTS" points
      for point in "${points[@]}"; do
        [[ -n $best ]] || best=$point
        if [[ -z $(mount_entry "$point") ]] || ! read -r used total _ < <(usage_of "$point"); then continue; fi
        free=$((total - used))
        ((free <= most)) || most=$free best=$point
      done
      printf %s "$best"
      ;;
  esac
}

# reason_against TIER PATH BYTES: why it can't be measured there; status 1 where it can.
reason_against() {
  local reason used total percent
  case $1 in
    hot) [[ -n $(mount_entry "$2") ]] || {
      echo "nothing is mounted at $2. Do: mount $2"
      return
    } ;;
    warm) reason=$(prove_mount "$WARM_MOUNT" '' "$WARM_LABEL") || {
      echo "$reason. Do: mount $WARM_MOUNT"
      return
    } ;;
    cold) reason=$(prove_mount "$COLD_MOUNT" "$COLD_SOURCE" '') || {
      echo "$reason. Do: mount $COLD_MOUNT"
      return
    } ;;
  esac
  read -r used total percent _ < <(usage_of "$2") || {
    echo "$2 does not answer. Do: $here/storage-health.sh"
    return
  }
  if ((total - used < 2 * $3)) || above "$percent" "$USAGE_WARNING_PERCENT" || above "$(((used + $3) * 100 / total))" "$USAGE_WARNING_PERCENT"; then
    echo "$2 has too little room for $(human "$3"): $percent % of $(human "$total") used. Do: $0 --quick, or make room"
    return
  fi
  return 1
}

# make_scratch PATH: a folder of ours there, and goes into it. What runs there names its file without a path, since whoever
# owns PATH could put a link in the folder's place.
make_scratch() {
  local left
  for left in "$1"/.jts-performance-*/; do
    [[ -O $left && ! -L ${left%/} ]] || continue
    log info "removing what a killed run left: $left"
    rm --force -- "$left$NAME"
    rmdir -- "$left" || true
  done
  answer=$(mktemp)
  scratch=$(mktemp --directory -- "$1/.jts-performance-XXXXXXXXXX")
  cd -P -- "$scratch"
  [[ -O . && $(stat --format=%a .) == 700 ]] || {
    log error "$scratch was replaced while it was made"
    exit 1
  }
}

# Bounded: on a NAS that hangs, the next run removes it.
clean_up() {
  [[ -n $scratch ]] || return 0
  if ! bounded 10 rm --force -- "$NAME" || ! cd / || ! bounded 10 rmdir -- "$scratch"; then log warning "$scratch could not be removed; the next run does, or: rm -r $scratch"; fi
  cd /
  rm --force -- "$answer"
  scratch=''
}

# last_run SIZE: as JSON; {} where there is none.
last_run() {
  jq --compact-output --arg size "$1" '.[$size] // {}' "$STATE_FOLDER/performance.json" 2>/dev/null || echo '{}'
}

# keep DOCUMENT SIZE: a tier that was not measured keeps its last figures.
keep() {
  local file=$STATE_FOLDER/performance.json all
  make_state_folder || return 1
  all=$(jq --compact-output --slurp 'add // {}' "$file" 2>/dev/null) || all='{}'
  jq --arg size "$2" --argjson all "$all" '
    . as $new | ($all[$size].tiers // []) as $old
    | [.tiers[] | select(.tests != null) | .tier] as $measured
    | $all + {($size): ($new + {tiers: ([$old[] | select(.tier as $tier | $measured | index($tier) | not)] + [.tiers[] | select(.tests != null)])})}' <<<"$1" |
    write_whole "$file" || {
    log error "cannot write $file"
    return 1
  }
}

print_text() {
  local tier path test speed operations p99 change
  printf '%-5s %-16s %12s %12s %12s %9s\n' tier test speed operations '99 % within' change
  while IFS=$'\t' read -r tier test speed operations p99 change; do
    printf '%-5s %-16s %10s/s %10s/s %9s us %9s\n' "$tier" "$test" "$(human "$speed")" "$operations" "$p99" "$change"
  done < <(jq --raw-output '.tiers[] | .tier as $tier | .tests // {} | to_entries[]
    | [$tier, .key, (.value.bytesPerSecond | floor), (.value.operationsPerSecond | floor), (.value.p99Microseconds | floor), (.value.changePercent | if . == null then "-" else "\(.) %" end)] | @tsv')
}

main "$@"
