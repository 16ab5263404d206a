import { createHash } from "node:crypto";
import {
  chmodSync,
  chownSync,
  linkSync,
  mkdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { once } from "node:events";
import { join } from "node:path";
import { describe, expect } from "vitest";
import { IS_ROOT, SCRIPTS, test as plain, type Settings, type World } from "./world.ts";

const text = (part: string) => expect.stringContaining(part) as string;

/** So many days ago, a test made all of its files. */
const AHEAD_DAYS = 200;

const test = plain.extend<{ readonly world: World }>({
  world: async ({ world }, use) => {
    for (const name of ["docker", "fstrim", "btrfs"]) world.program(name, "exit 0");
    for (const folder of ["daily-backups", "logs", "temp-processing"]) mkdirSync(world.at(join(world.warm, folder)));
    for (const folder of ["postgresql/logs", "kafka/logs"])
      mkdirSync(world.at(join(world.hot, folder)), { recursive: true });
    mkdirSync(world.at(join(world.cold, "jts/archives/database")), { recursive: true });
    world.clockAhead(AHEAD_DAYS);
    lastCleanup(world, 1);
    await use(world);
  },
});

/** Says when cleanup ran last; undefined: never. */
function lastCleanup(world: World, daysAgo: number | undefined) {
  rmSync(join(world.path, "state"), { recursive: true, force: true });
  if (daysAgo === undefined) return;
  mkdirSync(join(world.path, "state"));
  writeFileSync(join(world.path, "state/cleanup.last"), `${Math.floor(world.now - daysAgo * 86400)}\n`);
}

const tiered = (world: World, settings: string, ...options: string[]) =>
  world.run([join(SCRIPTS, "tiered-storage.sh"), ...options, "--settings", settings, "--lock", world.lock]);

const RULE = {
  name: "models",
  source: "/models",
  pattern: "*",
  olderThanDays: 2,
  to: "cold",
  destination: "models",
  compress: false,
  keep: false,
};

/** One file a day of its age, of 8 MiB: 6 of them are 75 % of warm, 7 are 88 %. */
function fillWarm(world: World, ages: readonly number[]) {
  for (const days of ages)
    world.put(
      join(world.warm, `${days % 2 === 0 ? "daily-backups" : "logs"}/${days}.tar`),
      Buffer.alloc(8 * 2 ** 20, days),
      days,
    );
}

/** Data of each kind, old and young. */
function fill(world: World) {
  for (const [name, days] of [
    ["old", 8],
    ["young", 6],
  ] as const)
    world.put(join(world.hot, `postgresql/logs/${name}.log`), name, days);
  for (const [name, days] of [
    ["old", 31],
    ["young", 29],
  ] as const)
    world.put(join(world.warm, `daily-backups/${name}.tar`), name, days);
  for (const [name, days] of [
    ["old", 4],
    ["young", 2],
  ] as const)
    world.put(join(world.warm, `temp-processing/job/${name}`), name, days);
  for (const [name, days] of [
    ["old", 31],
    ["young", 29],
  ] as const)
    world.put(join(world.warm, `logs/kafka/logs/${name}.log.zst`), name, days);
}

describe.skipIf(!IS_ROOT).concurrent("tiered-storage.sh (needs root for mounts)", { timeout: 180_000 }, () => {
  test("--help has each subcommand and exit status", async ({ world }) => {
    const { status, stdout } = await world.run([join(SCRIPTS, "tiered-storage.sh"), "--help"]);
    expect(status).toBe(0);
    for (const word of ["check", "migrate", "cleanup", "optimize", "all", "--dry-run", "--settings", "Exit status"])
      expect(stdout).toContain(word);
  });

  test.for([[], ["chekc"], ["check", "migrate"], ["check", "--force"]])(
    "refuses the arguments %j, exit 2",
    async (options, { world }) => {
      expect(await tiered(world, world.settings(), ...options)).toMatchObject({ status: 2 });
    },
  );

  test("reads no settings that others can write, or that are somebody else's", async ({ world }) => {
    const settings = world.settings();
    chmodSync(settings, 0o664);
    expect(await tiered(world, settings, "check")).toMatchObject({
      status: 2,
      stderr: text("can be written by users other than root"),
    });
    chmodSync(settings, 0o644);
    chownSync(settings, 1234, 0);
    expect(await tiered(world, settings, "check")).toMatchObject({
      status: 2,
      stderr: text("can be written by users other than root"),
    });
    chownSync(settings, 0, 0);
    expect(await tiered(world, settings, "check")).toMatchObject({ status: 0 });
  });

  const wrongRule = (wrong: object) => (settings: Settings) =>
    Object.assign(settings.automation, { rules: [{ ...RULE, ...wrong }] });
  // The settings' own test has more of them.
  test.for<[(settings: Settings) => unknown, string]>([
    [({ automation }) => Object.assign(automation, { tempAfterDays: "" }), "automation.tempAfterDays"],
    [({ automation }) => (automation.logsToWarmAfterDays = -1), "automation.logsToWarmAfterDays"],
    [({ warm }) => (warm!.mountPoint = "data/warm"), "warm.mountPoint"],
    [({ hot }) => (hot!.logRoot = ""), "hot.logRoot"],
    [({ cold }) => (cold!.root = "/elsewhere"), "is not on cold.mountPoint"],
    [({ automation }) => Object.assign(automation, { usageWarningPercent: "most" }), "usageWarningPercent"],
    [({ automation }) => (automation.warmLowPercent = 90), "is above automation.warmHighPercent"],
    [(settings) => (settings.movesJournal = "moves"), "movesJournal"],
    ...Object.entries({
      source: "relative",
      destination: "../up",
      to: "hot",
      olderThanDays: "7",
      keep: "no",
      compres: true,
    }).map(([key, value]): [(settings: Settings) => unknown, string] => [
      wrongRule({ [key]: value }),
      `automation.rules[0].${key}`,
    ]),
    [wrongRule({ destination: "/root" }), "automation.rules[0].destination"],
  ])("refuses the settings %s, exit 2: %s", async ([change, message], { world }) => {
    fill(world);
    const before = await world.describe();
    expect(await tiered(world, world.settings(change), "all")).toMatchObject({ status: 2, stderr: text(message) });
    expect(await world.describe()).toEqual(before);
  });

  test("check prints the usage of each tier, and fails above the critical usage", async ({ world }) => {
    const { status, stdout } = await tiered(world, world.settings(), "check");
    expect(status).toBe(0);
    for (const point of [world.hot, world.warm, world.cold])
      expect(stdout).toMatch(new RegExp(`${point}: \\d+ % of \\S+ used`));
    world.put(join(world.warm, "big"), Buffer.alloc(60 * 2 ** 20, 1));
    expect(await tiered(world, world.settings(), "check")).toMatchObject({
      status: 1,
      stderr: text("above the critical 90 %"),
    });
  });

  test("migrate moves logs older than 7 days to warm, compressed, and backups older than 30 days to the archives", async ({
    world,
  }) => {
    fill(world);
    const { status, stdout } = await tiered(world, world.settings(), "migrate");
    expect(status).toBe(0);
    expect(stdout).toContain("moved 2 files, 6 bytes");
    const files = await world.files();
    expect(files).toEqual(
      expect.arrayContaining([
        "hot/postgresql/logs/young.log",
        "warm/logs/postgresql/logs/old.log.zst",
        "warm/daily-backups/young.tar",
        "cold/jts/archives/database/old.tar",
      ]),
    );
    expect(
      files.filter((path) => path.startsWith("hot/") || path.startsWith("warm/daily") || path.startsWith("cold/")),
    ).toHaveLength(3);
  });

  test("migrate moves to a cold tier that systemd mounts at the first access", async ({ world }) => {
    fill(world);
    await world.automount(world.cold);
    const { status } = await tiered(world, world.settings(), "migrate");
    expect(status).toBe(0);
    expect(await world.files()).toContain("cold/jts/archives/database/old.tar");
  });

  test.for<[string, (world: World) => unknown, string]>([
    ["is not mounted", (world) => world.must(["umount", world.cold]), "nothing is mounted"],
    [
      "is another one",
      (world) => world.must(["mount", "-t", "tmpfs", "other:/volume", world.cold]),
      "other:/volume is mounted",
    ],
    ["does not answer", (world) => world.silence(world.cold), "does not answer"],
  ])(
    "migrate still moves logs to warm where the NAS %s, writes nothing in its place, and fails",
    async ([, away, message], { world }) => {
      fill(world);
      await away(world);
      expect(
        await tiered(
          world,
          world.settings((settings) => (settings.probeSeconds = 3)),
          "migrate",
        ),
      ).toMatchObject({
        status: 1,
        stderr: text(message),
      });
      const files = await world.files();
      expect(files).toEqual(
        expect.arrayContaining(["warm/logs/postgresql/logs/old.log.zst", "warm/daily-backups/old.tar"]),
      );
      expect(files.filter((path) => path.startsWith("cold/"))).toEqual([]);
    },
  );

  test("migrate takes only logs for logs, and nothing of a folder that is a database's", async ({ world }) => {
    const logs = join(world.hot, "postgresql/logs");
    const moves = ["app.log", "app.log.1", "postgresql-2026-06-30.csv", "audit.json-20260630"];
    const stays = [
      "000000010000000000000007",
      "000000010000000000000007.00000028.backup",
      "00000002.history",
      "00000000000000000042.log",
      "00000000000000000042.timeindex",
      "replication-offset-checkpoint.log",
      "server.pid",
      ".lock",
      "data",
    ];
    for (const name of [...moves, ...stays]) world.put(join(logs, name), name, 8);
    for (const [sign, name] of [
      ["pg/PG_VERSION", "pg/base.log"],
      ["wal/archive_status/000000010000000000000007.done", "wal/deep/app.log"],
      // A folder of a service's own, such as a broker's if its log.dirs leads there.
      ["../../kafka/logs/meta.properties", "../../kafka/logs/topic-0/app.log"],
    ] as const) {
      world.put(join(logs, sign), "x", 8);
      world.put(join(logs, name), "x", 8);
    }
    const before = (await world.files()).filter((name) => name.startsWith("hot/"));
    const { status, stderr } = await tiered(world, world.settings(), "migrate");
    expect(status).toBe(0);
    expect(stderr).toContain("postgresql/logs/pg': the name 'PG_VERSION' shows that it is a database's folder. Next: ");
    expect(stderr).toContain("kafka/logs': the name 'meta.properties' shows that");
    const moved = moves.map((name) => `warm/logs/postgresql/logs/${name}.zst`);
    expect((await world.files()).sort()).toEqual(
      [...before.filter((name) => !moves.some((one) => name.endsWith(`/logs/${one}`))), ...moved].sort(),
    );
  });

  test("migrate follows the settings' rules: their pattern, age, destination, compressed or not, and what is kept is copied once", async ({
    world,
  }) => {
    const source = join(world.hot, "models of 'today'");
    for (const name of ["a.bin", "b\n.bin", "-c.txt"]) world.put(join(source, name), name, 3);
    world.put(join(source, "young.bin"), "young", 1);
    const rules = [
      { ...RULE, source, pattern: "*.bin", destination: "models/of old", compress: true },
      { ...RULE, name: "texts", source, pattern: "-*", to: "warm", destination: "texts", keep: true },
    ];
    const settings = world.settings(({ automation }) => Object.assign(automation, { rules }));
    expect(await tiered(world, settings, "migrate")).toMatchObject({ status: 0, stdout: text("moved 3 files") });
    const after = await world.describe();
    expect(await world.files()).toEqual([
      "cold/jts/models/of old/a.bin.zst",
      "cold/jts/models/of old/b\n.bin.zst",
      "hot/models of 'today'/-c.txt",
      "hot/models of 'today'/young.bin",
      "warm/texts/-c.txt",
    ]);
    expect(await tiered(world, settings, "migrate")).toMatchObject({ status: 0, stdout: text("moved 0 files") });
    expect(await world.describe()).toEqual(after);
    // Written anew, it is another file of that name: neither goes.
    world.put(join(source, "-c.txt"), "changed", 2.5);
    expect(await tiered(world, settings, "migrate")).toMatchObject({
      status: 1,
      stderr: text("a different file of this name"),
    });
    expect([world.read(join(world.warm, "texts/-c.txt")), world.read(join(source, "-c.txt"))]).toEqual([
      "-c.txt",
      "changed",
    ]);
  });

  test("a rule by access leaves what was read lately, doesn't take its own reading for that, and needs access times", async ({
    world,
  }) => {
    const source = join(world.hot, "models");
    const names = ["read", "unread", "written"] as const;
    const path = (name: (typeof names)[number]) => world.put(join(source, name), name, name === "written" ? 1 : 30);
    const paths = Object.fromEntries(names.map((name) => [name, path(name)]));
    // The clock that the scripts go by is ahead of the kernel's, so a read is noted by hand.
    const written = statSync(world.at(paths.read!)).mtimeMs / 1000;
    utimesSync(world.at(paths.read!), written + 29 * 86_400, written);
    const before = statSync(world.at(paths.unread!)).atimeMs;
    const settings = (keep: boolean) =>
      world.settings(({ automation }) =>
        Object.assign(automation, { rules: [{ ...RULE, source, by: "access", keep }] }),
      );
    expect(await tiered(world, settings(true), "migrate")).toMatchObject({ status: 0, stdout: text("moved 1 file") });
    expect(statSync(world.at(paths.unread!)).atimeMs).toBe(before);
    expect(await tiered(world, settings(false), "migrate")).toMatchObject({ status: 0, stdout: text("moved 1 file") });
    expect((await world.files()).filter((name) => !name.startsWith("cold/"))).toEqual([
      "hot/models/read",
      "hot/models/written",
    ]);
    world.put(join(source, "old"), "old", 30);
    await world.must(["mount", "-o", "remount,noatime", world.hot]);
    expect(await tiered(world, settings(false), "migrate")).toMatchObject({
      status: 1,
      stderr: text("it is mounted with noatime, so nothing notes when a file was read. Next: by: modification"),
    });
    expect(await world.files()).toContain("hot/models/old");
  });

  test("migrate brings the oldest of warm to cold, above the high mark, until warm is below the low one", async ({
    world,
  }) => {
    fillWarm(world, [0, 2, 3, 6, 7, 20, 25]);
    expect(
      await tiered(
        world,
        world.settings(({ automation }) => (automation.warmLowPercent = 70)),
        "migrate",
      ),
    ).toMatchObject({
      status: 0,
      stdout: text("moved 2 files"),
    });
    const moved = (await world.files()).filter((path) => path.startsWith("cold/"));
    expect(moved).toEqual(["cold/jts/archives/database/20.tar", "cold/jts/archives/logs/25.tar"]);
  });

  test("migrate leaves on warm what is younger than a day, however full it is, and says so", async ({ world }) => {
    fillWarm(world, [0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6]);
    expect(await tiered(world, world.settings(), "migrate")).toMatchObject({
      status: 1,
      stdout: text("moved 0 files"),
      stderr: text("there is nothing more that may move to cold"),
    });
  });

  test("migrate leaves warm as it is between its marks", async ({ world }) => {
    fillWarm(world, [1, 2, 3, 4, 5, 6]);
    expect(
      await tiered(
        world,
        world.settings(({ automation }) => (automation.warmLowPercent = 50)),
        "migrate",
      ),
    ).toMatchObject({
      status: 0,
      stdout: text("moved 0 files"),
    });
  });

  test.for<[string, (world: World) => unknown, string]>([
    ["away", (world) => world.must(["umount", world.cold]), "nothing is mounted"],
    ["full", (world) => world.must(["mount", "-o", "remount,size=4m", world.cold]), "there is no room for it"],
  ])(
    "migrate loses nothing of a warm tier that is too full while cold is %s, says so, and fails",
    async ([, happens, message], { world }) => {
      fillWarm(world, [2, 3, 4, 5, 6, 7, 8]);
      const before = await world.describe();
      await happens(world);
      const { status, stderr } = await tiered(world, world.settings(), "migrate");
      expect({ status, stderr }).toEqual({ status: 1, stderr: text(message) });
      expect(stderr).toContain("warm is above 85 %, and there is nothing more that may move to cold. Next: ");
      const after = await world.describe();
      for (const path of Object.keys(before).filter((path) => /^warm.*tar$/.test(path)))
        expect(after[path]).toEqual(before[path]);
    },
  );

  test.for([["--dry-run"], []])(
    "--json %j prints moves, deletions, commands, totals and problems in one document",
    async (options, { world }) => {
      fill(world);
      world.put(join(world.hot, "kafka/logs/in\nthe way.log"), "x", 9);
      world.put(join(world.warm, "logs/kafka/logs/in\nthe way.log.zst/young"), "a folder", 1);
      const { status, stdout } = await tiered(
        world,
        world.settings(({ automation }) => (automation.dockerPrune = true)),
        "all",
        "--json",
        ...options,
      );
      expect(status).toBe(1);
      expect(JSON.parse(stdout)).toMatchObject({
        subcommand: "all",
        dryRun: options.length > 0,
        status: 1,
        usage: [{ tier: "hot", mountPoint: world.hot }, { tier: "warm" }, { tier: "cold", usedPercent: 0 }],
        moves: [
          {
            action: "move",
            from: join(world.hot, "postgresql/logs/old.log"),
            to: join(world.warm, "logs/postgresql/logs/old.log.zst"),
            bytes: 3,
          },
          {
            action: "move",
            from: join(world.warm, "daily-backups/old.tar"),
            to: join(world.cold, "jts/archives/database/old.tar"),
            bytes: 3,
          },
        ],
        skipped: { "too young": 2 },
        deletions: [
          { path: join(world.warm, "temp-processing/job/old"), kind: "file", bytes: 3 },
          { path: join(world.warm, "logs/kafka/logs/old.log.zst"), kind: "file", bytes: 3 },
        ],
        commands: [text("docker system prune --force"), text("fstrim")],
        totals: { moved: { files: 2, bytes: 6 }, deleted: { files: 2, bytes: 6 } },
        problems: [
          text("some files of the rule logs were not moved"),
          text('in\\nthe way.log" was not moved: the destination has a different file'),
        ],
      });
    },
  );

  test("migrate leaves archives of volumes on warm where another host archives below the same root of the NAS", async ({
    world,
  }) => {
    fill(world);
    const stamp = new Date((world.now - 86400) * 1000).toISOString().replaceAll(/[-:]|\.\d+/g, "");
    world.put(join(world.cold, `jts/archives/configs/configs-other-${stamp}.tar.zst`));
    const settings = world.settings(({ hot, automation }) => {
      hot!.volumeGroup = "vg_jts";
      automation.backupVolumes = { lv_postgres: 1 };
    });
    expect(await tiered(world, settings, "migrate")).toMatchObject({
      status: 1,
      stderr: text("archives of volumes stay on warm: the host other archives below"),
    });
    expect(await world.files()).toEqual(
      expect.arrayContaining(["warm/daily-backups/old.tar", "warm/logs/postgresql/logs/old.log.zst"]),
    );
  });

  test("where prints each move of a file, by its name or a path, and where it is now", async ({ world }) => {
    fill(world);
    const settings = world.settings();
    expect(await tiered(world, settings, "where", "old.log")).toMatchObject({
      status: 1,
      stderr: text('the journal has no move of "old.log"'),
    });
    await tiered(world, settings, "migrate");
    const from = join(world.hot, "postgresql/logs/old.log");
    const to = join(world.warm, "logs/postgresql/logs/old.log.zst");
    for (const name of ["old.log", "old.l*", from, to]) {
      const { status, stdout } = await tiered(world, settings, "where", name);
      expect(status).toBe(0);
      expect(stdout).toMatch(
        new RegExp(`^20\\S+Z  move     "${from}" → "${to}" \\(3 bytes, SHA-256 [0-9a-f]{64}\\)$`, "m"),
      );
      expect(stdout).toMatch(new RegExp(`^"${to}" is there$`, "m"));
      expect(stdout).not.toContain(`"${from}" is there`);
    }
    const { stdout } = await tiered(world, settings, "where", "old.tar", "--json");
    expect(JSON.parse(stdout)).toMatchObject({
      name: "old.tar",
      moves: [{ action: "move", to: join(world.cold, "jts/archives/database/old.tar") }],
      there: { [join(world.cold, "jts/archives/database/old.tar")]: true },
    });
    for (const options of [["where"], ["where", "a", "b"]])
      expect(await tiered(world, settings, ...options)).toMatchObject({
        status: 2,
        stderr: text("where needs one name"),
      });
  });

  test("recall moves a file back to its tier, by where it was or where it is, and no rule takes it away the next night", async ({
    world,
  }) => {
    const from = join(world.hot, "postgresql/logs/old.log");
    const to = join(world.warm, "logs/postgresql/logs/old.log.zst");
    const settings = world.settings();
    expect(await tiered(world, settings, "recall", from)).toMatchObject({ status: 1, stderr: text("has no move of") });
    fill(world);
    await tiered(world, settings, "migrate");
    const moved = await world.files();
    const dry = await tiered(world, settings, "recall", from, "--dry-run");
    expect(dry).toMatchObject({ status: 0, stdout: text(`a run would have recalled "${to}" to "${from}"`) });
    expect(await world.files()).toEqual(moved);
    const recalled = await tiered(world, settings, "recall", from);
    expect(recalled).toMatchObject({ status: 0, stdout: text(`recalled "${to}" to "${from}"`) });
    expect(world.read(from)).toBe("old");
    expect(await world.files()).not.toContain("warm/logs/postgresql/logs/old.log.zst");
    expect(await tiered(world, settings, "recall", from)).toMatchObject({
      status: 1,
      stderr: text("where it came from; nothing was moved"),
    });
    // Its time of writing has not changed.
    await tiered(world, settings, "migrate");
    expect(world.read(from)).toBe("old");
    world.clockAhead(AHEAD_DAYS + 8);
    await tiered(world, settings, "migrate");
    expect(await world.files()).toContain("warm/logs/postgresql/logs/old.log.zst");
    expect((await world.describe())["warm/logs/postgresql/logs/old.log.zst"]!.xattrs).toEqual({});
    expect(await tiered(world, settings, "recall", to, "--json")).toMatchObject({ status: 0 });
    expect(world.read(from)).toBe("old");
    const archive = join(world.cold, "jts/archives/database/old.tar");
    expect(await tiered(world, settings, "recall", archive)).toMatchObject({ status: 0 });
    expect(await world.files()).toContain("warm/daily-backups/old.tar");
    expect(await tiered(world, settings, "recall", "old.log")).toMatchObject({
      status: 2,
      stderr: text("recall needs one absolute path"),
    });
  });

  test("where and recall print a name that is no UTF-8, whatever the shell's locale can hold", async ({ world }) => {
    await world.python(
      `
import os, sys
os.makedirs(sys.argv[1], exist_ok=True)
path = os.fsencode(sys.argv[1]) + b"/caf\\xe9.log"
open(path, "w").close()
os.utime(path, (10**9, 10**9))
`,
      join(world.hot, "postgresql/logs"),
    );
    const settings = world.settings();
    expect(await tiered(world, settings, "migrate")).toMatchObject({ status: 0 });
    // As in a locale of ISO 8859-1; in one of UTF-8, such as en_US.UTF-8, only the name is in the way.
    const strict = 'sys.stdout.reconfigure(encoding="iso-8859-1", errors="strict")';
    const run = `import runpy, sys; ${strict}; del sys.argv[0]; runpy.run_path(sys.argv[0], run_name="__main__")`;
    world.program("python3", `exec /usr/bin/python3 "$1" "$2" -c '${run}' "\${@:3}"`);
    const to = text("warm/logs/postgresql/logs/caf");
    expect(await tiered(world, settings, "where", "caf*")).toMatchObject({ status: 0, stdout: to });
    const { stdout } = await tiered(world, settings, "where", "caf*", "--json");
    const { moves } = JSON.parse(stdout) as { moves: { to: string }[] };
    expect(moves[0]!.to).toContain("caf\ufffd.log.zst");
    world.put(join(world.hot, "postgresql/logs/old.log"), "old", AHEAD_DAYS + 8);
    expect(await tiered(world, settings, "migrate", "--dry-run")).toMatchObject({ status: 0, stdout: text("→") });
    const recall = '"$0" recall "$1"/caf* --settings "$2" --lock "$3"';
    const [script, folder] = [join(SCRIPTS, "tiered-storage.sh"), join(world.warm, "logs/postgresql/logs")];
    expect(await world.run(["bash", "-c", recall, script, folder, settings, world.lock])).toMatchObject({
      status: 0,
      stdout: text("recalled"),
    });
  });

  test("recall says what is in the way: a file in use, a tier that is away, a compressed file that was cut", async ({
    world,
  }) => {
    fill(world);
    const from = join(world.hot, "postgresql/logs/old.log");
    const to = join(world.warm, "logs/postgresql/logs/old.log.zst");
    const settings = world.settings();
    await tiered(world, settings, "migrate");
    const { child } = world.start(["bash", "-c", 'exec 9<"$1"; echo; exec sleep 60', "reader", to]);
    await new Promise((resolve) => child.stdout?.once("data", resolve));
    expect(await tiered(world, settings, "recall", from)).toMatchObject({
      status: 1,
      stderr: text("not recalled: open"),
    });
    child.kill("SIGKILL");
    await world.must(["truncate", "--size=-3", to]);
    expect(await tiered(world, settings, "recall", from)).toMatchObject({ status: 1, stderr: text("it is cut off") });
    expect(await world.files()).not.toContain("hot/postgresql/logs/old.log");
    world.silence(world.warm);
    expect(await tiered(world, settings, "recall", from)).toMatchObject({ status: 1 });
    await world.must(["umount", "--lazy", world.warm]);
    expect(await tiered(world, settings, "recall", from)).toMatchObject({
      status: 1,
      stderr: text(`nothing is mounted at ${world.warm}`),
    });
  });

  test("migrate takes what was rotated below /var/log, and never what the system itself needs, or what is being written", async ({
    world,
  }) => {
    const logs = join(world.path, "log");
    await world.must(["mount", "--mkdir", "-t", "tmpfs", "log", logs]);
    const rotated = [
      "syslog.1",
      "syslog.2.gz",
      "nginx/access.log.1",
      "messages-20260630",
      "app.log-20260630-1719705600.xz",
    ];
    const kept = ["syslog", "nginx/access.log", "wtmp.1", "btmp.1", "lastlog.1", "dpkg.log.1", "alternatives.log.2.gz"];
    kept.push("apt/history.log.1.gz", "journal/0123/system.journal.1", "installer/syslog.1", "postgres/PG_VERSION");
    kept.push("postgres/000000010000000000000001", "postgres/app.log.1");
    for (const name of [...rotated, ...kept]) world.put(join(logs, name), name);
    world.put(join(logs, "young.1"), "young", 6);
    const settings = world.settings(({ automation }) => (automation.systemLogs = logs));
    expect(await tiered(world, settings, "migrate")).toMatchObject({ status: 0 });
    const left = await world.must(["find", logs, "-type", "f", "-printf", "%P\n"]);
    expect(left.trimEnd().split("\n").sort()).toEqual([...kept, "young.1"].sort());
    // As where somebody moved the folder to another disk.
    symlinkSync(logs, join(world.path, "linked"));
    world.put(join(logs, "mail.log.1"));
    const linked = world.settings(({ automation }) => (automation.systemLogs = join(world.path, "linked")));
    expect(await tiered(world, linked, "migrate")).toMatchObject({ status: 0 });
    rotated.push("mail.log.1");
    expect((await world.files()).filter((path) => path.startsWith("warm/logs/system/"))).toEqual(
      rotated.map((name) => `warm/logs/system/${/z$/.test(name) ? name : `${name}.zst`}`).sort(),
    );
  });

  test("each move is in the journal, with its hash", async ({ world }) => {
    fill(world);
    await tiered(world, world.settings(), "migrate");
    const lines = readFileSync(join(world.path, "moves.jsonl"), "utf8")
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line) as unknown);
    const sha256 = createHash("sha256").update("old").digest("hex");
    expect(lines).toEqual([
      {
        time: text("Z"),
        action: "move",
        from: join(world.hot, "postgresql/logs/old.log"),
        to: join(world.warm, "logs/postgresql/logs/old.log.zst"),
        bytes: 3,
        sha256,
      },
      {
        time: text("Z"),
        action: "move",
        from: join(world.warm, "daily-backups/old.tar"),
        to: join(world.cold, "jts/archives/database/old.tar"),
        bytes: 3,
        sha256,
      },
    ]);
  });

  test("nobody else can hold the lock, also where an earlier version left it open to all", async ({ world }) => {
    writeFileSync(world.lock, "", { mode: 0o644 });
    expect(await tiered(world, world.settings(), "migrate")).toMatchObject({ status: 0 });
    expect(statSync(world.lock).mode & 0o777).toBe(0o600);
  });

  test("migrate without a cold tier is content with warm", async ({ world }) => {
    fill(world);
    expect(
      await tiered(
        world,
        world.settings((settings) => (settings.cold = null)),
        "migrate",
      ),
    ).toMatchObject({ status: 0 });
    expect(await world.files()).toContain("warm/daily-backups/old.tar");
  });

  test("all changes nothing under the mount point of a warm tier that is not mounted", async ({ world }) => {
    fill(world);
    await world.must(["umount", world.warm]);
    for (const path of ["temp-processing/file", "logs/service/file", "daily-backups/file"])
      world.put(join(world.warm, path));
    const before = await world.describe();
    expect(await tiered(world, world.settings(), "all")).toMatchObject({
      status: 1,
      stderr: text("nothing is mounted"),
    });
    expect(await world.describe()).toEqual(before);
  });

  test("a source that is gone is reported, and does not stop the others", async ({ world }) => {
    fill(world);
    await world.must(["rm", "--recursive", join(world.hot, "kafka")]);
    expect(await tiered(world, world.settings(), "migrate")).toMatchObject({
      status: 1,
      stderr: text("whether its filesystem is mounted"),
    });
    expect(await world.files()).toContain("warm/logs/postgresql/logs/old.log.zst");
  });

  test("cleanup deletes old regular files and folders long empty, and keeps declared folders, links and what is young", async ({
    world,
  }) => {
    fill(world);
    const temp = join(world.warm, "temp-processing");
    world.put(join(world.cold, "precious"), "old and linked to", 100);
    symlinkSync(world.cold, world.at(join(temp, "link")));
    linkSync(world.at(world.put(join(temp, "name\nwith newline"), "x", 100)), world.at(join(temp, "second name")));
    for (const folder of ["declared", "declared/empty", "declared/filled"]) mkdirSync(world.at(join(temp, folder)));
    world.put(join(temp, "declared/filled/young"), "x", 1);
    for (const folder of ["declared/empty", "declared/filled", "declared"])
      utimesSync(world.at(join(temp, folder)), 10 ** 9, 10 ** 9);
    await world.must(["mount", "--mkdir", "-t", "tmpfs", "other", join(world.warm, "logs/other")]);
    world.put(join(world.warm, "logs/other/file"), "x", 100);

    const { status, stdout } = await tiered(world, world.settings(), "cleanup");
    expect(status).toBe(0);
    expect(stdout).toContain("deleted 4 files, 8 bytes");
    const left = Object.keys(await world.describe()).filter(
      (path) => /^(cold|warm\/(temp|logs))/.test(path) && !path.startsWith("cold/jts"),
    );
    expect(left.sort()).toEqual([
      "cold/precious",
      "warm/logs",
      "warm/logs/kafka",
      "warm/logs/kafka/logs",
      "warm/logs/kafka/logs/young.log.zst",
      "warm/logs/other",
      "warm/logs/other/file",
      "warm/temp-processing",
      "warm/temp-processing/declared",
      "warm/temp-processing/declared/filled",
      "warm/temp-processing/declared/filled/young",
      "warm/temp-processing/job",
      "warm/temp-processing/job/young",
      "warm/temp-processing/link",
    ]);
  });

  test("cleanup deletes nothing in the first run, from which the next one counts", async ({ world }) => {
    fill(world);
    lastCleanup(world, undefined);
    const before = await world.files();
    // A dry run before the first run prints what a run after the first would do.
    const dry = await tiered(world, world.settings(), "cleanup", "--dry-run");
    expect(dry).toMatchObject({ status: 0, stderr: text("the first one deletes nothing for its age") });
    expect(dry.stdout).toMatch(/delete/);
    expect(await tiered(world, world.settings(), "cleanup")).toMatchObject({
      status: 0,
      stderr: text("it is the first run"),
    });
    expect(await world.files()).toEqual(before);
    expect((await tiered(world, world.settings(), "cleanup")).stdout).toContain("deleted 2 files");
  });

  test.for([
    ["after more than a week", 8],
    ["after a clock that went back", -1],
  ] as const)(
    "cleanup fails %s, and deletes nothing until the clock is synchronized",
    async ([, daysAgo], { world }) => {
      fill(world);
      lastCleanup(world, daysAgo);
      const before = await world.files();
      world.program("timedatectl", "echo no");
      // However often it is tried.
      for (const options of [["--dry-run"], [], []])
        expect(await tiered(world, world.settings(), "cleanup", ...options)).toMatchObject({
          status: 1,
          stderr: text("and is not synchronized. Next: timedatectl"),
        });
      world.program("timedatectl", "echo yes");
      expect(await tiered(world, world.settings(), "cleanup")).toMatchObject({
        status: 1,
        stderr: text("the next run trusts it"),
      });
      expect(await world.files()).toEqual(before);
      expect(await tiered(world, world.settings(), "cleanup")).toMatchObject({
        status: 0,
        stdout: text("deleted 2 files"),
      });
    },
  );

  test("what came to warm stays its days from then on, however old it is", async ({ world }) => {
    world.put(join(world.hot, "postgresql/logs/ancient.log"), "x", 400);
    world.clockAhead(0);
    lastCleanup(world, 1);
    // As tar and rsync leave it.
    world.put(join(world.warm, "temp-processing/unpacked/dataset.csv"), "x", 400);
    for (const run of ["first", "second"]) {
      const { status, stdout } = await tiered(world, world.settings(), "all", "--json");
      expect([run, status, JSON.parse(stdout)]).toMatchObject([run, 0, { totals: { deleted: { files: 0 } } }]);
    }
    expect(await world.files()).toEqual([
      "warm/logs/postgresql/logs/ancient.log.zst",
      "warm/temp-processing/unpacked/dataset.csv",
    ]);
    world.clockAhead(31);
    lastCleanup(world, 1);
    expect((await tiered(world, world.settings(), "cleanup")).stdout).toContain("deleted 2 files");
  });

  test("cleanup leaves what somebody has open, and says how many", async ({ world }) => {
    const open = world.put(join(world.warm, "temp-processing/job/open"), "x", 100);
    world.put(join(world.warm, "temp-processing/job/closed"), "x", 100);
    const { child } = world.start(["tail", "--follow", open]);
    await once(child.stdout!, "data");
    const { status, stdout } = await tiered(world, world.settings(), "cleanup", "--json");
    expect([status, JSON.parse(stdout)]).toMatchObject([
      0,
      { totals: { deleted: { files: 1 } }, skipped: { open: 1 } },
    ]);
    expect(await world.files()).toEqual(["warm/temp-processing/job/open"]);
  });

  test("cleanup deletes what is old beside folders that are nested too deep, and names these", async ({ world }) => {
    world.put(join(world.warm, "temp-processing/job/closed"), "x", 100);
    await world.python(
      `
import os, sys
os.chdir(sys.argv[1])
for _ in range(1500):
    os.mkdir("d")
    os.chdir("d")
`,
      join(world.warm, "temp-processing/job"),
    );
    const { status, stderr } = await tiered(world, world.settings(), "cleanup");
    expect([status, stderr]).toEqual([1, text("its folders are nested too deep. Next: ")]);
    expect(await world.must(["find", world.warm, "-type", "f"])).toBe("");
  });

  test("cleanup deletes nothing where that would be more than a share of warm, but by --yes", async ({ world }) => {
    fillWarm(world, [101, 103]);
    const settings = world.settings(({ automation }) => (automation.deleteAtMostPercent = 20));
    const before = await world.files();
    for (const options of [["--dry-run"], []]) {
      const { status, stderr } = await tiered(world, settings, "cleanup", ...options);
      expect(status).toBe(1);
      expect(stderr).toContain("more than 20 % of the filesystem: nothing is deleted");
    }
    expect(await world.files()).toEqual(before);
    expect(
      await tiered(
        world,
        world.settings(({ automation }) => (automation.deleteAtMostPercent = 30)),
        "cleanup",
        "--dry-run",
      ),
    ).toMatchObject({
      status: 0,
    });
    expect(await tiered(world, settings, "cleanup", "--yes")).toMatchObject({
      status: 0,
      stdout: text("deleted 2 files"),
    });
  });

  test("cleanup does not follow a link in place of a folder that it empties", async ({ world }) => {
    world.put(join(world.cold, "precious"), "x", 100);
    await world.must(["rmdir", join(world.warm, "temp-processing")]);
    symlinkSync(world.cold, world.at(join(world.warm, "temp-processing")));
    expect(await tiered(world, world.settings(), "cleanup")).toMatchObject({
      status: 1,
      stderr: text("there is no such folder"),
    });
    expect(await world.files()).toContain("cold/precious");
  });

  test("cleanup prunes docker without volumes where that is wanted, and not otherwise", async ({ world }) => {
    await tiered(world, world.settings(), "cleanup");
    expect(world.calls()).toEqual([]);
    expect(
      await tiered(
        world,
        world.settings(({ automation }) => (automation.dockerPrune = true)),
        "cleanup",
      ),
    ).toMatchObject({ status: 0 });
    expect(world.calls()).toEqual(["docker system prune --force"]);
    world.program("docker", "exit 1");
    expect(
      await tiered(
        world,
        world.settings(({ automation }) => (automation.dockerPrune = true)),
        "cleanup",
      ),
    ).toMatchObject({
      status: 1,
      stderr: text("docker system prune --force. Next: systemctl status docker; or automation.dockerPrune: false"),
    });
  });

  test("optimize trims hot, and does not defragment a warm tier that is not btrfs", async ({ world }) => {
    expect(await tiered(world, world.settings(), "optimize")).toMatchObject({ status: 0, stderr: text("not btrfs") });
    expect(world.calls()).toEqual([`fstrim --quiet-unsupported --verbose ${world.hot}`]);
  });

  test("all goes on after a failure, and returns the worst status", async ({ world }) => {
    fill(world);
    world.program("docker", "exit 1");
    await world.must(["umount", world.cold]);
    const { status, stdout } = await tiered(
      world,
      world.settings(({ automation }) => (automation.dockerPrune = true)),
      "all",
    );
    expect(status).toBe(1);
    expect(stdout).toContain("moved 1 files, 3 bytes; deleted 2 files, 6 bytes");
    expect(world.calls()).toEqual(["docker system prune --force", `fstrim --quiet-unsupported --verbose ${world.hot}`]);
  });

  test("all twice does nothing the second time", async ({ world }) => {
    fill(world);
    expect(await tiered(world, world.settings(), "all")).toMatchObject({ status: 0 });
    const after = await world.describe();
    expect(await tiered(world, world.settings(), "all")).toMatchObject({
      status: 0,
      stdout: text("moved 0 files, 0 bytes; deleted 0 files, 0 bytes"),
    });
    expect(await world.describe()).toEqual(after);
  });

  test("a dry run prints all that a run would do, and does nothing of it", async ({ world }) => {
    fill(world);
    const before = await world.describe();
    const settings = world.settings(({ automation }) => (automation.dockerPrune = true));
    const { status, stdout } = await tiered(world, settings, "all", "--dry-run");
    expect(status).toBe(0);
    for (const part of [
      "move",
      "old.log.zst",
      "old.tar",
      "delete",
      "temp-processing/job/old",
      "run                       timeout --kill-after=10 15m docker",
      "fstrim",
    ])
      expect(stdout).toContain(part);
    expect(world.calls()).toEqual([]);
    expect(await world.describe()).toEqual(before);
    const [, planned] = stdout.match(/a run would have (moved .*)/)!;
    expect((await tiered(world, settings, "all")).stdout).toContain(planned);
  });

  test("does nothing while another run holds the lock, exit 75", async ({ world }) => {
    fill(world);
    const before = await world.describe();
    const argv = [join(SCRIPTS, "tiered-storage.sh"), "all", "--settings", world.settings(), "--lock", world.lock];
    expect(await world.run(["flock", world.lock, ...argv])).toMatchObject({ status: 75 });
    expect(await world.describe()).toEqual(before);
  });

  test("works wherever its folder is, by a link as well, and without HOME", async ({ world }) => {
    fill(world);
    const flat = join(world.path, "flat");
    await world.must([
      "bash",
      "-c",
      'mkdir "$1" && cp --recursive "$2"/*.sh "$2"/jts_storage "$1" && ln --symbolic "$1/tiered-storage.sh" "$1.sh"',
      "copy",
      flat,
      SCRIPTS,
    ]);
    const result = await world.run([
      "env",
      "--unset=HOME",
      `${flat}.sh`,
      "migrate",
      "--settings",
      world.settings(),
      "--lock",
      world.lock,
    ]);
    expect(result).toMatchObject({ status: 0, stdout: text("moved 2 files") });
  });
});
