# Usage: print-source-device SOURCE
# Prints `MAJOR:MINOR` and the kernel's path. Exits with 1 where there is no such device.
device=$(findfs "$1" 2>/dev/null) || exit 1
device=$(readlink --canonicalize-existing -- "$device")
stat --printf='%Hr:%Lr\t%n\n' -- "$device"
