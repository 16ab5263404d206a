#!/usr/bin/env bash
set -euo pipefail

usage() {
  cat <<'END'
Usage: up.sh plan STACK FOLDER [--refresh]
       up.sh changed FOLDER
       up.sh carry-out STACK FOLDER

An `up` in two parts, with a person between them who has read the first.

  plan       previews STACK against its state, prints the preview, and saves the plan in FOLDER. With --refresh, it
             reads the hosts first, so that the plan mends drift, too. It changes neither hosts nor state
  changed    prints `stacks=[…]`: of the plans in FOLDER, or in folders of it, the stacks whose plan has changes
  carry-out  runs `pulumi up` with the plan of FOLDER. Pulumi stops before a step that the plan doesn't have, so that
             nothing is done that the preview did not show

PULUMI_BACKEND_URL names the backend, and PULUMI_CONFIG_PASSPHRASE opens the stack's secrets, as for `pulumi` itself.
Where GITHUB_STEP_SUMMARY and GITHUB_OUTPUT are set, the preview and `stacks=[…]` go there, too. PULUMI is the CLI to
run; by default the one in node_modules/, which is installed where it is absent.

Exit status: 0 done · 2 wrong usage, or FOLDER has no plan of STACK · otherwise Pulumi's; it says why
END
}

wrong() {
  usage >&2
  exit 2
}

cd "$(dirname "$0")/../.."
pulumi=${PULUMI:-node_modules/.bin/pulumi}

get_tools() {
  if [[ -z ${PULUMI-} && ! -x $pulumi ]]; then npm ci --no-audit --no-fund --loglevel=error; fi
}

plan() {
  local stack=$1 folder=$2 refresh=${3-}
  [[ $refresh == '' || $refresh == --refresh ]] || wrong
  get_tools
  mkdir -p -- "$folder"
  rm -f -- "$folder"/{plan.json,changes,preview.txt,stack,refresh}
  local status=0
  "$pulumi" preview --stack "$stack" --non-interactive --color never --diff --suppress-outputs \
    --refresh="$([[ -n $refresh ]] && echo true || echo false)" --save-plan "$folder/plan.json" 2>&1 |
    tee -- "$folder/preview.txt" || status=$?
  if [[ -n ${GITHUB_STEP_SUMMARY-} ]]; then
    {
      printf '## %s\n\n~~~~~~~~text\n' "$stack"
      # A summary takes 1 MiB; the log has all of it.
      head --bytes=900000 -- "$folder/preview.txt"
      printf '\n~~~~~~~~\n'
    } >>"$GITHUB_STEP_SUMMARY"
  fi
  ((status == 0)) || exit "$status"
  printf '%s\n' "$stack" >"$folder/stack"
  printf '%s\n' "$refresh" >"$folder/refresh"
  has_changes "$folder/plan.json" >"$folder/changes"
}

# Whether a saved plan has a step besides `same`: true or false.
has_changes() {
  node -e '
    const { resourcePlans } = JSON.parse(require("node:fs").readFileSync(process.argv[1], "utf8"));
    console.log(Object.values(resourcePlans).some(({ steps }) => steps.some((step) => step !== "same")));
  ' "$1"
}

changed() {
  local folder=$1 stacks='' one
  for one in "$folder" "$folder"/*/; do
    if [[ -f $one/changes && $(<"$one/changes") == true ]]; then stacks+="${stacks:+,}\"$(<"$one/stack")\""; fi
  done
  echo "stacks=[$stacks]"
  if [[ -n ${GITHUB_OUTPUT-} ]]; then echo "stacks=[$stacks]" >>"$GITHUB_OUTPUT"; fi
}

carry_out() {
  local stack=$1 folder=$2
  if [[ ! -f $folder/plan.json || ! -f $folder/stack || $(<"$folder/stack") != "$stack" ]]; then
    echo "$folder has no plan of $stack. Next: setup/ci/up.sh plan $stack $folder" >&2
    exit 2
  fi
  get_tools
  local status=0
  "$pulumi" up --stack "$stack" --yes --non-interactive --color never --suppress-outputs \
    --refresh="$([[ -n $(<"$folder/refresh") ]] && echo true || echo false)" --plan "$folder/plan.json" || status=$?
  if ((status != 0)); then
    echo "The up ended with exit code $status. Next: mend what it says, then make a new plan; where it says that the" \
      "plan is violated, state or hosts have changed since, and a new plan shows how" >&2
  fi
  exit "$status"
}

case ${1-}:$# in
  -h:* | --help:*) usage ;;
  plan:3 | plan:4) plan "${@:2}" ;;
  changed:2) changed "$2" ;;
  carry-out:3) carry_out "$2" "$3" ;;
  *) wrong ;;
esac
