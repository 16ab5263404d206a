# shellcheck shell=bash disable=SC2034
# A program that does for many at once what it does for one: each record is the number of its arguments, then those. Its
# text comes on standard input and ends with a NUL. What fails ends the program; the records before it are carried out.
arguments=("$@") starts=()
for ((at = 0; at < $#; at += 1 + arguments[at])); do starts+=("$at"); done
texts=()
while IFS= read -r -d '' text; do texts+=("$text"); done
# Sets `record` to the arguments of the record of this number.
read_record() {
  local at=${starts[$1]}
  local count=${arguments[at]}
  record=("${arguments[@]:at+1:count}")
}
# Standard output is for the answer only; what tools print goes to standard error.
exec {report}>&1 1>&2
# Reports that one more record is carried out. The mark on standard error ends what was said of it.
record_done() {
  printf 'done\n' >&"$report"
  printf '\036' >&2
}
