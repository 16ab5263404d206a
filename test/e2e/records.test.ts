/** Old partitions of a running PostgreSQL, archived to the NAS and dropped while somebody writes. */
import { beforeAll, describe, expect, it } from "vitest";
import * as lab from "../../lab/lab.ts";
import { LabStack, only, type HostSection } from "../support/labStack.ts";

const on = async (command: string) => (await lab.run("storage-host", command)).stdout;
const SCRIPT = "/usr/local/lib/jts-storage/nas-archival.sh";
const RECORDS = "/mnt/synology/jts/archives/records";
const DATA = "/var/lib/postgresql/data/pg";
const PSQL =
  "psql --no-psqlrc --set=ON_ERROR_STOP=1 --quiet --tuples-only --no-align --host=/run/postgresql --username=postgres";

const psql = (query: string, database = "trading") => on(`${PSQL} --dbname=${database} <<'END'\n${query}\nEND`);
const server = [
  "runuser -u postgres -- /usr/lib/postgresql/1?/bin/pg_ctl --silent --wait --timeout=120",
  `--pgdata=${DATA} --log=${DATA}.log`,
  `--options='-c listen_addresses= -c unix_socket_directories=/run/postgresql'`,
].join(" ");
const partitions = () =>
  psql(
    "select string_agg(inhrelid::regclass::text, ' ' order by inhrelid::regclass::text) from pg_inherits where inhparent = 'ticks'::regclass",
  );
const FACTS = `select count(*), coalesce(sum(hashtextextended(concat(t.*), 0)), 0) from`;
const dumps = async () =>
  (await on(`find ${RECORDS} -name '*.dump' -not -name '.jts-*' | sort`)).split("\n").filter((path) => path !== "");
let now = Date.UTC(2026, 6, 1) / 1000;
/** By the clock of these runs, three months are older than 90 days. Each run has a stamp of its own. */
const records = () => `${SCRIPT} records --now @${now++}`;
/** Runs it as a service, kills it with all that it started once the condition holds, and waits for its end. */
const killedAt = (condition: string, environment = "") =>
  on(`
    systemd-run --quiet --unit=cut ${environment} ${records()}
    until ${condition}; do systemctl --quiet is-active cut || exit 9; sleep 0.1; done
    systemctl kill --signal=KILL cut
    while systemctl --quiet is-active cut; do sleep 0.1; done
    systemctl reset-failed cut 2>/dev/null || true
  `);
/**
 * Has the next run stop at a program that gets these words, and leave a file that says so. Debian mounts /run with
 * noexec, so the program is elsewhere.
 */
const stoppingAt = (program: string, words: string) =>
  on(`
    mkdir --parents --mode=755 /opt/stopping && rm --force /tmp/stopped
    cat >/opt/stopping/${program} <<'END'
#!/bin/bash
if [[ $* == *${words}* ]]; then touch /tmp/stopped; exec sleep infinity; fi
exec /usr/bin/${program} "$@"
END
    chmod 755 /opt/stopping/${program}
  `);
const STOPPING = "--setenv=PATH=/opt/stopping:/usr/bin:/bin";

/** Ends a unit's psql, and its statement, which the server would finish nevertheless. */
const end = async (unit: string, statement: string) => {
  await psql(
    `select pg_terminate_backend(pid) from pg_stat_activity where pid <> pg_backend_pid() and query like '${statement}'`,
  );
  await on(`while systemctl --quiet is-active ${unit}; do sleep 0.2; done`);
};

beforeAll(async () => {
  await lab.blank();
  const stack = await LabStack.select();
  await stack.configure((host: HostSection) => {
    only("hot", "warm", "cold", "automation")(host);
    host.hot = { ...(host.hot as object), volumes: { postgres: { size: "4GiB" } } };
    host.automation = {
      postgresArchive: [{ database: "trading", table: "ticks", olderThanDays: 90, then: "drop" }],
    };
  });
  await stack.up();
  await on(`
    install --directory --owner=postgres --group=postgres /run/postgresql
    runuser -u postgres -- /usr/lib/postgresql/1?/bin/initdb --no-sync --auth-local=trust --pgdata=${DATA} >/dev/null
    ${server} start
  `);
  await psql("create database trading", "postgres");
  await psql(`
    create table ticks (id bigserial, at timestamptz not null, price float8, venue text) partition by range (at);
    do $$ begin for n in 1..6 loop
      execute format('create table %I partition of ticks for values from (%L) to (%L)', 'ticks_2026_0' || n,
        make_date(2026, n, 1), make_date(2026, n + 1, 1));
    end loop; end $$;
    create index on ticks (at);
    insert into ticks (at, price, venue) select timestamptz '2026-01-01' + make_interval(mins => 10 * n), random(), 'x'
      from generate_series(1, 26000) n;
  `);
});

describe("old partitions of a running PostgreSQL", { tags: ["long"] }, () => {
  let old = "";

  it("survive a run that is killed in the export, in the proof, or in the transaction that drops", async () => {
    old = await psql(`${FACTS} ticks t where at < '2026-04-01'`);
    // Writes to the newest month until it is stopped.
    await on(`
      cat >/root/write.sql <<'END'
      do $$ begin loop
        insert into ticks (at, price, venue) values ('2026-06-15', random(), 'y'); commit; perform pg_sleep(0.01);
      end loop; end $$
END
      systemd-run --quiet --unit=writer ${PSQL} --dbname=trading --file=/root/write.sql
      until (($(${PSQL} --dbname=trading --command="select count(*) from ticks where venue = 'y'") > 100)); do
        sleep 0.2
      done
    `);
    await stoppingAt("pg_dump", "--snapshot=");
    await killedAt("[[ -e /tmp/stopped ]]", STOPPING);
    expect([await dumps(), (await partitions()).split(" ").length]).toEqual([[], 6]);
    await on("rm /opt/stopping/*");
    await stoppingAt("pg_restore", "--single-transaction");
    await killedAt("[[ -e /tmp/stopped ]]", STOPPING);
    expect([await dumps(), (await partitions()).split(" ").length]).toEqual([[], 6]);
    await on("rm /opt/stopping/*");

    // A reader's transaction holds the table, so that the one that drops waits for it, and is killed there.
    await on(`
      systemd-run --quiet --unit=reader ${PSQL} --dbname=trading \\
        --command="begin; select 1 from ticks limit 1; select pg_sleep(3600)"
      until (($(${PSQL} --dbname=trading --command="select count(*) from pg_stat_activity where wait_event = 'PgSleep' and query like 'begin;%'") > 0)); do
        sleep 0.2
      done
    `);
    await killedAt(
      `(($(${PSQL} --dbname=trading --command="select count(*) from pg_locks where not granted and mode = 'AccessExclusiveLock'") > 0))`,
    );
    await end("reader", "begin;%");
    expect((await partitions()).split(" ")).toHaveLength(6);
    expect(await psql(`${FACTS} ticks t where at < '2026-04-01'`)).toBe(old);
  });

  it("that changed after their archive was made stay, and the next run archives them again", async () => {
    // The killed run had archived one at least.
    expect((await dumps()).length).toBeGreaterThan(0);
    await psql("insert into ticks (at, price, venue) values ('2026-02-10', 1, 'late')");
    // Between its own export and its own end: while the program that proves it runs.
    await on(`
      cat >/opt/stopping/pg_restore <<'END'
#!/bin/bash
if [[ $* == *--single-transaction* && ! -e /tmp/inserted ]]; then
  touch /tmp/inserted
  ${PSQL} --dbname=trading --command="insert into ticks (at, price, venue) values ('2026-02-11', 1, 'later')"
fi
exec /usr/bin/pg_restore "$@"
END
      chmod 755 /opt/stopping/pg_restore; rm --force /tmp/inserted
    `);
    const { exitCode, stderr } = await lab.run("storage-host", `PATH=/opt/stopping:$PATH ${records()}`, {
      mayFail: true,
    });
    expect([exitCode, stderr]).toEqual([
      1,
      expect.stringContaining("has changed since it was archived, so it stays") as string,
    ]);
    expect(await partitions()).toBe("ticks_2026_02 ticks_2026_04 ticks_2026_05 ticks_2026_06");
    await on("rm -r /opt/stopping");
    await on(records());
    expect(await partitions()).toBe("ticks_2026_04 ticks_2026_05 ticks_2026_06");
    // That of the one that changed is there twice at least.
    expect((await dumps()).length).toBeGreaterThan(3);
    expect(await on(`find ${RECORDS} -name '.jts*'; ${PSQL} --dbname=postgres --command='\\l jts*'`)).not.toContain(
      "jts",
    );
  });

  it("come back as they were: the table and the archives have all that was written, and the timer's service is well", async () => {
    // By its own clock, that service may archive more of them; its first run drops none.
    const newest = (await dumps()).filter((path, index, all) => all[index + 1]?.slice(0, -21) !== path.slice(0, -21));
    expect(newest).toHaveLength(3);
    await end("writer", "%begin loop%commit%");
    await on(`
      systemctl start nas-archival.service
      ${SCRIPT} verify >/dev/null
      cd ${RECORDS} && find . -name '*.sha256' -execdir sha256sum --quiet --check {} +
    `);
    expect(await on(`find ${RECORDS} -type f -printf '%m %u\\n' | sort --unique`)).toBe("600 root");
    await psql("create database back", "postgres");
    await psql("create sequence ticks_id_seq", "back");
    for (const path of newest) await on(`${SCRIPT} restore-records ${path} --into back`);
    const again = await lab.run("storage-host", `${SCRIPT} restore-records ${newest[0]} --into back`, {
      mayFail: true,
    });
    expect([again.exitCode, again.stderr]).toEqual([
      1,
      expect.stringContaining("a restore never changes one") as string,
    ]);
    const all = newest.map((path) => `table ${/ticks_2026_\d\d/.exec(path)?.[0]}`).join(" union all ");
    expect(await psql(`${FACTS} (${all}) t where venue = 'x'`, "back")).toBe(old);
    expect(await psql(`select venue from (${all}) t where venue <> 'x' order by 1`, "back")).toBe("late\nlater");
    // All numbers of the sequence that were committed are somewhere, and none is twice.
    const [kept, given] = (await psql("select count(*), (select last_value from ticks_id_seq) from ticks"))
      .split("|")
      .map(Number);
    const [archived] = (await psql(`select count(distinct id) from (${all}) t`, "back")).split("|").map(Number);
    // The writer's last one may not have been committed.
    expect(given! - kept! - archived!).toBeLessThanOrEqual(1);
    await on(`${server} --mode=fast stop`);
  });
});
