# Usage: bash -c "$THIS" install-packages PACKAGE...
# Installs the Debian packages that are absent; those that are there stay as they are.
set -euo pipefail
export DEBIAN_FRONTEND=noninteractive LC_ALL=C
absent=()
for package; do
  status=$(dpkg-query --show --showformat='${db:Status-Status}' -- "$package" 2>/dev/null || true)
  [[ $status == installed ]] || absent+=("$package")
done
((${#absent[@]})) || exit 0
# An old list may name files that the mirror no longer has.
apt-get --quiet=2 update
# Waits for another apt, which timers of Debian's start at any time.
apt-get --quiet=2 --yes --no-install-recommends -o DPkg::Lock::Timeout=300 install -- "${absent[@]}" >/dev/null
