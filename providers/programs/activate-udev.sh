# Usage: activate-udev DEVICE ATTRIBUTE
# Lets udev apply its rules, changed just now, to a device.
set -euo pipefail
source ledger.sh
device=$(readlink --canonicalize-existing -- "$1")
remember_kernel_values "/sys/class/block/${device##*/}/$2"
udevadm control --reload
udevadm trigger --action=change --settle -- "$device"
