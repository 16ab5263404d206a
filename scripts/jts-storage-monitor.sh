#!/usr/bin/env bash
set -euo pipefail
here=$(dirname -- "$(readlink --canonicalize -- "${BASH_SOURCE[0]}")")
lib=$here/lib
[[ -d $lib ]] || lib=$here
# shellcheck source=scripts/lib/tiers.sh
source "$lib/tiers.sh"

print_help() {
  cat <<'HELP'
usage: jts-storage-monitor.sh [--json] [--seconds N] [--settings FILE]

Prints the size of each folder of the hot tree, and how full the filesystems below it are. Changes nothing.

  --json           prints one JSON document: "tree", and for each of its "folders" the "name", "path", "usedBytes",
                   "totalBytes" and "usedPercent" of its filesystem, and for each folder in it "name" and "bytes"; null
                   where something could not be told in time. Names that are not UTF-8 get U+FFFD in place of odd bytes
  --seconds N      how long the sizes of one folder of the tree may take to be added up; 60
  --settings FILE  in place of /etc/jts-storage/tiers.env; root's or yours, and nobody else's to write

Settings:
  LOG_SOURCES_ROOT  the hot tree, /data/jts/hot
  PROBE_SECONDS     5: how long a filesystem may take to answer

Exit status: 0 all told · 1 something could not be told · 2 wrong usage or settings, or there is no hot tree
HELP
}

main() {
  local settings=/etc/jts-storage/tiers.env settings_are=default json='' seconds=60
  while (($#)); do
    case $1 in
      --help)
        print_help
        exit
        ;;
      --json) json=yes ;;
      --seconds)
        [[ ${2-} =~ ^[1-9][0-9]{0,5}$ ]] || refuse "$1 needs a whole number of seconds"
        seconds=$2
        shift
        ;;
      --settings)
        [[ -n ${2-} ]] || refuse "$1 needs a file"
        settings=$2 settings_are=given
        shift
        ;;
      *) refuse "there is no $1" ;;
    esac
    shift
  done
  read_settings "$settings" "$settings_are" || exit 2
  [[ -n $LOG_SOURCES_ROOT ]] || refuse "the settings name no hot tree, LOG_SOURCES_ROOT"
  [[ -d $LOG_SOURCES_ROOT ]] || refuse "there is no folder $LOG_SOURCES_ROOT. Do: pulumi up --refresh"

  local document
  document=$(for folder in "$LOG_SOURCES_ROOT"/*/; do [[ ! -d $folder ]] || describe "${folder%/}" "$seconds"; done |
    jq --slurp --arg tree "$LOG_SOURCES_ROOT" '{version: 1, tree: $tree, folders: .}')
  if [[ -n $json ]]; then printf '%s\n' "$document"; else print_text <<<"$document"; fi
  # Null is what could not be told.
  jq --exit-status '[.. | nulls] == []' <<<"$document" >/dev/null || exit 1
}

# The sizes of the folders in $1, as JSON: what bounded() passes on must hold no NUL. What goes away meanwhile is no fault.
# shellcheck disable=SC2016  # Another shell expands it.
SIZES='set -o pipefail
{ errors=$(du --null --block-size=1 --one-file-system --max-depth=1 -- "$1" 2>&1 >&3 | grep --invert-match ": No such file or directory$"); [[ -z $errors ]]; } 3>&1 |
  jq --raw-input --slurp --compact-output --arg top "$1" '\''
    split("\u0000") | map(capture("^(?<bytes>[0-9]+)\t(?<path>[\\s\\S]*)$") | select(.path != $top))
    | map({name: .path[($top | length) + 1:], bytes: (.bytes | tonumber)}) | sort_by(.name)'\'

# describe FOLDER SECONDS: it and its folders, as JSON.
describe() {
  local used total percent sizes=null
  if ! read -r used total percent _ < <(usage_of "$1"); then
    log warning "$1 does not answer. Do: $here/storage-health.sh"
    used=null total=null percent=null
  elif ! sizes=$(bounded "$2" bash -c "$SIZES" sizes "$1"); then
    log warning "$1: the sizes were not added up within $2 s, or not all could be read. Do: $0 --seconds $(($2 * 10)), as root"
    sizes=null
  fi
  jq --null-input --arg path "$1" --argjson used "$used" --argjson total "$total" --argjson percent "$percent" --argjson sizes "$sizes" \
    '{name: ($path | split("/") | last), path: $path, usedBytes: $used, totalBytes: $total, usedPercent: $percent, folders: $sizes}'
}

print_text() {
  local name used total percent bytes
  while IFS=$'\t' read -r name used total percent bytes; do
    if [[ -n $bytes ]]; then
      printf '  %-22s %8s\n' "$name" "$(human "$bytes")"
    elif [[ $used == null ]]; then
      printf '%-24s does not answer\n' "$name"
    else
      printf '%-24s %8s of %s, %s %%\n' "$name" "$(human "$used")" "$(human "$total")" "$percent"
    fi
    # An empty field would be lost between tabs; @tsv keeps each name on its line.
  done < <(jq --raw-output '.folders[] | [.name, (.usedBytes | tostring), (.totalBytes | tostring), (.usedPercent | tostring), ""], (.folders // [] | .[] | [.name, "-", "-", "-", .bytes]) | @tsv')
}

main "$@"
