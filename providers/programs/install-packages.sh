# Usage: install-packages PACKAGE...
# Installs Debian packages, without a question to anybody. Files in /etc that somebody changed stay, no service of
# others is restarted, and no package is removed. Whatever goes wrong, apt-get ends with 100: only its words tell what
# it was (in the C locale).
set -euo pipefail
export LC_ALL=C DEBIAN_FRONTEND=noninteractive DEBIAN_PRIORITY=critical
export APT_LISTCHANGES_FRONTEND=none APT_LISTBUGS_FRONTEND=none NEEDRESTART_MODE=l
# What apt's hooks make, such as the lists of command-not-found, is for all users.
umask 022
# A login gets these by pam_env(8), so that apt works for a person; our shell has nothing of a login.
proxy='^[[:blank:]]*(export )?((http|https|ftp|all|no)_proxy)=["'\'']?([^"'\''#]*)'
if [[ -r /etc/environment ]]; then
  while read -r line || [[ -n $line ]]; do
    [[ ! $line =~ $proxy ]] || export "${BASH_REMATCH[2]}=${BASH_REMATCH[4]}"
  done </etc/environment
fi
fail() {
  printf '%s\nNext: %s\n' "$1" "$2" >&2
  exit 100
}
# Runs apt-get, and keeps what it prints in `said`. While another program has one of apt's locks, it is tried again:
# timers of Debian's start apt at any time, and DPkg::Lock::Timeout does nothing for the locks of lists and archives.
patience=600
deadline=$((SECONDS + patience))
apt() {
  local status
  while true; do
    status=0
    said=$(
      apt-get --quiet=2 --yes -o APT::Cmd::Pattern-Only=true -o APT::Status-Fd=9 "$@" \
        </dev/null 2>&1 9>>"${progress:-/dev/null}"
    ) || status=$?
    if [[ $status == 0 || $said != *"Could not get lock"* ]]; then return "$status"; fi
    ((SECONDS < deadline)) || fail \
      "$(grep --max-count=1 "Could not get lock" <<<"$said"), and for $((patience / 60)) minutes" \
      "on the host: ps -e -o pid,lstart,args | grep -E 'apt|dpkg|unattended'; once that has ended: pulumi up"
    sleep 3
  done
}
errors_in() { grep --extended-regexp '^(E:|W:|dpkg: error| [^ ]+ : (Depends|Conflicts|Breaks))' <<<"$1" | tail -n 8 || true; }
# An old list may name files that the mirror no longer has. Without the mirror the packages may still be here.
apt update || true
update_errors=$(errors_in "$said")
changing_little=(
  --no-install-recommends --no-remove -o APT::Get::AutomaticRemove=false
  -o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold
)
if ! apt "${changing_little[@]}" install -- "$@"; then
  errors=$(errors_in "$said")
  all=${errors:-$said}${update_errors:+$'\n'apt-get update said: $update_errors}
  case $said in
    *"dpkg was interrupted"*) fail "$all" "on the host: dpkg --configure -a; then: pulumi up" ;;
    *"free space"* | *"No space left on device"*) fail "$all" "on the host: df --human-readable --local; make room, then: pulumi up" ;;
    *"Unable to locate package"* | *"no installation candidate"*)
      fail "apt on this host doesn't know all of $*: $all" \
        "on the host: apt-get update; apt-cache policy $*; its sources in /etc/apt must have Debian's main; then: pulumi up"
      ;;
    *"Failed to fetch"* | *"Unable to fetch"*)
      fail "$all" "on the host: apt-get update; once it reaches its mirror, by a proxy only where /etc/apt/apt.conf.d or /etc/environment has that, or has the packages by hand ($*): pulumi up"
      ;;
    *"remove is disabled"*)
      fail "apt would remove other packages to install $*: $all" \
        "on the host: apt-get install $*, which says what it would remove, and asks; once they are installed: pulumi up"
      ;;
    *"nmet dependencies"* | *"eld packages"* | *"held broken packages"*)
      fail "$all" "on the host: apt-mark showhold; apt-get --fix-broken install; once apt-get install $* works: pulumi up"
      ;;
    *) fail "$all" "on the host: apt-get install $*; once that works: pulumi up" ;;
  esac
fi
for package; do
  states=$(dpkg-query --show --showformat='${db:Status-Status}\n' -- "$package" 2>/dev/null || true)
  grep --quiet --line-regexp installed <<<"$states" || fail \
    "$package is not a package of its own: others provide it, and apt took one of them" \
    "declare the one that is meant: apt-cache showpkg $package, on the host, lists them under Reverse Provides"
done
# Volumes on disks that were here before lvm2 would stay inactive until the next boot.
for package; do
  if [[ $package == lvm2 ]]; then vgchange --quiet --activate ay >/dev/null || true; fi
done
