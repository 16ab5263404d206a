#!/usr/bin/env bash
# What test/e2e/drill.test.ts does on the host in thirty days. It is sourced, and its functions are called.
set -euo pipefail

scripts=/usr/local/lib/jts-storage
kafka=/data/jts/hot/kafka
warm=/data/warm-storage
cold=/mnt/synology/jts
pgdata=/var/lib/postgresql/data/pg
# What was written: the hash of each file, by its name.
sums=/root/drill.sums
mapfile -t services < <(jq --raw-output '.timers[]' /etc/jts-storage/settings.json)

started() { systemctl show --property=ExecMainStartTimestampMonotonic --value "$1.service"; }
is_active() { [[ $(systemctl show --property=ActiveState --value "$1.service") =~ ^(activating|active|deactivating)$ ]]; }

# Sets the clock to a time at which a service's timer is due, and waits until it ran. Others may be due, too.
run_at() { # SERVICE SECONDS
  local before waited
  before=$(started "$1")
  date --set="@$2" >/dev/null
  for ((waited = 0; waited < 600; waited += 2)); do
    if [[ $(started "$1") != "$before" ]]; then
      wait_for_all
      return
    fi
    sleep 2
    # Soon after a boot, systemd adds the timer's delay to the time of the boot, and chooses another at each new time.
    date --set="@$(($(date +%s) + 1))" >/dev/null
  done
  echo "$1 did not run after the clock was set to $(date --utc)" >&2
  systemctl list-timers --all --no-pager >&2
  return 1
}

# The services have the lowest priority: who asks systemd again and again would take their time.
wait_for_all() {
  local service pid
  for service in "${services[@]}"; do
    while is_active "$service"; do
      pid=$(systemctl show --property=MainPID --value "$service.service")
      if ((pid > 0)); then tail --pid="$pid" --follow /dev/null; else sleep 1; fi
    done
  done
}

psql_as() { # DATABASE QUERY
  psql --no-psqlrc --quiet --tuples-only --no-align --host=/run/postgresql --username=postgres --dbname="$1" \
    --command="$2"
}

pg_ctl() {
  runuser -u postgres -- /usr/lib/postgresql/1?/bin/pg_ctl --silent --wait --timeout=300 --pgdata="$pgdata" \
    --log=/var/lib/postgresql/logs/server "--options=-c listen_addresses= -c unix_socket_directories=/run/postgresql" \
    "$1"
}

begin() {
  install --directory --owner=postgres --group=postgres /run/postgresql
  runuser -u postgres -- /usr/lib/postgresql/1?/bin/initdb --no-sync --auth-local=trust --pgdata="$pgdata" >/dev/null
  pg_ctl start
  psql_as postgres "create table trades (day int, number int, primary key (day, number))"
  psql_as postgres "create table quotes (at timestamptz not null, price float8) partition by range (at)"
  install --directory --owner=kafka --group=kafka "$kafka/exports"
  install --directory /home/jts/notebooks
  echo "the first day" >/home/jts/notebooks/first
  : >"$sums"
  # A service that logs all the time, by the name of its file, while others rotate it.
  systemd-run --quiet --unit=drill-writer --uid=kafka --property=OOMScoreAdjust=0 bash -c \
    "for ((n = 1; ; n++)); do echo \"line \$n\" >>$kafka/logs/server.log; sleep 1; done"
}

# One day's work of the services, in the evening.
work() { # DAY SECONDS
  date --set="@$2" >/dev/null
  head --bytes=256K /dev/urandom >"$kafka/exports/ticks-$1"
  chown kafka: "$kafka/exports/ticks-$1"
  echo "$(sha256sum <"$kafka/exports/ticks-$1" | cut --delimiter=' ' --fields=1) ticks-$1" >>"$sums"
  psql_as postgres "insert into trades select $1, number from generate_series(1, 1000) number"
  psql_as postgres "create table quotes_$1 partition of quotes
    for values from (to_timestamp($2 - 21 * 3600)) to (to_timestamp($2 + 3 * 3600))"
  psql_as postgres "insert into quotes select to_timestamp($2) + make_interval(secs => n), random()
    from generate_series(1, 500) n"
  head --bytes=1M /dev/urandom >"$warm/temp-processing/scratch-$1"
  echo "$(sha256sum <"$warm/temp-processing/scratch-$1" | cut --delimiter=' ' --fields=1) scratch-$1" >>"$sums"
  echo "$1" >"/home/jts/notebooks/$1"
  if (($1 >= 5)); then rm "/home/jts/notebooks/$(($1 - 5))"; fi
  # The log is rotated at the end of the day.
  mv "$kafka/logs/server.log" "$kafka/logs/server.log.$1"
  wait_for_all
}

fill_warm() { # PERCENT
  local size used
  read -r size used < <(df --block-size=1 --output=size,used "$warm" | tail --lines=1)
  fallocate --length "$((size * $1 / 100 - used))" "$warm/filler"
}

lose_volume() {
  psql_as postgres "select count(*) from trades"
  pg_ctl stop
  umount --recursive /data/jts/hot/postgresql
  umount /var/lib/postgresql
  lvremove --quiet --yes vg_jts/lv_postgres >/dev/null
}

restore_volume() {
  local newest
  newest=$("$scripts/lvm-backup.sh" list --json |
    jq --raw-output '[.archives[] | select(.volume == "lv_postgres").name] | max')
  "$scripts/lvm-backup.sh" restore "$newest" --to /var/lib/postgresql >&2
  rm --force "$pgdata/postmaster.pid"
  pg_ctl start >&2
  psql_as postgres "select count(*) from trades"
}

# The files of a name on all tiers, with their tier.
files() { # NAME
  find "$kafka" "$warm/logs" "$cold/market-data" "$cold/archives/logs" -type f -name "$1" 2>/dev/null
}

read_file() { # FILE
  if [[ $1 == *.zst ]]; then zstd --decompress --quiet --stdout "$1"; else cat "$1"; fi
}

count_lines() {
  systemctl stop drill-writer.service
  local file
  files 'server.log*' | while read -r file; do read_file "$file"; done >/root/drill.lines
  jq --null-input --compact-output \
    --argjson written "$(sort --key=2,2 --numeric-sort /root/drill.lines | tail --lines=1 | cut --delimiter=' ' --fields=2)" \
    --argjson found "$(wc --lines </root/drill.lines)" \
    --argjson different "$(sort --unique /root/drill.lines | wc --lines)" \
    '{written: $written, found: $found, different: $different}'
}

# Where each file is, and whether its content is right; as JSON: name → [{ tier, right }].
places() {
  local file name tier right sum
  files '*' | while read -r file; do
    name=$(basename "$file" .zst)
    case $file in "$kafka"/*) tier=hot ;; "$warm"/*) tier=warm ;; *) tier=cold ;; esac
    right=true
    if [[ $name == ticks-* ]]; then
      sum=$(read_file "$file" | sha256sum | cut --delimiter=' ' --fields=1)
      grep --quiet --line-regexp "$sum $name" "$sums" || right=false
    fi
    jq --null-input --compact-output --arg name "$name" --arg tier "$tier" --argjson right "$right" \
      '{($name): [{tier: $tier, right: $right}]}'
  done | jq --slurp 'reduce .[] as $one ({}; reduce ($one | to_entries[]) as {$key, $value} (.; .[$key] += $value))'
}

totals() {
  jq --null-input --compact-output \
    --argjson moves "$(cat /var/lib/jts-storage/moves.jsonl* | wc --lines)" \
    --argjson warm "$(find "$warm/daily-backups" -name '*.tar.zst' | wc --lines)" \
    --argjson cold "$(find "$cold/archives/database" -name '*.tar.zst' | wc --lines)" \
    --argjson increments "$(find "$warm/daily-backups" -name '*.rdiff.zst' | wc --lines)" \
    --argjson dumps "$(find "$cold/archives/database" -name '*.dump' | wc --lines)" \
    --argjson configs "$(find "$cold/archives/configs" -name '*.tar.zst' | wc --lines)" \
    '{"moves in the journal": $moves, "archives of volumes on warm": $warm, "archives of volumes on cold": $cold,
      "increments on warm": $increments,
      "dumps on cold": $dumps, "archives of the configuration on cold": $configs}'
}

# What PostgreSQL still has of the quotes, what their archives have, and how many archives there are.
records() {
  local archives=("$cold"/archives/records/*/postgres/public/quotes_*.dump.json)
  jq --slurp --compact-output --argjson kept "$(psql_as postgres "select count(*) from quotes")" \
    '{kept: $kept, archived: ([.[].rows] | add), archives: length, tables: ([.[].table] | unique | length)}' \
    "${archives[@]}"
}

restore_quotes() { # DAY
  "$scripts/nas-archival.sh" restore-records "$cold"/archives/records/*/postgres/public/quotes_"$1"-*.dump --into drill \
    >/dev/null
  psql_as drill "select count(*) from quotes_$1"
}

# How many snapshots of warm there are, and whether the newest one has a file that cleanup deleted.
snapshots() { # DAY
  local name="scratch-$1" snapshots=("$warm"/.jts-snapshots/*)
  [[ ! -e $warm/temp-processing/$name ]]
  sha256sum <"${snapshots[-1]}/temp-processing/$name" | cut --delimiter=' ' --fields=1 |
    xargs -I{} grep --quiet --line-regexp "{} $name" "$sums"
  echo "${#snapshots[@]}"
}

recall_ticks() { # DAY
  "$scripts/tiered-storage.sh" recall "$kafka/exports/ticks-$1" >/dev/null
  sha256sum <"$kafka/exports/ticks-$1" | cut --delimiter=' ' --fields=1 |
    xargs -I{} grep --quiet --line-regexp "{} ticks-$1" "$sums" && echo same
}

restore_dump() {
  "$scripts/nas-archival.sh" postgresql >/dev/null
  psql_as postgres "select count(*) from trades"
  "$scripts/nas-archival.sh" restore postgres --into drill >/dev/null
  psql_as drill "select count(*) from trades"
}

compare_notebooks() {
  "$scripts/nas-archival.sh" development >/dev/null
  diff --recursive /home/jts/notebooks "$cold/development/notebooks" && echo same
}

end() {
  systemctl stop drill-writer.service || true
  pg_ctl stop || true
}
