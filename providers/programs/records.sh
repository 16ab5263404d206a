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
# What tools print is no answer.
exec {report}>&1 1>&2
# Another record is carried out; what was said before is not of the next.
record_done() {
  printf 'done\n' >&"$report"
  printf '\036' >&2
}
