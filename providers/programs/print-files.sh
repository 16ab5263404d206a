# Usage: print-files PATH...
# Prints for each path a line `BYTES TYPE OWNER GROUP MODE` with tabs between, and a regular file's content of so many
# BYTES; where there is nothing the line is `0`.
set -euo pipefail
# Lengths in bytes.
LC_ALL=C
there=()
for path; do
  if [[ -e $path || -L $path ]]; then
    there+=("$path")
    continue
  fi
  # Proved by its folder, so that an unreadable one isn't taken for an absent file.
  folder=${path%/*}
  while [[ ! -d ${folder:-/} ]]; do folder=${folder%/*}; done
  ls --all -- "${folder:-/}" >/dev/null
done
statuses=()
((${#there[@]} == 0)) || mapfile -t statuses < <(stat --printf='%F\t%U\t%G\t%a\n' -- "${there[@]}")
((${#statuses[@]} == ${#there[@]}))
next=0
for path; do
  if [[ ${there[next]-} != "$path" ]]; then
    echo 0
    continue
  fi
  content=
  if [[ -f $path ]]; then
    [[ -r $path ]]
    # The letter keeps line ends at the end.
    content=$(cat -- "$path" && echo x)
    content=${content%x}
  fi
  printf '%s\t%s\n%s' "${#content}" "${statuses[next++]}" "$content"
done
