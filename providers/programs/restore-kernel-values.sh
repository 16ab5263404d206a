# Usage: restore-kernel-values FILE...
# Puts back the values that were there before us. One that the kernel doesn't take back stays until the next boot.
set -euo pipefail
source ledger.sh
# put_back FILE VALUE
put_back() {
  [[ -e $1 ]] || return 0
  { printf '%s\n' "$2" >"$1"; } 2>/dev/null || echo "the kernel does not take back $2 for $1: it stays until the next boot" >&2
}
for file; do
  remembered "$file" || continue
  lines=("$line") value=$before
  if other_half "$file"; then
    if remembered "$half"; then lines+=("$line") usual=$before; fi
    # The one that was 0 gets it by the other, which was in force. The kernel takes no 0 for some; where the size that
    # was in force isn't known, what is there stays.
    if [[ $value == 0 ]]; then
      if [[ $usual != 0 ]]; then put_back "$half" "$usual"; fi
      ledger_drop_lines "${lines[@]}"
      continue
    fi
  fi
  put_back "$file" "$value"
  ledger_drop_lines "${lines[@]}"
done
