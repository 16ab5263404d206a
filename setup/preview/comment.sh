#!/usr/bin/env bash
# Writes a preview as a comment on a pull request. Replaces its earlier comment there, if any. Runs no code of the pull
# request: the preview is only text.
#
# Usage: comment.sh FILE NUMBER    (FILE is from `npm run preview -- --markdown FILE`, NUMBER is the pull request's;
#                                   gh is logged in, or GH_TOKEN is set; GH_REPO is OWNER/REPOSITORY, or the working
#                                   folder is a clone of it)
set -euo pipefail
file=$1
number=$2
marker='<!-- jts-storage preview -->'
longest=65536

if [[ ! $number =~ ^[0-9]+$ ]]; then
  echo "$number is not a valid number of a pull request" >&2
  exit 2
fi
first=''
read -r first <"$file" || true
if [[ $first != "$marker" ]] || (($(wc --bytes <"$file") > longest)); then
  echo "$file is not a preview by npm run preview: its first line must be $marker, and $longest bytes are allowed" >&2
  exit 2
fi

# Anybody can write the marker, but only one's own comments can be changed.
ours=".viewerDidAuthor and (.body | startswith(\"$marker\"))"
url=$(gh pr view "$number" --json comments --jq "[.comments[] | select($ours) | .url] | last // \"\"")
if [[ $url =~ \#issuecomment-([0-9]+)$ ]]; then
  gh api --method PATCH "repos/{owner}/{repo}/issues/comments/${BASH_REMATCH[1]}" --field body=@"$file" --jq .html_url
else
  gh pr comment "$number" --body-file "$file"
fi
