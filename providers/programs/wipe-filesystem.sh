# Usage: wipe-filesystem DEVICE; many of them.
# Takes the signatures off; wipefs opens a device exclusively, so it refuses a mounted one.
set -euo pipefail
source records.sh
for ((i = 0; i < ${#starts[@]}; i++)); do
  read_record "$i"
  wipefs --all --quiet -- "${record[0]}"
  # By itself udev overlooks what is closed while it still reads what was closed before, and goes on showing the label.
  udevadm trigger --action=change --settle -- "${record[0]}"
  record_done
done
