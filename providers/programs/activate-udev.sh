# Usage: activate-udev ATTRIBUTE VALUE DEVICE...
# Lets udev apply its rules, changed just now, to devices, whose attribute then has the value. An attribute of a queue
# is that of the disk, where a device is a partition. One that isn't there is left alone.
set -euo pipefail
source ledger.sh
folders=() files=()
for device in "${@:3}"; do
  device=$(readlink --canonicalize-existing -- "$device")
  folder=/sys/class/block/${device##*/}
  if [[ $1 == queue/* && -e $folder/partition ]]; then
    disk=$(readlink --canonicalize-existing -- "$folder")
    disk=${disk%/*}
    folder=/sys/class/block/${disk##*/}
  fi
  folders+=("$folder")
  [[ ! -e $folder/$1 ]] || files+=("$folder/$1")
done
remember_kernel_values ${files[@]+"${files[@]}"}
udevadm control --reload
udevadm trigger --action=change --settle -- "${folders[@]}"
# What no rule set: the rule of an NVMe with a serial number is read before udev knows that number. Where there is no
# other choice, it is left alone.
for file in ${files[@]+"${files[@]}"}; do
  value=$(<"$file")
  [[ $value == "$2" || $value == *"[$2]"* || ($value == *[[]* && $value != *' '*) || $value == none ]] ||
    printf '%s\n' "$2" >"$file"
done
