#!/usr/bin/env bash
# A volume group of folders: FOLDER/NAME has a volume's files in `data`, and what LVM knows of it in `known.json`.
# Stands in for LVM's tools, blkid, mkfs and mount, since there is no device mapper where unit tests run; the lab has
# the real ones. Asked for hundreds of times, so in bash, and without any program that can be done without.
#
# usage: fakeLvm.sh FOLDER PROGRAM ARGUMENT...
set -euo pipefail
shopt -s nullglob
folder=$1 program=$2
shift 2

# option NAME: its value among the arguments, as $value; empty where it isn't there.
option() {
  local word previous=''
  value=''
  for word in "${arguments[@]}"; do
    if [[ $previous == "$1" ]]; then value=$word; fi
    previous=$word
  done
}

# known NAME: what LVM knows of the volume, as $origin, $bytes, $tags, $type, $fill and $invalid.
known() {
  local json name
  read -r json <"$folder/$1/known.json" || [[ -n $json ]]
  origin='' bytes='' tags='' type='' fill='' invalid=''
  for name in origin bytes tags type fill invalid; do
    if [[ $json =~ \"$name\":\ ?\"?([^\",}]*) ]]; then printf -v "$name" %s "${BASH_REMATCH[1]}"; fi
  done
}

# keep NAME: those become what LVM knows of it.
keep() {
  printf '{"origin":"%s","bytes":%s,"tags":"%s","type":"%s"%s%s}\n' "$origin" "$bytes" "$tags" "$type" \
    "${fill:+,\"fill\":\"$fill\"}" "${invalid:+,\"invalid\":\"$invalid\"}" >"$folder/$1/known.json"
}

arguments=("$@") volume=''
for word in "$@"; do
  if [[ -z $volume && $word =~ ^(/dev/)?vg_jts/(.+)$ ]]; then volume=${BASH_REMATCH[2]}; fi
done

case $program in
  lvs)
    rows=''
    for path in "$folder"/*; do
      known "${path##*/}"
      # A volume with a cache has an origin too, such as [lv_kafka_corig].
      if [[ -n $origin && $origin != \[* ]]; then
        role=public,snapshot,thicksnapshot fill=${fill:-0.01} invalid=${invalid:-0}
      else
        role=public fill='' invalid=${invalid:--1}
      fi
      printf -v row '{"lv_name":"%s","origin":"%s","lv_role":"%s","lv_size":"%s","lv_tags":"%s","snap_percent":"%s","lv_snapshot_invalid":"%s"}' \
        "${path##*/}" "$origin" "$role" "$bytes" "$tags" "$fill" "$invalid"
      rows+=${rows:+,}$row
    done
    printf '{"report":[{"lv":[%s]}]}\n' "$rows"
    ;;
  vgs)
    # As large as `.room` says, else 1 TiB; only snapshots take from it.
    free=$((1 << 40))
    if [[ -e $folder/.room ]]; then read -r free <"$folder/.room"; fi
    for path in "$folder"/*; do
      known "${path##*/}"
      if [[ -n $origin && $origin != \[* ]]; then free=$((free - (bytes + 4194303) / 4194304 * 4194304)); fi
    done
    printf '{"report":[{"vg":[{"vg_free":"%s","vg_extent_size":"4194304"}]}]}\n' "$free"
    ;;
  lvcreate)
    option --name
    name=$value
    if [[ -e $folder/$name ]]; then
      echo "  Logical Volume \"$name\" already exists in volume group \"vg_jts\"" >&2
      exit 1
    fi
    if [[ " $* " == *" --snapshot "* ]]; then
      known "$volume"
      origin=$volume fill='' invalid=''
      mkdir "$folder/$name"
      cp --archive "$folder/$volume/data" "$folder/$name/data"
    else
      origin='' type='' fill='' invalid=''
      mkdir --parents "$folder/$name/data"
    fi
    option --size
    bytes=${value%b}
    option --addtag
    tags=$value
    keep "$name"
    ;;
  lvremove)
    option --select
    [[ $value =~ ^lv_name=([^ ]+)\ \&\&\ lv_tags=\{([^ ]+)\}$ ]]
    name=${BASH_REMATCH[1]} tag=${BASH_REMATCH[2]}
    if [[ -e $folder/$name ]]; then
      known "$name"
      if [[ $tags == "$tag" ]]; then rm --recursive "${folder:?}/$name"; fi
    fi
    ;;
  lvchange)
    known "$volume"
    tags=''
    keep "$volume"
    ;;
  blkid)
    known "$volume"
    echo "$type"
    ;;
  mkfs.*)
    known "$volume"
    type=${program#mkfs.}
    keep "$volume"
    ;;
  mount)
    [[ -n $volume ]] || exec /usr/bin/mount "$@"
    known "$volume"
    option --types
    if [[ $value != "$type" ]]; then
      echo "mount: wrong fs type: $value" >&2
      exit 1
    fi
    /usr/bin/mount --bind "$folder/$volume/data" "${@: -1}"
    option --options
    if [[ ,$value, == *,ro,* ]]; then /usr/bin/mount -o remount,bind,ro "${@: -1}"; fi
    ;;
  *)
    echo "there is no $program" >&2
    exit 1
    ;;
esac
