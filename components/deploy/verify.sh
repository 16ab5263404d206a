# Usage: verify TARGET, the declaration (JSON) on standard input
# What to try next comes last: there people look.
set -euo pipefail
if [[ ! -x $1/verify-tiers.py ]]; then
  printf '%s\nNext: %s\n' "there is no $1/verify-tiers.py" "pulumi up --refresh, which delivers it" >&2
  exit 2
fi
status=0
table=$("$1/verify-tiers.py") || status=$?
if ((status == 0)); then
  printf '%s\n' "$table"
  exit
fi
# Of a failure what isn't as declared is enough.
grep --extended-regexp '^FAILED|checks failed$' <<<"$table" >&2 || true
echo "Next: npm run verify -- --stack STACK, which compares everything; once that is mended: pulumi up" >&2
exit "$status"
