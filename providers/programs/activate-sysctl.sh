# Usage: activate-sysctl FILE KERNEL-FILE...
# Loads a file of sysctl.d(5) into the running kernel.
set -euo pipefail
source ledger.sh
remember_kernel_values "${@:2}"
sysctl --quiet --load="$1"
