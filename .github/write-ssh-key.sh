#!/usr/bin/env bash
# Writes the private key in SSH_KEY to the file that the stacks' `connection.identityFile` names.
# Usage: SSH_KEY=… write-ssh-key.sh FILE
set -euo pipefail
[[ -n ${SSH_KEY:-} ]] || {
  echo "SSH_KEY is empty. Next: set the secret JTS_SSH_KEY of the environment storage." >&2
  exit 1
}
umask 077
mkdir -p "$(dirname "$1")"
printf '%s\n' "$SSH_KEY" >"$1"
