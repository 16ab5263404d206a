# Usage: print-replaced PATH...
# Prints for each PATH, of which the ledger has that another's file was replaced, a line `KEPT HERE PATH` with tabs
# between. KEPT: `kept` or `lost`. HERE: `absent`; `same` as what is kept; `ours`, as we wrote it; `other`.
set -euo pipefail
source ledger.sh
source replaced.sh
for path; do
  is_kept=lost here=other mark=
  if is_at "$replaced$path"; then is_kept=kept; fi
  if ! is_at "$path"; then
    here=absent
  elif is_same "$path" "$replaced$path"; then
    here=same
  elif [[ -L $path || -f $path ]]; then
    mark_of "$path"
    if ledger_has written "$path" "$mark"; then here=ours; fi
  fi
  printf '%s\t%s\t%s\n' "$is_kept" "$here" "$path"
done
