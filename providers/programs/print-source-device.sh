# Usage: print-source-device SOURCE
# Prints the kernel's path of the device. Exits with 1 where there is no such device.
device=$(findfs "$1" 2>/dev/null) || exit 1
readlink --canonicalize-existing -- "$device"
