/** Snapshots of warm, on a real btrfs in a file: made by cleanup, deleted by age and under pressure. */
import { execFileSync, spawnSync } from "node:child_process";
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { delimiter, join } from "node:path";
import { describe, expect, test as withoutWorld } from "vitest";
import { IS_ROOT, SCRIPTS, World, type Settings } from "./world.ts";

const text = (part: string) => expect.stringContaining(part) as string;
const MIB = 2 ** 20;
/** The scripts see the clock so many days ahead, so that files of this test are old. */
const AHEAD_DAYS = 200;

const PATHS = [...(process.env.PATH ?? "").split(delimiter), "/usr/sbin", "/sbin"];
const programOf = (name: string) => PATHS.map((path) => join(path, name)).find((path) => existsSync(path));
const BTRFS = programOf("btrfs");
const MKFS = programOf("mkfs.btrfs");

/** Why there can be no btrfs in a file here; empty: there can. */
function missing(): string {
  if (!IS_ROOT) return "needs root for mounts";
  if (BTRFS === undefined || MKFS === undefined) return "needs btrfs-progs";
  const device = spawnSync("losetup", ["--find"]);
  if (device.status !== 0) return "needs loop devices";
  return /\tbtrfs$/m.test(readFileSync("/proc/filesystems", "utf8")) ? "" : "needs a kernel with btrfs";
}
const MISSING = missing();

const test = withoutWorld.extend<{ readonly world: World }>({
  // eslint-disable-next-line no-empty-pattern -- vitest reads which fixtures this one needs off its parameter
  world: async ({}, use) => {
    await using world = await World.make({
      warmImage: ({ path }) => {
        const image = join(path, "warm.img");
        execFileSync("truncate", ["--size=512M", image]);
        execFileSync(MKFS!, ["--quiet", image]);
        return image;
      },
    });
    symlinkSync(BTRFS!, join(world.programs, "btrfs"));
    world.program("docker", "exit 0");
    world.program("fstrim", "exit 0");
    for (const folder of ["daily-backups", "logs", "temp-processing"]) mkdirSync(world.at(join(world.warm, folder)));
    for (const folder of ["postgresql/logs", "kafka/logs"])
      mkdirSync(world.at(join(world.hot, folder)), { recursive: true });
    mkdirSync(world.at(join(world.cold, "jts/archives/database")), { recursive: true });
    setClock(world, AHEAD_DAYS);
    await use(world);
  },
});

/** Sets the scripts' clock; cleanup has run an hour before, by that clock. */
function setClock(world: World, aheadDays: number) {
  world.clockAhead(aheadDays);
  mkdirSync(join(world.path, "state"), { recursive: true });
  writeFileSync(join(world.path, "state/cleanup.last"), `${Math.floor(world.now - 3600)}\n`);
}

interface Report {
  readonly status: number;
  readonly problems: readonly string[];
  readonly commands: readonly string[];
  readonly totals: { readonly moved: { readonly files: number }; readonly deleted: { readonly files: number } };
  readonly snapshots: {
    readonly made: string | null;
    readonly deleted: readonly { readonly path: string; readonly reason: string }[];
    readonly freedBytes: number;
  };
}

const KEPT = (settings: Settings) => Object.assign(settings.automation, { warmSnapshotsKeptDays: 7 });

/** Runs tiered-storage.sh; by default with snapshots that stay a week. */
async function tiered(world: World, action: string, change: (settings: Settings) => unknown = KEPT, ...more: string[]) {
  const settings = world.settings(change);
  const program = join(SCRIPTS, "tiered-storage.sh");
  const ended = await world.run([program, action, "--json", ...more, "--settings", settings, "--lock", world.lock]);
  return { ...ended, report: JSON.parse(ended.stdout) as Report };
}

const snapshotsOf = (world: World) => join(world.warm, ".jts-snapshots");
const stamps = async (world: World) =>
  (await world.must(["find", snapshotsOf(world), "-mindepth", "1", "-maxdepth", "1", "-printf", "%f\n"]))
    .split("\n")
    .filter(Boolean)
    .sort();
const held = (world: World) =>
  (
    JSON.parse(readFileSync(join(world.path, "state/warm-snapshots.json"), "utf8")) as {
      heldBytes: Record<string, number>;
    }
  ).heldBytes;

/** Puts a file of so many random MiB where cleanup deletes what is old. */
const putOld = (world: World, name: string, mebibytes = 1) =>
  world.must([
    "bash",
    "-c",
    `head --bytes=${mebibytes}M /dev/urandom >"$1" && sync --file-system "$1"`,
    "put",
    join(world.warm, "temp-processing", name),
  ]);

const why = MISSING === "" ? "" : ` (${MISSING})`;

describe.skipIf(MISSING !== "").concurrent(`snapshots of warm${why}`, { timeout: 600_000 }, () => {
  test("one is made before cleanup deletes: what was deleted is found there, only root can look, and it comes back the same", async ({
    world,
  }) => {
    const path = join(world.warm, "temp-processing/job/model");
    mkdirSync(world.at(join(world.warm, "temp-processing/job")));
    await putOld(world, "job/model", 3);
    chmodSync(world.at(path), 0o640);
    chownSync(world.at(path), 1234, 4321);
    const before = (await world.describe())["warm/temp-processing/job/model"];
    const { status, report, stderr } = await tiered(world, "cleanup");
    expect([status, report.problems]).toEqual([0, []]);
    const [stamp = ""] = await stamps(world);
    expect(report.snapshots).toEqual({ made: join(snapshotsOf(world), stamp), deleted: [], freedBytes: 0 });
    expect(stderr.indexOf("made the snapshot")).toBeLessThan(stderr.indexOf("deleted "));
    expect((await world.describe())["warm/temp-processing/job/model"]).toBeUndefined();
    expect(statSync(world.at(snapshotsOf(world))).mode & 0o7777).toBe(0o700);
    expect(held(world)).toEqual({ [stamp]: 3 * MIB });

    const kept = join(snapshotsOf(world), stamp, "temp-processing/job/model");
    const where = await world.run([
      ...[join(SCRIPTS, "tiered-storage.sh"), "where", path, "--settings", world.settings(KEPT)],
    ]);
    expect(where).toMatchObject({ status: 0, stdout: text(`"${kept}" is there`) });
    expect(await world.run(["touch", kept])).toMatchObject({ status: 1, stderr: text("Read-only file system") });

    await world.must(["mkdir", "--parents", join(world.warm, "temp-processing/job")]);
    await world.must(["cp", "--reflink=auto", "--archive", "--", kept, path]);
    const after = (await world.describe())["warm/temp-processing/job/model"];
    expect({ ...after, inode: 0, allocatedBytes: 0 }).toEqual({ ...before, inode: 0, allocatedBytes: 0 });
  });

  test("none stays where cleanup deletes nothing, and a second run changes nothing", async ({ world }) => {
    await putOld(world, "old");
    expect((await tiered(world, "all")).report.snapshots.made).not.toBeNull();
    // One is made and deleted again, which the folder's time shows.
    const all = async () => ({ ...(await world.describe()), "warm/.jts-snapshots": undefined });
    const after = await all();
    const { status, report } = await tiered(world, "all");
    expect([status, report.snapshots]).toEqual([0, { made: null, deleted: [], freedBytes: 0 }]);
    expect(await all()).toEqual(after);
  });

  test("where its second has one already, it gets the stamp of the next one that has none", async ({ world }) => {
    await putOld(world, "old");
    const taken = Array.from({ length: 600 }, (_, second) =>
      new Date(Math.floor(world.now + second) * 1000).toISOString().replaceAll(/[-:]|\.000/g, ""),
    );
    for (const stamp of taken) mkdirSync(world.at(join(snapshotsOf(world), stamp)), { recursive: true, mode: 0o700 });
    const { status, report } = await tiered(world, "cleanup");
    expect([status, report.problems]).toEqual([0, []]);
    expect(report.snapshots.made!.split("/").at(-1)! > taken.at(-1)!).toBe(true);
  });

  test("it stays where cleanup was killed, and so does not know what it deleted", async ({ world }) => {
    await putOld(world, "old");
    // The process that deletes ends after it deleted, before it could say what.
    const program = `
import os, signal, sys, time
sys.path.insert(0, sys.argv[1])
from jts_storage import retention, tiering
now, delete = time.time, retention.main
time.time = lambda: now() + ${AHEAD_DAYS * 86400}
def killed(words):
    delete(words)
    os.kill(os.getpid(), signal.SIGKILL)
retention.main = killed
sys.exit(tiering.main(["cleanup", "--settings", sys.argv[2], "--lock", sys.argv[3]]))
`;
    const { status, stderr } = await world.run([
      "/usr/bin/python3",
      "-B",
      "-c",
      program,
      SCRIPTS,
      world.settings(KEPT),
      world.lock,
    ]);
    expect([status, stderr]).toEqual([1, text("not all old files in")]);
    const [stamp = ""] = await stamps(world);
    expect(await world.files()).toEqual([`warm/.jts-snapshots/${stamp}/temp-processing/old`]);
  });

  test("none is made by default", async ({ world }) => {
    await putOld(world, "old");
    const { status, report } = await tiered(world, "cleanup", () => undefined);
    expect([status, report.totals.deleted.files, report.snapshots.made]).toEqual([0, 1, null]);
    expect(existsSync(world.at(snapshotsOf(world)))).toBe(false);
  });

  test.for<[string, (world: World) => unknown, string]>([
    [
      "btrfs fails",
      (world) => {
        rmSync(join(world.programs, "btrfs"));
        world.program("btrfs", "echo 'ERROR: cannot snapshot: No space left on device' >&2; exit 1");
      },
      "btrfs failed with status 1",
    ],
    [
      "their folder is somebody's",
      (world) => {
        mkdirSync(world.at(snapshotsOf(world)));
        chownSync(world.at(snapshotsOf(world)), 1234, 0);
      },
      "is not a folder that only root can write to",
    ],
    [
      "their folder is a subvolume of another program",
      (world) => world.must([BTRFS!, "subvolume", "create", snapshotsOf(world)]),
      "is not a folder that only root can write to",
    ],
    [
      "warm is not btrfs",
      async (world) => {
        await world.must(["mount", "-t", "tmpfs", "warm", world.warm]);
        for (const folder of ["logs", "temp-processing"]) mkdirSync(world.at(join(world.warm, folder)));
        await putOld(world, "old");
      },
      "it is tmpfs, not btrfs",
    ],
  ])("cleanup deletes nothing and fails where %s", async ([, change, message], { world }) => {
    await putOld(world, "old");
    await change(world);
    const before = await world.files();
    const { status, report } = await tiered(world, "cleanup");
    expect([status, report.totals.deleted.files, report.problems]).toEqual([
      1,
      0,
      [expect.stringMatching(/^nothing deleted: .*\. Next: /)],
    ]);
    expect(report.problems[0]).toContain(message);
    expect(await world.files()).toEqual(before);
  });

  test("those that were kept long enough are deleted, and nothing else in their folder", async ({ world }) => {
    await putOld(world, "first", 20);
    await tiered(world, "cleanup");
    const [first = ""] = await stamps(world);
    // What others may have put there: a folder, a subvolume that can be written to, a snapshot of another name.
    const folder = snapshotsOf(world);
    mkdirSync(world.at(join(folder, "20200101T000000Z")));
    await world.must([BTRFS!, "subvolume", "snapshot", world.warm, join(folder, "20200102T000000Z")]);
    await world.must([BTRFS!, "subvolume", "snapshot", "-r", world.warm, join(folder, "before-the-upgrade")]);
    await world.must([BTRFS!, "subvolume", "snapshot", "-r", world.warm, join(folder, "20209999T000000Z")]);
    const others = ["20200101T000000Z", "20200102T000000Z", "20209999T000000Z", "before-the-upgrade"];

    setClock(world, AHEAD_DAYS + 6);
    expect((await tiered(world, "cleanup")).report.snapshots.deleted).toEqual([]);
    expect(await stamps(world)).toEqual([...others, first].sort());

    setClock(world, AHEAD_DAYS + 8);
    // Two that others made still have what it held: the room becomes free once they are gone.
    const { status, report } = await tiered(world, "cleanup");
    expect([status, report.snapshots.deleted]).toEqual([0, [{ path: join(folder, first), reason: "kept for 7 days" }]]);
    expect(await stamps(world)).toEqual(others);
    expect(held(world)).toEqual({});
  });

  test("they stay where the clock may be wrong", async ({ world }) => {
    await putOld(world, "first");
    await tiered(world, "cleanup");
    const [first = ""] = await stamps(world);
    world.clockAhead(AHEAD_DAYS + 30);
    world.program("timedatectl", "echo no");
    const { status, stderr } = await tiered(world, "cleanup");
    expect([status, stderr]).toEqual([1, text("nothing is deleted for its age")]);
    expect(await stamps(world)).toEqual([first]);
  });

  const PRESSED = (settings: Settings) => {
    KEPT(settings);
    Object.assign(settings.automation, { warmLowPercent: 30, warmHighPercent: 35, deleteAtMostPercent: 100 });
  };

  test("above the high mark the oldest go first, only as many as it takes, and no file moves to cold early", async ({
    world,
  }) => {
    for (const [day, name] of ["first", "second", "third"].entries()) {
      setClock(world, AHEAD_DAYS + day);
      await putOld(world, name, day === 2 ? 10 : 100);
      await tiered(world, "cleanup");
    }
    const [first = "", second = "", third = ""] = await stamps(world);
    // What only the older one of two has was found by comparing them, not by what that run deleted.
    expect(held(world)).toEqual({ [first]: 100 * MIB, [second]: 100 * MIB, [third]: 10 * MIB });
    world.put(join(world.warm, "daily-backups/young.tar"), Buffer.alloc(MIB, 1), 5);

    const { status, report, stderr } = await tiered(world, "migrate", PRESSED);
    expect([status, report.totals.moved.files]).toEqual([0, 0]);
    expect(report.snapshots.deleted).toEqual([{ path: join(snapshotsOf(world), first), reason: "warm is above 35 %" }]);
    expect(report.snapshots.freedBytes).toBeGreaterThan(99 * MIB);
    expect(stderr).toMatch(/deleted 1 snapshots \(warm is above 35 %\), \S+ became free/);
    expect(await stamps(world)).toEqual([second, third]);
  });

  test("none goes under pressure after one whose room is not free yet: usage would not be true", async ({ world }) => {
    for (const [day, name] of ["first", "second"].entries()) {
      setClock(world, AHEAD_DAYS + day);
      await putOld(world, name, 100);
      await tiered(world, "cleanup");
    }
    const [, second = ""] = await stamps(world);
    rmSync(join(world.programs, "btrfs"));
    world.program("btrfs", `[[ "$1 $2" != "subvolume sync" ]] || exit 1\nexec ${BTRFS} "$@"`);
    const { status, report } = await tiered(world, "migrate", (settings) => {
      PRESSED(settings);
      Object.assign(settings.automation, { warmLowPercent: 1, warmHighPercent: 2 });
    });
    expect([status, report.snapshots.deleted]).toEqual([1, []]);
    expect(report.problems[0]).toMatch(
      /^not deleted, or their room is not free yet: .*\. Next: btrfs subvolume list -d/,
    );
    expect(await stamps(world)).toEqual([second]);
  });

  test("above the high mark cleanup spares the snapshot that it made, and the next migrate does not", async ({
    world,
  }) => {
    await putOld(world, "first", 20);
    await tiered(world, "cleanup");
    setClock(world, AHEAD_DAYS + 1);
    await putOld(world, "second", 200);
    const [first = ""] = await stamps(world);
    const cleanup = await tiered(world, "cleanup", PRESSED);
    expect([cleanup.status, cleanup.report.snapshots.deleted]).toEqual([
      0,
      [{ path: join(snapshotsOf(world), first), reason: "warm is above 35 %" }],
    ]);
    expect(await stamps(world)).toEqual([cleanup.report.snapshots.made!.split("/").at(-1)]);
    const migrate = await tiered(world, "migrate", PRESSED);
    expect([migrate.status, migrate.report.snapshots.freedBytes > 199 * MIB]).toEqual([0, true]);
    expect(await stamps(world)).toEqual([]);
  });

  test("nothing moves from, is deleted from, or is counted in snapshots and other subvolumes, and optimize leaves warm alone", async ({
    world,
  }) => {
    await putOld(world, "first");
    await tiered(world, "cleanup");
    const own = join(world.warm, "temp-processing/own");
    await world.must([BTRFS!, "subvolume", "create", own]);
    await putOld(world, "own/kept");
    const [stamp = ""] = await stamps(world);
    const rule = { name: "all", source: world.warm, pattern: "*", olderThanDays: 0, to: "cold", destination: "all" };
    const { status, report, stderr } = await tiered(world, "all", (settings) => {
      KEPT(settings);
      Object.assign(settings.automation, { rules: [{ ...rule, compress: false, keep: false }] });
    });
    expect([status, report.totals, report.snapshots.made]).toEqual([
      0,
      { moved: { files: 0, bytes: 0 }, deleted: { files: 0, bytes: 0 } },
      null,
    ]);
    expect(stderr).toContain("it has subvolumes");
    expect(await world.files()).toEqual(
      [`warm/.jts-snapshots/${stamp}/temp-processing/first`, "warm/temp-processing/own/kept"].sort(),
    );
  });

  test("a dry run says that one would be made, and which would go, and does neither", async ({ world }) => {
    await putOld(world, "first");
    await tiered(world, "cleanup");
    const [first = ""] = await stamps(world);
    await putOld(world, "second");
    setClock(world, AHEAD_DAYS + 8);
    const before = await world.describe();
    const { status, report } = await tiered(world, "cleanup", KEPT, "--dry-run");
    expect([status, report.snapshots]).toEqual([0, { made: null, deleted: [], freedBytes: 0 }]);
    expect(report.commands).toEqual([
      `btrfs subvolume delete --commit-after ${join(snapshotsOf(world), first)}`,
      expect.stringMatching(/^btrfs subvolume snapshot -r \S+warm \S+\/\.jts-snapshots\/\d{8}T\d{6}Z$/),
    ]);
    expect(await world.describe()).toEqual(before);
  });

  test("health says how many there are and what they hold at most, and warns where nothing deletes them by age", async ({
    world,
  }) => {
    await putOld(world, "first", 3);
    await tiered(world, "cleanup");
    const [stamp = ""] = await stamps(world);
    const health = async (change?: (settings: Settings) => unknown) => {
      const settings = world.settings(change);
      const { stdout } = await world.run([join(SCRIPTS, "storage-health.sh"), "--json", "--settings", settings]);
      const { findings, figures } = JSON.parse(stdout) as {
        findings: { level: string; subject: string; fact: string; remedy?: string }[];
        figures: { name: string; value: number }[];
      };
      return {
        found: findings.filter(({ fact }) => fact.includes("snapshots in")),
        figures: Object.fromEntries(
          figures.filter(({ name }) => name.startsWith("warm_snapshots")).map(({ name, value }) => [name, value]),
        ),
      };
    };
    const folder = snapshotsOf(world);
    const fact = `1 snapshots in ${folder}, the oldest ${stamp}; they hold at most 3.0MiB that warm has no more`;
    expect(await health(KEPT)).toEqual({
      found: [{ level: "ok", subject: "warm", fact }],
      figures: { warm_snapshots: 1, warm_snapshots_held_bytes: 3 * MIB },
    });
    expect((await health()).found).toEqual([
      {
        level: "warning",
        subject: "warm",
        fact: `${fact}; nothing deletes them for their age`,
        remedy: `btrfs subvolume delete ${folder}/${stamp}; or set automation.warmSnapshotsKeptDays`,
      },
    ]);
  });
});
