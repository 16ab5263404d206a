# shellcheck shell=bash
# stop_units UNIT...: in this order; what is not there, or does not run, is as stopped. Reads go on, from the NAS.
stop_units() {
  local unit status
  for unit; do
    [[ $(systemctl show --property=ActiveState --value -- "$unit") != inactive ]] || continue
    status=0
    timeout --kill-after=10 90 systemctl stop -- "$unit" || status=$?
    ((status != 124 && status != 137)) ||
      echo "$unit did not stop within 90 s; it may wait for a NAS that doesn't answer. Next: once the NAS answers: pulumi up --refresh" >&2
    ((status == 0)) || return "$status"
    systemctl reset-failed -- "$unit" 2>/dev/null || true
  done
}
