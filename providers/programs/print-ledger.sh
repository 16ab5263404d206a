# Usage: print-ledger
# Prints /var/lib/jts-storage/made, see ledger.sh; nothing where there is none.
[[ ! -e /var/lib/jts-storage/made ]] || cat -- /var/lib/jts-storage/made
