# Usage: make-account GROUP [USER HOME]
# Makes the system group, and the system user who can't log in, where they are absent.
group=$1
if ! getent group -- "$group" >/dev/null; then
  ledger_add group "$group"
  groupadd --system -- "$group"
fi
if (($# > 1)) && ! getent passwd -- "$2" >/dev/null; then
  ledger_add user "$2"
  useradd --system --gid "$group" --home-dir "$3" --no-create-home --shell /usr/sbin/nologin -- "$2"
fi
