# Usage: remove-file PATH
# Removes the file where we made it, and then the folders that we made for it.
if ledger_has file "$1"; then
  rm --force -- "$1"
  ledger_drop file "$1"
fi
remove_directory "$(dirname -- "$1")"
