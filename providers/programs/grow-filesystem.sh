# Usage: grow-filesystem TYPE DEVICE
# Grows the filesystem to its device, online where it is mounted.
set -euo pipefail
source filesystems.sh
"grow_$1" "$2"
