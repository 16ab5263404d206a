/** Moves of partitions by ClickHouse's own engine, which test/support/clickhouse/client.py runs without a server. */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect } from "vitest";
import { MissingNeed } from "../../../setup/progress.ts";
import { ROOT } from "../../../setup/project.ts";
import { pythonWith } from "../../../setup/python.ts";
import { IS_ROOT, SCRIPTS, test as plain, type Ended, type Settings, type World } from "./world.ts";

const STAND_IN = join(ROOT, "test/support/clickhouse");
const POLICY = readFileSync(join(SCRIPTS, "clickhouse/storage-policy.xml"), "utf8");
/** The path in it, for which an operator writes that of the host's cold tier. */
const COLD = "<path>/mnt/synology/jts/clickhouse/</path>";
/** Without it the parts of a partition may become one part at any time. */
const UNMERGED = "max_bytes_to_merge_at_max_space_in_pool = 1";

const found = await engine();

/** A Python with the engine, or why there is none. CI has it. */
async function engine(): Promise<{ readonly python: string } | { readonly missing: string }> {
  if (!IS_ROOT) return { missing: "needs root for mounts" };
  try {
    return { python: await pythonWith(join(STAND_IN, "requirements.txt")) };
  } catch (error) {
    if (!(error instanceof MissingNeed) || process.env.CI !== undefined) throw error;
    return { missing: `needs the engine from PyPI: ${error.message.split("\n")[0]}` };
  }
}

const test = plain.extend<{ readonly world: World }>({
  world: async ({ world }, use) => {
    if ("missing" in found) throw new Error(found.missing);
    const [data, cold] = [join(world.hot, "clickhouse"), join(world.cold, "jts/clickhouse")];
    for (const folder of [data, cold]) mkdirSync(world.at(folder), { recursive: true });
    const policy = join(world.path, "storage-policy.xml");
    writeFileSync(policy, POLICY.replace(COLD, `<path>${cold}/</path>`));
    const run = `${found.python} -I -B ${join(STAND_IN, "client.py")}`;
    world.program("clickhouse-client", `exec ${run} ${data} ${policy} "$@"`);
    await use(world);
  },
});

/** What the last of these queries prints. */
const query = (world: World, ...queries: string[]) =>
  world.must(["clickhouse-client", "--query", queries.filter((one) => one !== "").join(";")]);

/** Makes a table with some rows of each of these ages, in days, in a part of their own. */
const table = (name: string, time: string, key: string, ages: readonly number[], policy = "jts_tiers") => [
  `CREATE TABLE ${name} (time ${time}, age UInt16, value UInt64) ENGINE = MergeTree ${key} ORDER BY value
     SETTINGS storage_policy = '${policy}', ${UNMERGED}`,
  ...ages.map((age) => `INSERT INTO ${name} SELECT now() - toIntervalDay(${age}), ${age}, number FROM numbers(1000)`),
];

interface Part {
  readonly table: string;
  readonly name: string;
  readonly disk: string;
  readonly hash: string;
  readonly rows: number;
  readonly path: string;
}

async function parts(world: World): Promise<readonly Part[]> {
  const printed = await query(
    world,
    `SELECT table, name, disk_name AS disk, hash_of_all_files AS hash, rows, path FROM system.parts
       WHERE active ORDER BY table, min_block_number
       FORMAT JSONEachRow SETTINGS output_format_json_quote_64bit_integers = 0`,
  );
  return printed
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as Part);
}

/** The disk of each part, by its table, in the order in which they were written. */
async function disks(world: World): Promise<Readonly<Record<string, readonly string[]>>> {
  const byTable = Object.groupBy(await parts(world), (part) => part.table);
  return Object.fromEntries(Object.entries(byTable).map(([name, of = []]) => [name, of.map(({ disk }) => disk)]));
}

/** What a move must not change. */
const contents = (all: readonly Part[]) => all.map(({ table, name, hash, rows }) => [table, name, hash, rows]);

/** Reads all parts of a table, compares them with their checksums, and gives a hash of all rows. */
const readThrough = async (world: World, name: string) => [
  await query(world, `CHECK TABLE ${name} SETTINGS check_query_single_value_result = 1`),
  await query(world, `SELECT count(), sum(cityHash64(*)) FROM ${name}`),
];

/** Sets when a part was written last. */
const written = (world: World, { path }: Part, days: number) => world.must(["touch", `--date=${days} days ago`, path]);

const move = (world: World, automation: Partial<Settings["automation"]>, ...options: string[]): Promise<Ended> =>
  world.run([
    ...[join(SCRIPTS, "nas-archival.sh"), "clickhouse", "--lock", world.lock],
    ...["--settings", world.settings((settings) => Object.assign(settings.automation, automation))],
    ...options,
  ]);
const OLDER = { clickhouseToColdAfterDays: 45 };
const moved = ({ stderr }: Ended) => stderr.match(/moved the partition .*/g) ?? [];

const DAILY = "PARTITION BY toYYYYMMDD(time)";
const why = "missing" in found ? ` (${found.missing})` : "";

describe.skipIf("missing" in found).concurrent(`nas-archival.sh clickhouse${why}`, { timeout: 600_000 }, () => {
  test("moves the partitions that are older than the setting, as they are, and no others; a second run moves none", async ({
    world,
  }) => {
    // Names that must be quoted.
    const odd = "`od d`.`t\\`1\\\\`";
    await query(
      world,
      "CREATE DATABASE `od d`",
      ...table(odd, "DateTime", DAILY, [200, 50, 40, 0]),
      ...table("`od d`.dates", "Date", DAILY, [50, 40]),
      ...table("`od d`.milliseconds", "DateTime64(3)", DAILY, [50, 40]),
      // All rows are in one partition, which is as old as the newest of them.
      ...table("`od d`.mixed", "DateTime", "PARTITION BY toYear(time) < 2000", [200, 0]),
      ...table("`od d`.elsewhere", "DateTime", DAILY, [200], "default"),
    );
    const [before, content] = [await parts(world), await readThrough(world, odd)];
    const dry = await move(world, OLDER, "--dry-run");
    expect([dry.status, await parts(world)]).toEqual([0, before]);

    const first = await move(world, OLDER);
    expect([first.status, moved(first)]).toEqual([0, expect.objectContaining({ length: 4 })]);
    expect(first.stderr).toMatch(/moved the partition \{.*\}, [\d.]+([KMG]i)?B\/s/);
    expect(await disks(world)).toEqual({
      "t`1\\": ["cold", "cold", "default", "default"],
      dates: ["cold", "default"],
      milliseconds: ["cold", "default"],
      mixed: ["default", "default"],
      elsewhere: ["default"],
    });
    const after = await parts(world);
    expect(contents(after)).toEqual(contents(before));
    expect(await readThrough(world, odd)).toEqual(content);
    // What moved is on the NAS alone.
    const files = await world.files();
    for (const { path, disk } of after.filter(({ disk }) => disk === "cold"))
      expect([disk, path.startsWith(`${world.cold}/jts/clickhouse/`)]).toEqual(["cold", true]);
    for (const { path } of before.filter((_, index) => after[index]?.disk === "cold"))
      expect(files.filter((file) => join(world.path, file).startsWith(path))).toEqual([]);

    const second = await move(world, OLDER);
    expect([second.status, moved(second), await parts(world)]).toEqual([0, [], after]);
  });

  test("a partition that failed to move keeps no other one back, and one of which only a part moved is moved by the next run", async ({
    world,
  }) => {
    await query(
      world,
      ...table("blocked", "DateTime", DAILY, [50, 50]),
      ...table("half", "DateTime", DAILY, [50, 50]),
      ...table("whole", "DateTime", DAILY, [50]),
    );
    const before = await parts(world);
    const [blocked, half] = ["blocked", "half"].map((name) => before.find((part) => part.table === name));
    if (blocked === undefined || half === undefined) throw new Error(JSON.stringify(before));
    await query(world, `ALTER TABLE half MOVE PART '${half.name}' TO DISK 'cold'`);
    expect(await disks(world)).toMatchObject({ half: ["cold", "default"] });
    // ClickHouse makes a folder of that name there first.
    const folder = blocked.path.replace(/[^/]+\/$/, "").replace(join(world.hot, "clickhouse"), "");
    const obstacle = join(world.cold, "jts/clickhouse", folder, "moving");
    world.put(obstacle);

    const failing = await move(world, OLDER);
    expect(failing).toMatchObject({
      status: 1,
      stderr: expect.stringMatching(/the partition \{[^}]*"blocked"[^}]*\} is not moved/) as string,
    });
    expect(await disks(world)).toEqual({
      blocked: ["default", "default"],
      half: ["cold", "cold"],
      whole: ["cold"],
    });
    await world.must(["rm", obstacle]);
    const last = await move(world, OLDER);
    expect([last.status, moved(last)]).toEqual([0, [expect.stringContaining("blocked") as string]]);
    const after = await parts(world);
    expect(after.map(({ disk }) => disk)).toEqual(Array(5).fill("cold"));
    expect(contents(after)).toEqual(contents(before));
  });

  test("without a time in its key, or with times of 1970, a partition is as old as its last write", async ({
    world,
  }) => {
    await query(
      world,
      // Rows of 200 days ago, in a table whose key doesn't tell.
      ...table("keyless", "DateTime", "", [200]),
      ...table("numbers", "DateTime", "PARTITION BY age", [199, 200]),
      ...table("unset", "DateTime", DAILY, []),
      ...table("unsetDates", "Date", DAILY, []),
      ...["unset", "unsetDates"].map((name) => `INSERT INTO ${name} SELECT 0, 0, number FROM numbers(1000)`),
    );
    const before = await parts(world);
    expect([(await move(world, OLDER)).status, await parts(world)]).toEqual([0, before]);

    for (const part of before) await written(world, part, part.name.startsWith("199") ? 40 : 50);
    expect(await move(world, OLDER)).toMatchObject({ status: 0 });
    expect(await disks(world)).toEqual({
      keyless: ["cold"],
      numbers: ["default", "cold"],
      unset: ["cold"],
      unsetDates: ["cold"],
    });
    expect(contents(await parts(world))).toEqual(contents(before));
  });

  test("moves no partition for an age that reaches back before 1970, which ClickHouse would take for a time to come", async ({
    world,
  }) => {
    await query(world, ...table("old", "DateTime", DAILY, [10_000, 50]));
    const before = await parts(world);
    for (const days of [30_000, 10 ** 9]) {
      const ended = await move(world, { clickhouseToColdAfterDays: days });
      expect([ended.status, moved(ended), await parts(world)]).toEqual([0, [], before]);
    }
  });

  test("with a limit, the oldest partitions move first, at least one in a run, and the next runs move the others", async ({
    world,
  }) => {
    await query(world, ...table("later", "DateTime", DAILY, [90, 70]), ...table("sooner", "DateTime", DAILY, [80, 60]));
    const size = Number(await query(world, "SELECT max(bytes_on_disk) FROM system.parts WHERE active"));
    const limited = { ...OLDER, clickhouseToColdPerRun: 2 * size };
    const first = await move(world, limited);
    expect(first).toMatchObject({
      status: 0,
      stderr: expect.stringContaining("2 partitions wait for the next run") as string,
    });
    expect(await disks(world)).toEqual({ later: ["cold", "default"], sooner: ["cold", "default"] });
    await move(world, { ...limited, clickhouseToColdPerRun: 1 });
    expect(await disks(world)).toEqual({ later: ["cold", "cold"], sooner: ["cold", "default"] });
    const last = await move(world, limited);
    expect(last.stderr).not.toContain("wait for");
    expect(await disks(world)).toEqual({ later: ["cold", "cold"], sooner: ["cold", "cold"] });
  });
});
