#!/usr/bin/env bash
set -euo pipefail

usage() {
  cat <<'END'
Usage: keys.sh write|remove

Writes what a job needs to connect to the hosts, from variables, into files of its user; or removes it again.

  SSH_PRIVATE_KEY  the private key, without a passphrase: into SSH_KEY_FILE, mode 600. Empty: nothing is done, as on a
                   machine that has its key
  SSH_KEY_FILE     default ~/.ssh/jts, which connection.identityFile of the stacks must name
  SSH_KNOWN_HOSTS  lines of known_hosts(5) for a jump host, added to ~/.ssh/known_hosts, where they stay. The hosts' own
                   keys are in the configuration: connection.hostKey

A file that is there already and has another content is left alone, and refused. `remove` removes only what `write`
would write.

Exit status: 0 done · 1 refused; it says why · 2 wrong usage
END
}

case ${1-} in
  -h | --help)
    usage
    exit 0
    ;;
  write | remove) ;;
  *)
    usage >&2
    exit 2
    ;;
esac

umask 077
key=${SSH_PRIVATE_KEY-}
file=${SSH_KEY_FILE:-$HOME/.ssh/jts}

# OpenSSH takes no key without its last line's end, and forms for secrets strip it.
holds_our_key() { [[ -f $file ]] && [[ $(<"$file") == "$key" ]]; }

if [[ $1 == remove ]]; then
  if [[ -n $key ]] && holds_our_key; then rm -- "$file"; fi
  exit 0
fi

if [[ -n $key ]] && ! holds_our_key; then
  if [[ -e $file ]]; then
    echo "$file is there already, with another key. Next: where it is this machine's own, leave SSH_PRIVATE_KEY empty;" \
      "or name another file by SSH_KEY_FILE, and by connection.identityFile" >&2
    exit 1
  fi
  mkdir -p -- "${file%/*}"
  printf '%s\n' "$key" >"$file.new"
  if ! ssh-keygen -y -P '' -f "$file.new" >/dev/null 2>&1; then
    rm -- "$file.new"
    echo "SSH_PRIVATE_KEY is not a private key without a passphrase. Next: ssh-keygen -t ed25519 -N '' -f jts; all of" \
      "the file jts is the secret, and jts.pub goes to the hosts" >&2
    exit 1
  fi
  mv -- "$file.new" "$file"
fi

if [[ -n ${SSH_KNOWN_HOSTS-} ]]; then
  mkdir -p -- "$HOME/.ssh"
  touch -- "$HOME/.ssh/known_hosts"
  while IFS= read -r line; do
    grep --quiet --line-regexp --fixed-strings -e "$line" "$HOME/.ssh/known_hosts" ||
      printf '%s\n' "$line" >>"$HOME/.ssh/known_hosts"
  done <<<"$SSH_KNOWN_HOSTS"
fi
