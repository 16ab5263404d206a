# Usage: call-rpc SERVER PORT CALL
# Sends a call of ONC RPC (RFC 5531) over TCP, and prints the reply, without the marks of its fragments; both in
# hexadecimal digits. It needs nothing that a bare Debian lacks.
set -euo pipefail
exec {server}<>"/dev/tcp/$1/$2"
# take BYTES: the next ones of the reply.
take() { head --bytes="$1" <&"$server" | od --address-radix=n --format=x1 --output-duplicates | tr --delete ' \n'; }
# shellcheck disable=SC2001 # Bash has no such replacement.
printf %b "$(sed 's/../\\x&/g' <<<"$3")" >&"$server"
mark=0
while ((! (mark >> 31))); do
  mark=$(take 4)
  [[ ${#mark} == 8 ]] || {
    echo "$1 closes the connection to port $2 without a reply" >&2
    exit 2
  }
  mark=$((16#$mark))
  length=$((mark & 0x7fffffff))
  ((length <= 1048576)) || {
    echo "what answers at port $2 of $1 is no RPC server" >&2
    exit 2
  }
  take "$length"
done
echo
