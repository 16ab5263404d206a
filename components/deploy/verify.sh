# Usage: bash -c "$THIS" verify TARGET, the declaration (JSON) on standard input
set -euo pipefail
if [[ ! -x $1/verify-tiers.py ]]; then
  echo "there is no $1/verify-tiers.py: pulumi up delivers it" >&2
  exit 2
fi
status=0
table=$("$1/verify-tiers.py") || status=$?
# Of a failure what isn't as declared is enough.
if ((status)); then grep --extended-regexp '^FAILED|checks failed$' <<<"$table" >&2 || true; else printf '%s\n' "$table"; fi
exit "$status"
