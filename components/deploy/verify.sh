# Usage: bash -c "$THIS" verify TARGET, the declaration (JSON) on standard input
set -euo pipefail
if [[ ! -x $1/verify-tiers.py ]]; then echo "there is no $1/verify-tiers.py: pulumi up delivers it" >&2; exit 2; fi
exec "$1/verify-tiers.py" --quiet
