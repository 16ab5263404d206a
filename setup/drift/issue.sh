#!/usr/bin/env bash
set -euo pipefail

usage() {
  cat <<'END'
Usage: issue.sh FILE STACK

Keeps one issue on GitHub that says how a stack's hosts differ from its configuration. FILE is from
`npm run drift -- --stack STACK --markdown FILE`. Where it has drift, the stack's open issue is opened or updated, and
gets a comment when its title changes, so that people are told. Where it has none, the issue is closed. Runs no code of
this project: FILE is only text.

gh is logged in, or GH_TOKEN is set, and may write issues; GH_REPO is OWNER/REPOSITORY, or the working folder is a clone
of it. The issue has the label storage-drift, which is made where it is absent.

Exit status: 0 done · 1 gh failed; it says why · 2 wrong usage, or FILE is not such a report
END
}

case ${1-} in
  -h | --help)
    usage
    exit 0
    ;;
esac
if (($# != 2)); then
  usage >&2
  exit 2
fi
file=$1
stack=$2
label=storage-drift
marker="<!-- jts-storage drift of $stack -->"
longest=65536

if [[ ! $stack =~ ^[A-Za-z0-9._-]+$ ]]; then
  echo "$stack is not a valid name of a stack: letters, digits, dots, _ and -" >&2
  exit 2
fi
first='' second='' third=''
{ read -r first && read -r second && read -r third; } <"$file" || true
if [[ $first != "$marker" || ! $second =~ ^'<!-- exit status '([0-9]+)' -->'$ ]] ||
  (($(wc --bytes <"$file") > longest)); then
  echo "$file is not a report by npm run drift on $stack: its first line must be $marker, and $longest bytes are allowed" >&2
  exit 2
fi
status=${BASH_REMATCH[1]}
title=${third#'## '}

# Anybody can write the marker. The label can be given only by who may manage issues here.
ours=".body | startswith(\"$marker\")"
found=$(gh issue list --label "$label" --state open --limit 1000 --json number,title,body \
  --jq "[.[] | select($ours)] | sort_by(.number) | .[0] // empty | \"\\(.number) \\(.title)\"")
number=${found%% *}
before=${found#* }

if ((status == 0)); then
  if [[ -n $number ]]; then
    gh issue close "$number" --comment "No drift any more."
  else
    echo "$stack has no drift, and no open issue."
  fi
elif [[ -z $number ]]; then
  gh label create "$label" --force --color D93F0B --description "Hosts differ from their stack's configuration"
  gh issue create --title "$title" --body-file "$file" --label "$label"
else
  gh issue edit "$number" --title "$title" --body-file "$file"
  if [[ $title != "$before" ]]; then gh issue comment "$number" --body "Now: $title"; fi
fi
