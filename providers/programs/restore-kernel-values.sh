# Usage: restore-kernel-values FILE...
# Puts back the values that were there before us.
set -euo pipefail
source ledger.sh
for file; do
  line=$(grep "^kernel $file " "$ledger" 2>/dev/null) || continue
  [[ ! -w $file ]] || printf '%s\n' "${line#"kernel $file "}" >"$file"
  ledger_drop "$line"
done
