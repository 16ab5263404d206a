# Usage: print-contents [TYPE DEVICE]...
# Prints for each device a line `LENGTH BYTES UNUSABLE DEVICES`, then so many characters of JSON, in which wipefs lists
# its signatures; 0 where it has none. BYTES is the size that the filesystem of TYPE takes, which is smaller than its
# device after a half-done grow; `-` where the device has no such filesystem, or TYPE is `none`. UNUSABLE is how many
# bytes of its device such a filesystem may leave unused, and DEVICES on how many it lies.
set -euo pipefail
source filesystems.sh
# Lengths in bytes.
LC_ALL=C
while (($#)); do
  # util-linux prints no JSON at all where there is nothing to print.
  signatures=$(wipefs --no-act --json --output TYPE,LABEL,UUID -- "$2")
  bytes=- unusable=0 devices=1
  if [[ $1 != none && $signatures =~ \"type\":\ *\""$1"\" ]]; then
    count='' size=''
    "measure_$1" "$2"
    [[ -n $count && -n $size ]] || {
      echo "no size in what was said of the $1 on $2" >&2
      exit 1
    }
    bytes=$((count * size))
  fi
  printf '%s %s %s %s\n%s' "${#signatures}" "$bytes" "$unusable" "$devices" "$signatures"
  shift 2
done
