# Usage: bounded SECONDS COMMAND [ARGUMENT...]
# Runs a command that only looks, and ends as that does. One that takes longer is killed, and the exit code is 124.
# One that can't be killed, as it waits for a dead disk or server in the kernel, is left behind.
exec {in}<&0 {out}>&1
exec {end}< <(
  timeout --kill-after=1 "$1" "${@:2}" <&"$in" >&"$out"
  echo "$?"
)
read -r -t "$(($1 + 3))" -u "$end" status || status=124
exit "$status"
