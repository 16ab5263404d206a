#!/usr/bin/env bash
# Writes a preview as a comment on a pull request, in place of the one that it wrote before. It runs no code of the
# pull request, and takes the preview as text.
#
# Usage: comment.sh FILE NUMBER    (FILE of `npm run preview -- --markdown FILE`; gh is logged in, or GH_TOKEN is set;
#                                   GH_REPO is OWNER/REPOSITORY, or the working folder a clone of it)
set -euo pipefail
file=$1
number=$2
marker='<!-- jts-storage preview -->'
longest=65536

if [[ ! $number =~ ^[0-9]+$ ]]; then
  echo "$number is no number of a pull request" >&2
  exit 2
fi
first=''
read -r first <"$file" || true
if [[ $first != "$marker" ]] || (($(wc --bytes <"$file") > longest)); then
  echo "$file is no preview that npm run preview wrote: its first line must be $marker, and it may have $longest bytes at most" >&2
  exit 2
fi

# Only a comment of one's own can be changed, and anybody can write the marker.
url=$(gh pr view "$number" --json comments --jq "[.comments[] | select(.viewerDidAuthor and (.body | startswith(\"$marker\"))) | .url] | last // \"\"")
if [[ $url =~ \#issuecomment-([0-9]+)$ ]]; then
  gh api --method PATCH "repos/{owner}/{repo}/issues/comments/${BASH_REMATCH[1]}" --field body=@"$file" --jq .html_url
else
  gh pr comment "$number" --body-file "$file"
fi
