/** Old records of PostgreSQL, with a real server. */
import { chmodSync, mkdirSync, readFileSync, writeFileSync, existsSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, vi } from "vitest";
import { PostgresServer, SERVER_PROGRAMS } from "../../support/postgresServer.ts";
import { IS_ROOT, SCRIPTS, test as plain, type Ended, type Settings, type World } from "./world.ts";

const missing = !IS_ROOT ? "needs root for mounts" : SERVER_PROGRAMS === undefined ? "needs PostgreSQL's server" : "";
const text = (part: string) => expect.stringContaining(part) as string;
type Rule = NonNullable<Settings["automation"]["postgresArchive"]>[number];

let server: PostgresServer;
let count = 0;
beforeAll(async () => {
  if (missing === "") server = await PostgresServer.start();
}, 120_000);
afterAll(async () => {
  await (server as PostgresServer | undefined)?.[Symbol.asyncDispose]();
});

const test = plain.extend<{ readonly world: World; readonly database: string }>({
  world: async ({ world }, use) => {
    for (const folder of ["archives/records", "archives/database", "archives/configs"])
      mkdirSync(world.at(join(world.cold, "jts", folder)), { recursive: true });
    world.program("uname", "echo trading");
    // The programs in it are run by postgres too.
    chmodSync(world.path, 0o711);
    writeFileSync(join(world.path, "calls"), "");
    chmodSync(join(world.path, "calls"), 0o666);
    await use(world);
  },
  // eslint-disable-next-line no-empty-pattern -- vitest reads which fixtures this one needs off its parameter
  database: async ({}, use) => {
    const database = `trading=${++count} "x'`;
    await server.query("postgres", `create database ${quoted(database)}`);
    await use(database);
  },
});

const quoted = (name: string) => `"${name.replaceAll('"', '""')}"`;
const MONTHS = ["2026-01", "2026-02", "2026-03", "2026-04", "2026-05", "2026-06"];
const next = (month: string) => MONTHS[MONTHS.indexOf(month) + 1] ?? "2026-07";
/** Such a name is one too. */
const HOSTILE = `p.'"\\ ; \n$1`;
const partition = (month: string) => quoted(month === "2026-02" ? HOSTILE : `ticks_${month}`);
const NOW = "2026-07-01";

/** Six months of ticks, with types, defaults and a column that has the name of an alias. */
const ticks = (database: string) =>
  server.query(
    database,
    "create schema market",
    "create type market.side as enum ('buy', 'sell')",
    "create table market.ticks (id bigserial, at timestamptz not null, side market.side, t text, price float8)" +
      " partition by range (at)",
    "create index on market.ticks (at)",
    "create table market.rest partition of market.ticks default",
    ...MONTHS.flatMap((month) => [
      `create table market.${partition(month)} partition of market.ticks for values from ('${month}-01') to ('${next(month)}-01')`,
      "insert into market.ticks (at, side, t, price) select" +
        ` timestamptz '${month}-01' + make_interval(hours => n), 'buy', 'line' || chr(10) || n, random() from generate_series(1, 100) n`,
    ]),
  );

const argv = (world: World, action: readonly string[], rules: readonly Rule[], ...options: string[]) => [
  ...[join(SCRIPTS, "nas-archival.sh"), ...action, "--lock", world.lock, "--settings"],
  world.settings((settings) => {
    settings.automation.postgresArchive = [...rules];
    settings.probeSeconds = 30;
  }),
  ...options,
];
const environment = () => server.environment;
const archive = (world: World, rules: readonly Rule[], ...options: string[]): Promise<Ended> =>
  world.start(argv(world, ["records"], rules, "--now", NOW, ...options), environment()).ended;
const run = (world: World, ...action: string[]): Promise<Ended> =>
  world.start(argv(world, action, []), environment()).ended;
/** Partitions that end before 2026-04-02. */
const rule = (database: string, change: Partial<Rule> = {}): Rule => ({
  ...{ database, schema: "market", table: "ticks", olderThanDays: 90, then: "keep" },
  ...change,
});

const dumps = async (world: World) =>
  (await world.files()).filter((path) => /^cold\/jts\/archives\/records\/.*\.dump$/.test(path));
const left = async (world: World) => (await world.files()).filter((path) => path.includes(".jts-"));
const partitions = (database: string) =>
  server.query(database, "select count(*) from pg_inherits where inhparent = 'market.ticks'::regclass");
const rows = (database: string, table = "market.ticks") =>
  server.query(database, `select count(*), coalesce(sum(hashtextextended(concat(t.*), 0)), 0) from ${table} t`);
const scratch = () => server.query("postgres", "select count(*) from pg_database where datname like 'jts-storage%'");
/** Has a program run with these lines of bash before it or after it. */
const around = (world: World, name: string, before: string, after = "") =>
  world.program(name, `${before}\n${join(SERVER_PROGRAMS!, name)} "$@"; status=$?\n${after}\nexit $status`);

describe.skipIf(missing !== "")(`nas-archival.sh records${missing && ` (${missing})`}`, { timeout: 300_000 }, () => {
  test("archives the partitions that are older than the setting, and drops them: what is in the table and in the archives is all that was written", async ({
    world,
    database,
  }) => {
    await ticks(database);
    const before = await rows(database);
    const dry = await archive(world, [rule(database, { then: "drop" })], "--dry-run");
    expect([dry.status, await dumps(world), await rows(database)]).toEqual([0, [], before]);
    expect(dry.stdout).toContain("would have dropped");

    const ended = await archive(world, [rule(database, { then: "drop" })], "--json");
    expect([ended.status, ended.stderr]).toEqual([0, text("dropped")]);
    expect(await partitions(database)).toBe("4");
    expect(await dumps(world)).toHaveLength(3);
    expect([await left(world), await scratch()]).toEqual([[], "0"]);
    const listed = JSON.parse((await run(world, "list", "--json")).stdout) as {
      archives: { path: string; kind: string; hasChecksum: boolean }[];
    };
    expect(listed.archives.map(({ kind, hasChecksum }) => [kind, hasChecksum])).toEqual(
      Array(3).fill(["records", true]),
    );
    expect((await run(world, "verify")).stdout.match(/^ok {2}/gm)).toHaveLength(3);

    await server.query("postgres", `create database ${quoted(`${database} back`)}`);
    await server.query(
      `${database} back`,
      "create schema market",
      "create type market.side as enum ('buy', 'sell')",
      "create sequence market.ticks_id_seq",
    );
    await server.query(
      `${database} back`,
      "create table market.ticks (id bigint not null default nextval('market.ticks_id_seq'), at timestamptz not null, side market.side, t text, price float8) partition by range (at)",
    );
    for (const { path } of listed.archives) {
      const back = await run(world, "restore-records", path, "--into", `${database} back`);
      expect([back.status, back.stderr]).toEqual([0, text("restored")]);
      const again = await run(world, "restore-records", path, "--into", `${database} back`);
      expect([again.status, again.stderr]).toEqual([1, text("a restore never changes one")]);
      const mode = await world.must(["stat", "--format=%a", path, `${path}.sha256`, `${path}.json`]);
      expect(mode).toBe("600\n600\n600\n");
    }
    await server.query(
      `${database} back`,
      ...["2026-01", "2026-02", "2026-03"].map(
        (month) =>
          `alter table market.ticks attach partition market.${partition(month)} for values from ('${month}-01') to ('${next(month)}-01')`,
      ),
    );
    const sum = async (...all: string[]) => {
      const both = await Promise.all(all.map(async (one) => (await rows(one)).split("|").map(BigInt)));
      return both.reduce(([a = 0n, b = 0n], [c = 0n, d = 0n]) => [a + c, b + d]).join("|");
    };
    expect(await sum(database, `${database} back`)).toBe(before);
  });

  test("are archived, proved and restored at the pace of the limit of bandwidth", async ({ world, database }) => {
    await ticks(database);
    await server.query(
      database,
      "insert into market.ticks (at, t) select '2026-01-02', string_agg(md5(random()::text), '') from generate_series(1, 80000)",
    );
    const rules = [rule(database, { olderThanDays: 140 })];
    const limited = async (action: readonly string[], ...options: string[]) => {
      const words = argv(world, action, rules, ...options);
      world.settings((settings) => {
        settings.automation.postgresArchive = rules;
        settings.automation.transfers = { bandwidthMiBPerSecond: 1 };
        settings.probeSeconds = 30;
      });
      const began = performance.now();
      const { status, stderr } = await world.start(words, environment()).ended;
      expect([status, stderr]).toEqual([0, expect.anything()]);
      return (performance.now() - began) / 1000;
    };
    const seconds = await limited(["records"], "--now", NOW);
    const [path = ""] = await dumps(world);
    const mib = statSync(world.at(join(world.path, path))).size / 2 ** 20;
    expect(mib).toBeGreaterThan(1);
    // Written, read back, read by pg_restore, and restored; a second and a piece may be made up for.
    expect(4 * mib).toBeLessThanOrEqual(seconds + 2);
    const back = `${database} limited`;
    await server.query("postgres", `create database ${quoted(back)}`);
    await server.query(
      back,
      "create schema market",
      "create type market.side as enum ('buy', 'sell')",
      "create sequence market.ticks_id_seq",
    );
    // Its checksum, read by pg_restore, restored.
    expect(3 * mib).toBeLessThanOrEqual(
      (await limited(["restore-records", join(world.path, path)], "--into", back)) + 2,
    );
    const table = `market.${partition("2026-01")}`;
    expect(await rows(back, table)).toBe(await rows(database, table));
  });

  test("a second run archives only what has changed, with a new stamp, and the older archive stays", async ({
    world,
    database,
  }) => {
    await ticks(database);
    expect((await archive(world, [rule(database)])).status).toBe(0);
    const first = await dumps(world);
    expect((await archive(world, [rule(database)], "--now", "2026-07-01 00:00:01")).stderr).toContain(
      "archived already",
    );
    expect(await dumps(world)).toEqual(first);
    await server.query(
      database,
      `update market.${partition("2026-02")} set price = 1 where id = (select min(id) from market.${partition("2026-02")})`,
    );
    const drop = await archive(world, [rule(database, { then: "drop" })], "--now", "2026-07-01 00:00:02");
    expect(drop.status).toBe(0);
    const second = await dumps(world);
    expect(second).toEqual(expect.arrayContaining(first));
    expect(second).toHaveLength(4);
    expect(await partitions(database)).toBe("4");
  });

  test("a partition that changed after it was archived is not dropped, and the next run archives it again", async ({
    world,
    database,
  }) => {
    await ticks(database);
    const insert = join(world.path, "insert.sql");
    writeFileSync(insert, "insert into market.ticks (at) values ('2026-02-03')");
    around(
      world,
      "pg_dump",
      "",
      `[[ $* != *ticks_2026-01* ]] || ${SERVER_PROGRAMS}/psql --no-psqlrc --quiet --file=${insert} --set=ON_ERROR_STOP=1 || exit 9`,
    );
    // While the first one is archived, the second one is not yet; so it is written to when its own archive is there.
    writeFileSync(insert, "insert into market.ticks (at) values ('2026-01-03')");
    const ended = await archive(world, [rule(database, { then: "drop" })]);
    expect([ended.status, ended.stderr]).toEqual([1, text("has changed since it was archived, so it stays")]);
    expect(await partitions(database)).toBe("5");
    expect(await server.query(database, `select count(*) from market.${partition("2026-01")}`)).toBe("101");
    rmSync(join(world.programs, "pg_dump"));
    expect((await archive(world, [rule(database, { then: "drop" })], "--now", "2026-07-02")).status).toBe(0);
    expect(await partitions(database)).toBe("4");
    expect(await dumps(world)).toHaveLength(4);
  });

  test("an archive that does not have the rows that were counted gets no name, and nothing is dropped", async ({
    world,
    database,
  }) => {
    await ticks(database);
    const before = await rows(database);
    // Dumps the rows of another moment: a row is gone by then.
    const remove = `delete from market.ticks where id = 1`;
    around(
      world,
      "pg_dump",
      `args=(); for one; do [[ $one == --snapshot=* ]] || args+=("$one"); done; set -- "\${args[@]}"; [[ $* != *ticks_2026-01* ]] || ${SERVER_PROGRAMS}/psql --no-psqlrc --quiet --command="${remove}"`,
    );
    const ended = await archive(world, [rule(database, { then: "drop", olderThanDays: 140 })]);
    expect([ended.status, ended.stderr]).toEqual([1, text("99 rows with the hash")]);
    expect([await dumps(world), await left(world), await partitions(database), await scratch()]).toEqual([
      [],
      [],
      "7",
      "0",
    ]);
    expect(before.split("|")[0]).toBe("600");
  });

  test("what depends on a partition makes it stay, with words; a detached one is a table of its own", async ({
    world,
    database,
  }) => {
    await ticks(database);
    await server.query(database, `create view market.seen as select * from market.${partition("2026-01")}`);
    const ended = await archive(world, [rule(database, { then: "drop" })]);
    expect([ended.status, ended.stderr]).toEqual([1, text("view market.seen depends on table")]);
    expect(await partitions(database)).toBe("5");
    expect((await archive(world, [rule(database, { then: "detach" })])).status).toBe(0);
    expect(await partitions(database)).toBe("4");
    expect(await server.query(database, "select count(*) from market.seen")).toBe("100");
  });

  test("a partition that somebody uses stays, and goes in a later run", async ({ world, database }) => {
    await ticks(database);
    const holding = "begin; select from market.ticks limit 1; select pg_sleep(600)";
    const held = server.query(database, holding).catch(() => "cancelled");
    await vi.waitFor(
      async () =>
        expect(
          await server.query(
            "postgres",
            "select count(*) from pg_stat_activity where query = 'select pg_sleep(600);' and wait_event = 'PgSleep'",
          ),
        ).toBe("1"),
      { timeout: 60_000 },
    );
    const ended = await archive(world, [rule(database, { then: "drop", olderThanDays: 140 })]);
    expect([ended.status, ended.stderr]).toEqual([1, text("lock timeout")]);
    expect([await partitions(database), await dumps(world)]).toEqual(["7", expect.objectContaining({ length: 1 })]);
    await server.query(
      "postgres",
      "select pg_cancel_backend(pid) from pg_stat_activity where query = 'select pg_sleep(600);'",
    );
    expect(await held).toBe("cancelled");
    expect((await archive(world, [rule(database, { then: "drop", olderThanDays: 140 })])).status).toBe(0);
    expect(await partitions(database)).toBe("6");
  });

  test.for([
    ["the export", "pg_dump", "ticks_2026-01"],
    ["the proof", "pg_restore", "--single-transaction"],
  ] as const)(
    "a run that is killed in %s leaves all as it was, and the next run finishes",
    async ([, program, sign], { world, database }) => {
      await ticks(database);
      const pid = join(server.folder, `pid-${program}`);
      around(
        world,
        program,
        `if [[ $* == *${sign}* ]]; then echo $$ >${pid}.new; mv ${pid}.new ${pid}; exec sleep infinity; fi`,
      );
      const began = world.start(
        argv(world, ["records"], [rule(database, { then: "drop" })], "--now", NOW),
        environment(),
      );
      await vi.waitFor(() => expect(existsSync(pid)).toBe(true), { timeout: 60_000 });
      began.child.kill("SIGKILL");
      process.kill(Number(readFileSync(pid, "utf8")), "SIGKILL");
      await began.ended;
      expect([await dumps(world), await partitions(database)]).toEqual([[], "7"]);
      rmSync(join(world.programs, program));
      await finish(world, database);
      expect(await dumps(world)).toHaveLength(3);
    },
  );

  test("a run that is killed in the transaction that drops leaves all as it was, and the next run finishes", async ({
    world,
    database,
  }) => {
    await ticks(database);
    const seen = join(server.folder, "seen");
    // Of what a psql gets on its standard input, all but the statement that drops.
    world.program(
      "psql",
      `[[ $* == *--command=* ]] && exec ${SERVER_PROGRAMS}/psql "$@"
while IFS= read -r line; do
  if [[ $line == 'drop table '* ]]; then touch ${seen}; exec cat >/dev/null; fi
  printf '%s\\n' "$line"
done | ${SERVER_PROGRAMS}/psql "$@"`,
    );
    const began = world.start(
      argv(world, ["records"], [rule(database, { then: "drop" })], "--now", NOW),
      environment(),
    );
    await vi.waitFor(() => expect(existsSync(seen)).toBe(true), { timeout: 60_000 });
    began.child.kill("SIGKILL");
    await began.ended;
    rmSync(join(world.programs, "psql"));
    await finish(world, database);
    expect(await dumps(world)).toHaveLength(3);
  });

  /** Runs until the processes of the killed run have ended, and the lock is free. */
  async function finish(world: World, database: string) {
    await vi.waitFor(
      async () => expect(await archive(world, [rule(database, { then: "drop" })])).toMatchObject({ status: 0 }),
      { timeout: 120_000 },
    );
    expect([await partitions(database), await left(world), await scratch()]).toEqual(["4", [], "0"]);
    expect((await rows(database)).split("|")[0]).toBe("300");
  }

  test("whole tables are found by the date in their names, and by nothing else", async ({ world, database }) => {
    const names = [
      "day_20260101_",
      "day_20260402_",
      "day_20261301_",
      "day_202601011_",
      "my_20260101_",
      "day_20260102_",
    ];
    await server.query(database, ...names.map((name) => `create table ${quoted(name)} as select 1 as t`));
    const tables = rule(database, { schema: "public", tables: "d*_%Y%m%d_", then: "drop" });
    delete (tables as { table?: string }).table;
    expect((await archive(world, [tables])).status).toBe(0);
    expect(
      await server.query(
        database,
        "select relname from pg_class where relnamespace = 'public'::regnamespace order by relname collate \"C\"",
      ),
    ).toBe("day_202601011_\nday_20260402_\nday_20261301_\nmy_20260101_");
    expect(await dumps(world)).toHaveLength(2);
  });

  test.for([
    ["partition by list (side)", "is not partitioned by RANGE"],
    ["partition by range (at, side)", "is not partitioned by RANGE"],
    ["partition by range (date_trunc('day', at))", "is not partitioned by RANGE"],
    ["", "is not partitioned by RANGE"],
  ] as const)("a table with `%s` is refused with words", async ([how, words], { world, database }) => {
    await server.query(database, "create schema market", `create table market.ticks (at timestamp, side text) ${how}`);
    const ended = await archive(world, [rule(database), rule(database, { table: "none" })]);
    expect([ended.status, ended.stderr]).toEqual([1, text(words)]);
    expect(ended.stderr).toContain(`has no table "market"."none"`);
  });

  test("without --now, the first run drops nothing; nothing of ours ever deletes an archive of records", async ({
    world,
    database,
  }) => {
    await ticks(database);
    const first = await world.start(argv(world, ["records"], [rule(database, { then: "drop" })]), environment()).ended;
    expect([first.status, first.stderr]).toEqual([0, text("stays in this run: it is the first run")]);
    expect(await partitions(database)).toBe("7");
    const second = await world.start(argv(world, ["records"], [rule(database, { then: "drop" })]), environment()).ended;
    expect([second.status, await partitions(database)]).not.toEqual([0, "7"]);
    const before = (await world.files()).filter((path) => path.startsWith("cold/jts/archives/records/"));
    expect(before.length).toBeGreaterThan(8);
    for (const words of [
      ["nas-archival.sh", "all"],
      ["lvm-backup.sh", "cleanup"],
      ["tiered-storage.sh", "cleanup", "--yes"],
      ["tiered-storage.sh", "migrate"],
    ]) {
      const [script = "", ...action] = words;
      const settings = world.settings((one) => {
        Object.assign(one.automation, {
          archivesKeptDays: 1,
          developmentKeptDays: 1,
          postgresDatabases: ["postgres"],
          backupsKeptDays: 1,
          coldRetention: { weekly: 1, monthly: 0, yearly: 0 },
        });
      });
      const now = script === "tiered-storage.sh" ? [] : ["--now", "2056-07-01"];
      await world.start(
        [join(SCRIPTS, script), ...action, "--settings", settings, "--lock", world.lock, ...now],
        environment(),
      ).ended;
    }
    expect((await world.files()).filter((path) => path.startsWith("cold/jts/archives/records/"))).toEqual(before);
  });
});
