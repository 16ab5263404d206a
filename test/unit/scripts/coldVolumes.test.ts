/** The scripts on a host whose cold tier has a second export, `marketdata`. */
import { existsSync, mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect } from "vitest";
import { IS_ROOT, SCRIPTS, test as plain, type Settings, type World } from "./world.ts";

const text = (part: string) => expect.stringContaining(part) as string;
const DAY = 86400;
const NOW = Date.UTC(2026, 5, 30, 12) / 1000;
const stampOf = (seconds: number) => new Date(seconds * 1000).toISOString().replaceAll(/[-:]|\.000/g, "");

const second = (world: World) => join(world.path, "marketdata");

const test = plain.extend<{ readonly world: World }>({
  world: async ({ world }, use) => {
    mkdirSync(second(world));
    await world.must(["mount", "-t", "tmpfs", "nas2:/ticks", second(world)]);
    for (const folder of ["archives/configs", "archives/database", "development"])
      for (const tier of [world.cold, second(world)])
        mkdirSync(world.at(join(tier, "jts", folder)), { recursive: true });
    for (const folder of ["daily-backups", "logs", "temp-processing"]) mkdirSync(world.at(join(world.warm, folder)));
    for (const folder of ["postgresql/logs", "kafka/logs"])
      mkdirSync(world.at(join(world.hot, folder)), { recursive: true });
    world.program("uname", "echo trading");
    world.program("lsblk", "echo '{}'");
    await use(world);
  },
});

/** The settings of this host, with what the second export holds. */
const settingsOf = (world: World, holds: readonly string[] = [], change: (settings: Settings) => unknown = () => 0) =>
  world.settings((settings) => {
    const cold = { mountPoint: second(world), source: "nas2:/ticks", root: join(second(world), "jts") };
    const volumes = { marketdata: { ...cold, ...(holds.length > 0 && { holds }) } };
    Object.assign(settings, { coldVolumes: volumes, probeSeconds: 3 });
    settings.automation.metricsFolder = join(world.path, "metrics");
    change(settings);
  });
const runOn = (world: World, settings: string, program: string, ...words: string[]) =>
  world.run([join(SCRIPTS, program), ...words, "--settings", settings, "--lock", world.lock]);
/** All files on an export, by their paths in our folder. */
const filesOn = (world: World, export_: string) =>
  readdirSync(world.at(join(export_, "jts")), { recursive: true, withFileTypes: true })
    .filter((one) => one.isFile())
    .map((one) => join(one.parentPath, one.name).slice(world.at(join(export_, "jts/")).length))
    .sort();

const RULE = {
  name: "ticks",
  source: "",
  pattern: "*.parquet",
  olderThanDays: 2,
  to: "marketdata",
  destination: "raw",
  compress: false,
  keep: false,
};
const withRule = (world: World) => (settings: Settings) => {
  settings.automation.rules = [{ ...RULE, source: join(world.hot, "ticks") }];
};

describe.skipIf(!IS_ROOT).concurrent("a second export (needs root for mounts)", { timeout: 240_000 }, () => {
  test("rules move to it by its name, backups to the first, and the journal finds both", async ({ world }) => {
    const tick = world.put(join(world.hot, "ticks/a.parquet"), "ticks");
    const backup = world.put(join(world.warm, "daily-backups/old.tar"), "backup");
    const settings = settingsOf(world, [], withRule(world));
    expect(await runOn(world, settings, "tiered-storage.sh", "migrate")).toMatchObject({ status: 0 });
    expect(filesOn(world, second(world))).toEqual(["raw/a.parquet"]);
    expect(filesOn(world, world.cold)).toEqual(["archives/database/old.tar"]);
    for (const [name, from] of [
      ["a.parquet", tick],
      ["old.tar", backup],
    ] as const)
      expect(await runOn(world, settings, "tiered-storage.sh", "where", name)).toMatchObject({ stdout: text(from) });
    const moved = join(second(world), "jts/raw/a.parquet");
    expect(await runOn(world, settings, "tiered-storage.sh", "recall", moved)).toMatchObject({ status: 0 });
    expect(world.read(tick)).toBe("ticks");
    // Nothing is left to move, so that a second run changes nothing.
    expect(await runOn(world, settings, "tiered-storage.sh", "check")).toMatchObject({
      stdout: text(`cold  ${second(world)}: 0 %`),
    });
  });

  test("what it holds goes there in place of the first", async ({ world }) => {
    world.put(join(world.warm, "daily-backups/old.tar"), "backup");
    world.put(join(world.hot, "notes/a"), "note");
    const settings = settingsOf(world, ["backups", "configs", "development"], (one) => {
      one.automation.developmentFolders = [join(world.hot, "notes")];
    });
    expect(await runOn(world, settings, "tiered-storage.sh", "migrate")).toMatchObject({ status: 0 });
    for (const action of ["configs", "development"])
      expect(await runOn(world, settings, "nas-archival.sh", action, "--now", `@${NOW}`)).toMatchObject({ status: 0 });
    expect(filesOn(world, world.cold)).toEqual([]);
    const archive = `archives/configs/configs-trading-${stampOf(NOW)}.tar.zst`;
    expect(filesOn(world, second(world))).toEqual([
      archive,
      `${archive}.sha256`,
      "archives/database/old.tar",
      "development/.copies/notes",
      "development/notes/a",
    ]);
  });

  test.for<[string, "cold" | "marketdata", string]>([
    ["the first", "cold", "nothing moves to cold: "],
    ["the second", "marketdata", "nothing moves to marketdata: "],
  ])("where %s is away, moves to the other one go on", async ([, away, message], { world }) => {
    world.put(join(world.hot, "ticks/a.parquet"));
    world.put(join(world.warm, "daily-backups/old.tar"));
    world.silence(join(world.path, away));
    const settings = settingsOf(world, [], withRule(world));
    const { status, stderr } = await runOn(world, settings, "tiered-storage.sh", "migrate");
    expect([status, stderr]).toEqual([1, text(`${message}${join(world.path, away)} does not answer`)]);
    expect(filesOn(world, second(world))).toEqual(away === "cold" ? ["raw/a.parquet"] : []);
    expect(filesOn(world, world.cold)).toEqual(away === "cold" ? [] : ["archives/database/old.tar"]);
  });

  test("above warm's high mark, logs go where logs are held", async ({ world }) => {
    for (let day = 20; day < 27; day++)
      world.put(join(world.warm, `logs/${day}.tar`), Buffer.alloc(8 * 2 ** 20, day), day);
    const settings = settingsOf(world, ["logs"]);
    expect(await runOn(world, settings, "tiered-storage.sh", "migrate")).toMatchObject({ status: 0 });
    expect(filesOn(world, second(world)).length).toBeGreaterThan(0);
    expect(filesOn(world, second(world)).every((file) => file.startsWith("archives/logs/"))).toBe(true);
    expect(filesOn(world, world.cold)).toEqual([]);
  });

  test("archives on both are listed, verified and extracted; one that only had some earlier may be away", async ({
    world,
  }) => {
    const configsAt = async (holds: readonly string[], now: number) =>
      expect(
        await runOn(world, settingsOf(world, holds), "nas-archival.sh", "configs", "--now", `@${now}`),
      ).toMatchObject({ status: 0 });
    await configsAt([], NOW - DAY);
    await configsAt(["configs", "database"], NOW);
    const settings = settingsOf(world, ["configs", "database"]);
    const list = async () => {
      const { status, stdout, stderr } = await runOn(world, settings, "nas-archival.sh", "list", "--json");
      const { archives } = JSON.parse(stdout) as { archives: { path: string }[] };
      return { status, stderr, paths: archives.map(({ path }) => path) };
    };
    const [earlier, now] = [
      join(world.cold, `jts/archives/configs/configs-trading-${stampOf(NOW - DAY)}.tar.zst`),
      join(second(world), `jts/archives/configs/configs-trading-${stampOf(NOW)}.tar.zst`),
    ];
    expect(await list()).toMatchObject({ status: 0, paths: [earlier, now] });
    expect(await runOn(world, settings, "nas-archival.sh", "verify")).toMatchObject({
      status: 0,
      stdout: text(earlier),
    });
    const to = join(world.path, "out");
    expect(await runOn(world, settings, "nas-archival.sh", "extract", "etc/fstab", "--to", to)).toMatchObject({
      status: 0,
      stderr: text(now),
    });
    await world.must(["umount", world.cold]);
    expect(await list()).toMatchObject({
      status: 0,
      stderr: text("archives that went to cold earlier are left out: nothing is mounted"),
      paths: [now],
    });
    await world.must(["umount", second(world)]);
    expect(await list()).toMatchObject({ status: 1, stderr: text("marketdata cannot be read: "), paths: [] });
  });

  test("archives of volumes are listed on both, and verified where they are", async ({ world }) => {
    const name = (day: number) => `lv_kafka-${stampOf(NOW - day * DAY)}.tar.zst`;
    for (const [tier, day] of [
      [world.cold, 9],
      [second(world), 2],
    ] as const) {
      const folder = join(tier, "jts/archives/database");
      world.put(join(folder, "x"), "content");
      await world.must([
        ...["bash", "-euc", 'cd "$1"; tar --create x | zstd --quiet >"$2"; rm x; sha256sum "$2" >"$2.sha256"'],
        ...["make", folder, name(day)],
      ]);
    }
    const settings = settingsOf(world, ["backups"]);
    const { stdout } = await runOn(world, settings, "lvm-backup.sh", "list", "--json");
    expect((JSON.parse(stdout) as { archives: object[] }).archives).toMatchObject([
      { name: name(9), tier: "cold", hasChecksum: true },
      { name: name(2), tier: "cold", hasChecksum: true },
    ]);
    const verified = await runOn(world, settings, "lvm-backup.sh", "verify");
    expect(verified.status).toBe(0);
    for (const [tier, day] of [
      [world.cold, 9],
      [second(world), 2],
    ] as const)
      expect(verified.stdout).toContain(`ok  ${tier}/jts/archives/database/${name(day)}`);
  });

  test("health reports each, and says which one does not answer", async ({ world }) => {
    world.program("smartctl", `echo '{"smart_status": {"passed": true}}'`);
    world.program("iostat", `echo '{"sysstat": {"hosts": [{"statistics": []}]}}'`);
    mkdirSync(join(world.path, "metrics"));
    const health = () =>
      world.run([join(SCRIPTS, "storage-health.sh"), "--settings", settingsOf(world), "--save", "--json"]);
    const coldOf = (stdout: string) =>
      (JSON.parse(stdout) as { findings: { level: string; subject: string; fact: string; next: string }[] }).findings
        .filter(({ subject }) => subject === "cold")
        .map(({ level, fact }) => [level, fact]);
    expect(coldOf((await health()).stdout)).toEqual([
      ["ok", text(`${world.cold}: 0 %`)],
      ["ok", text(`${second(world)}: 0 %`)],
    ]);
    world.silence(second(world));
    const { status, stdout } = await health();
    expect(status).toBe(2);
    expect(coldOf(stdout)).toEqual([
      ["ok", text(`${world.cold}: 0 %`)],
      ["critical", `${second(world)} does not answer within 3 s`],
    ]);
    expect(stdout).toContain("nas2 does not answer on port 2049");
    const metrics = world.read(join(world.path, "metrics/jts-storage.prom"));
    expect(metrics).toContain(`jts_storage_tier_answers{tier="cold",mount_point="${world.cold}"} 1`);
    expect(metrics).toContain(`jts_storage_tier_answers{tier="cold",mount_point="${second(world)}"} 0`);
  });

  test("health tells once of the cache that serves both, and unmounts both where neither uses it", async ({
    world,
  }) => {
    world.program("systemctl", "echo ActiveState=inactive");
    const settings = settingsOf(world, [], (one) => {
      one.cold!.cache = {
        mountPoint: join(world.path, "none"),
        service: "jts-storage-nfs-cache.service",
        sizeBytes: 1,
      };
    });
    const { stdout } = await world.run([join(SCRIPTS, "storage-health.sh"), "--settings", settings, "--json"]);
    const { findings } = JSON.parse(stdout) as { findings: { level: string; fact: string; remedy: string }[] };
    const [one, other] = [world.cold, second(world)];
    expect(findings.filter(({ fact }) => fact.includes("cache"))).toEqual([
      expect.objectContaining({
        level: "warning",
        fact: `the cache of what is read from ${one} and ${other} does not run: jts-storage-nfs-cache.service is inactive`,
      }),
      expect.objectContaining({
        level: "warning",
        fact: `${one} and ${other} are mounted without fsc, so that the cache is not used there`,
        remedy: expect.stringContaining(`umount ${one} ${other}; mount ${one}; mount ${other}`) as string,
      }),
    ]);
  });

  test("health looks for archives where they go", async ({ world }) => {
    const stamp = (hours: number) => stampOf(Math.floor(Date.now() / 1000) - hours * 3600);
    const put = (tier: string, name: string) => {
      for (const ending of ["", ".sha256"]) world.put(join(tier, "jts/archives", `${name}${ending}`));
    };
    put(world.cold, `configs/configs-trading-${stamp(5)}.tar.zst`);
    put(world.cold, `database/postgresql-trading@jts-${stamp(900)}.dump`);
    put(second(world), `database/postgresql-trading@jts-${stamp(6)}.dump`);
    world.program("python3", `exec /usr/bin/python3 "$1" "$2" -c '${NODE}' "\${@:3}"`);
    const settings = settingsOf(world, ["database"], (one) => (one.timers = ["nas-archival"]));
    const { stdout } = await world.run([join(SCRIPTS, "storage-health.sh"), "--settings", settings]);
    expect(stdout).toContain("the newest good archive of configs-trading is 5 h old");
    expect(stdout).toContain("the newest good archive of postgresql-trading@jts is 6 h old");
  });

  test("the performance of each mount is measured", async ({ world }) => {
    const { stdout } = await runOn(
      world,
      settingsOf(world),
      "performance-test.sh",
      "--tier",
      "cold",
      "--quick",
      "--dry-run",
    );
    for (const tier of [world.cold, second(world)]) expect(stdout).toContain(`would measure cold at ${tier}/jts`);
  });

  test("verification sends a file to it, too", async ({ world }) => {
    mkdirSync(world.at(join(world.hot, "root")));
    const step = (tier: string, path: string, mount: string) => ({ tier, path, mount });
    const warm = step("warm", world.warm, world.warm);
    const declared = {
      folders: [],
      moves: [step("hot", join(world.hot, "root"), world.hot), warm, step("cold", join(world.cold, "jts"), world.cold)],
      furtherMoves: [[warm, step("marketdata", join(second(world), "jts"), second(world))]],
    };
    writeFileSync(join(world.path, "declaration"), JSON.stringify(declared));
    const command = ["bash", "-c", 'exec "$1" <"$2"', "verify", join(SCRIPTS, "verify-tiers.py")];
    const { status, stdout } = await world.run([...command, join(world.path, "declaration")]);
    expect([status, stdout]).toEqual([0, text("a file went warm → marketdata with SHA-256")]);
    expect(filesOn(world, second(world))).toEqual([]);
    await world.must(["umount", second(world)]);
    const broken = await world.run([...command, join(world.path, "declaration")]);
    expect(broken.status).toBe(1);
    expect(existsSync(world.at(join(world.hot, "root")))).toBe(true);
  });

  test.for<[string, (settings: Settings) => unknown, string]>([
    [
      "a rule to none",
      ({ automation }) => (automation.rules = [{ ...RULE, source: "/x", to: "other" }]),
      "none of that name",
    ],
    ["one without the first", (settings) => (settings.cold = null), "coldVolumes needs cold"],
    [
      "a root elsewhere",
      (settings) => Object.assign(settings.coldVolumes!.marketdata!, { root: "/x" }),
      "coldVolumes.marketdata.root, /x, is not on coldVolumes.marketdata.mountPoint",
    ],
    [
      "an unknown kind",
      (settings) => Object.assign(settings.coldVolumes!.marketdata!, { holds: ["x"] }),
      "coldVolumes.marketdata.holds[0]: 'x' is not configs or database",
    ],
  ])("settings with %s are refused", async ([, change, message], { world }) => {
    expect(await runOn(world, settingsOf(world, [], change), "tiered-storage.sh", "check")).toMatchObject({
      stderr: text(message),
    });
  });
});

/** The host's name, as health reads it. */
const NODE = `
import os, runpy, sys
class Named:
    nodename = "trading"
os.uname = Named
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")`;
