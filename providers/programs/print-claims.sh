# Usage: print-claims PATH...
# Prints of files that aren't ours what speaks against replacing them. On a line, with tabs between:
# `type TYPE PATH`, TYPE as stat has it; `package NAMES PATH`, which dpkg knows; `settings FOLDER PATH`, where a folder
# has settings that systemd adds to the unit of this file.
set -euo pipefail
for path; do
  [[ -e $path || -L $path ]] || continue
  printf 'type\t%s\t%s\n' "$(stat --format=%F -- "$path")" "$path"
  # dpkg takes a pattern.
  pattern=${path//\\/\\\\}
  pattern=${pattern//\*/\\*}
  pattern=${pattern//\?/\\?}
  pattern=${pattern//\[/\\[}
  code=0
  said=$(dpkg-query --search -- "$pattern" 2>&1) || code=$?
  if ((code == 0)); then
    while read -r line; do
      if [[ $line == *": $path" && $line != diversion\ * ]]; then printf 'package\t%s\t%s\n' "${line%": $path"}" "$path"; fi
    done <<<"$said"
  elif [[ $said != *"no path found matching pattern"* ]]; then
    echo "$said" >&2
    exit "$code"
  fi
  if [[ $path == /etc/systemd/system/* && -d $path.d && -n $(ls --almost-all -- "$path.d") ]]; then
    printf 'settings\t%s\t%s\n' "$path.d" "$path"
  fi
done
