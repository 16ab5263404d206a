# Usage: remove-account GROUP [USER]
# Removes what we made of them.
if (($# > 1)) && ledger_has user "$2"; then
  getent passwd -- "$2" >/dev/null && userdel -- "$2"
  ledger_drop user "$2"
fi
if ledger_has group "$1"; then
  if getent group -- "$1" >/dev/null; then groupdel -- "$1"; fi
  ledger_drop group "$1"
fi
