# Usage: make-account GROUP [USER HOME]; many of them.
# Makes the system group, and the system user who can't log in, where they are absent.
set -euo pipefail
source ledger.sh
source records.sh
declare -A known=()
for database in group passwd; do
  while IFS=: read -r name _; do known["$database $name"]=yes; done < <(getent "$database")
done
# Name services that don't list their accounts still know them by name.
is_there() { getent "$1" -- "$2" >/dev/null; }
is_known() { [[ -n ${known["$1 $2"]-} ]] || is_there "$1" "$2"; }
for ((i = 0; i < ${#starts[@]}; i++)); do
  read_record "$i"
  group=${record[0]} user=${record[1]-} home=${record[2]-}
  lines=()
  is_known group "$group" || lines+=("group $group")
  [[ -z $user ]] || is_known passwd "$user" || lines+=("user $user")
  ledger_add_lines ${lines[@]+"${lines[@]}"}
  for ((j = 0; j < ${#lines[@]}; j++)); do
    # As getent's databases are called.
    line=${lines[j]/#user/passwd}
    case $line in
      group*) groupadd --system -- "$group" ;;
      passwd*) useradd --system --gid "$group" --home-dir "$home" --no-create-home --shell /usr/sbin/nologin -- "$user" ;;
    esac || {
      status=$?
      # What somebody makes by hand after this is theirs.
      if is_there "${line%% *}" "${line#* }"; then j=$((j + 1)); fi
      ledger_drop_lines "${lines[@]:j}"
      exit "$status"
    }
    known["$line"]=yes
  done
  record_done
done
