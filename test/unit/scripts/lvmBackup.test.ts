import { copyFileSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execa } from "execa";
import { describe, expect, it } from "vitest";
import {
  archived,
  argumentsOf,
  backup,
  changePython,
  DAY,
  FAKE_LVM,
  fillWorld,
  GIB,
  NOW,
  putArchive,
  settings,
  stampOf,
  test,
  volume,
  volumes,
  type Change,
} from "./lvmWorld.ts";
import { IS_ROOT, SCRIPTS, World, type Ended, type Settings } from "./world.ts";

const text = (part: string) => expect.stringContaining(part) as string;
const NAME = `lv_postgres-${stampOf(NOW)}.tar.zst`;
const KAFKA = `lv_kafka-${stampOf(NOW)}.tar.zst`;

/** The archives that `daily` leaves on warm, made once: name and content. */
let dailyArchives: Promise<ReadonlyMap<string, Buffer>> | undefined;

async function makeDaily(): Promise<ReadonlyMap<string, Buffer>> {
  await using world = await World.make();
  fillWorld(world);
  expect(await backup(world, ["daily"])).toMatchObject({ status: 0 });
  const names = await archived(world);
  return new Map(names.map((name) => [name, readFileSync(world.at(join(world.warm, "daily-backups", name)))]));
}

/** As if `daily` had run. */
async function putDaily(world: World): Promise<void> {
  for (const [name, content] of await (dailyArchives ??= makeDaily()))
    writeFileSync(world.at(join(world.warm, "daily-backups", name)), content, { mode: 0o600 });
}

function renameAcross(world: World, from: string, to: string) {
  copyFileSync(world.at(from), world.at(to));
  rmSync(world.at(from));
}

describe.skipIf(!IS_ROOT).concurrent("lvm-backup.sh (needs root for mounts)", { timeout: 180_000 }, () => {
  test.for([
    [],
    ["dialy"],
    ["create", "lv_redis"],
    ["cleanup", "lv_postgres"],
    ["restore", NAME],
    ["restore", NAME, "--to", "relative"],
    ["restore", NAME, "--to", "/a", "--to-volume", "b"],
    ["restore", NAME, "--to-volume", "b", "--only", "c"],
    ["restore", NAME, "--to", "/a", "--only", "b/../../c"],
    ["verify", "--only", "c"],
    ["restore", `../${NAME}`, "--to", "/a"],
    ["restore", "notes.tar.zst", "--to", "/a"],
    ["restore", NAME, "--to-volume", "-b"],
    ["cleanup", "--now", "never"],
    ["daily", "--rolling"],
    ["create", "--try"],
  ])("refuses the arguments %j, exit 2", async (options, { world }) => {
    expect(await backup(world, options)).toMatchObject({ status: 2 });
    expect(volumes(world)).toEqual(["lv_kafka", "lv_postgres"]);
  });

  test.for<[Change, string]>([
    [
      ({ automation }) => Object.assign(automation, { backupVolumes: ["lv_postgres"] }),
      'automation.backupVolumes: ["lv_postgres"] is not an object',
    ],
    [
      ({ hot, automation }) => {
        hot!.volumeGroup = null;
        automation.backupVolumes = { "-x": 1 };
      },
      "automation.backupVolumes needs hot.volumeGroup",
    ],
    [
      ({ automation }) => (automation.backupsKeptDays = 0),
      "automation.backupsKeptDays: 0 is not a whole number, 1 or more",
    ],
  ])("refuses the settings %s, exit 2: %s", async ([change, message], { world }) => {
    expect(await backup(world, ["cleanup"], change)).toMatchObject({ status: 2, stderr: text(message) });
  });

  test("daily archives each volume from a snapshot of its own, and only root reads it", async ({ world }) => {
    expect(await backup(world, ["daily"])).toMatchObject({ status: 0 });
    expect(await archived(world)).toEqual([KAFKA, `${KAFKA}.sha256`, NAME, `${NAME}.sha256`]);
    for (const path of Object.entries(await world.describe()).filter(
      ([path, { type }]) => path.startsWith("warm/") && type === "file",
    ))
      expect(path[1].mode).toBe(0o600);
    await world.must(["bash", "-c", `cd ${world.warm}/daily-backups && sha256sum --check --strict *.sha256`]);
    expect(
      await world.must([
        "bash",
        "-c",
        `zstd --decompress --stdout ${world.warm}/daily-backups/${NAME} | tar --extract --to-stdout`,
      ]),
    ).toBe("content of lv_postgres");
    expect(volumes(world)).toEqual(["lv_kafka", "lv_postgres"]);
    expect(JSON.parse(readFileSync(join(world.path, "state/runs.json"), "utf8"))).toMatchObject({
      subcommands: [{ program: "lvm-backup", subcommand: "daily", runs: [{ status: 0, files: 2 }] }],
    });
    // Replays the log; a snapshot that fills up is no panic; XFS would not be mounted beside its original.
    expect(world.calls()).toEqual(
      expect.arrayContaining([
        text("mount --types ext4 --options ro,errors=continue -- /dev/vg_jts/lv_postgres_daily"),
        text("mount --types xfs --options ro,nouuid -- /dev/vg_jts/lv_kafka_daily"),
      ]),
    );
  });

  test("a volume that cannot be archived doesn't keep the others from it", async ({ world }) => {
    rmSync(join(world.path, "vg/lv_postgres"), { recursive: true });
    expect(await backup(world, ["daily"])).toMatchObject({
      status: 1,
      stderr: text("there is no volume vg_jts/lv_postgres"),
    });
    expect(await archived(world)).toEqual([KAFKA, `${KAFKA}.sha256`]);
  });

  test("archives a volume with a cache as any other, and no snapshot", async ({ world }) => {
    volume(world, "lv_kafka", "xfs", { origin: "[lv_kafka_corig]" });
    volume(world, "lv_postgres", "ext4", { origin: "lv_kafka" });
    expect(await backup(world, ["daily"])).toMatchObject({
      status: 1,
      stderr: text("vg_jts/lv_postgres is a snapshot itself"),
    });
    expect(await archived(world)).toEqual([KAFKA, `${KAFKA}.sha256`]);
  });

  test("refuses btrfs before there is a second device of the same identity", async ({ world }) => {
    volume(world, "lv_postgres", "btrfs");
    expect(await backup(world, ["create", "lv_postgres"])).toMatchObject({
      status: 1,
      stderr: text("has btrfs, and a snapshot of that by LVM is not safe"),
    });
    expect(volumes(world)).toEqual(["lv_kafka", "lv_postgres"]);
  });

  test.for<[string, (world: World) => unknown, string]>([
    ["nothing is mounted", (world) => world.must(["umount", world.warm]), "nothing is mounted"],
    ["another filesystem is mounted", (world) => world.program("blkid", "echo other"), "has the label 'other'"],
  ])("archives nothing where %s at the warm tier", async ([, change, message], { world }) => {
    await change(world);
    const before = await world.describe();
    expect(await backup(world, ["daily"], ({ warm }) => (warm!.label = "jts-warm-storage"))).toMatchObject({
      status: 1,
      stderr: text(message),
    });
    expect(await world.describe()).toEqual(before);
    expect(volumes(world)).toEqual(["lv_kafka", "lv_postgres"]);
  });

  test.for([{ invalid: "1" }, { fill: "100.00" }])(
    "throws the archive of a snapshot away that filled up while it was read: %j",
    async (facts, { world }) => {
      world.program(
        "zstd",
        `if [[ $* == *--threads=0* ]]; then
  /usr/bin/python3 -c '
import json, pathlib, sys
file = pathlib.Path(sys.argv[1])
file.write_text(json.dumps(json.loads(file.read_text()) | json.loads(sys.argv[2])))
' ${world.path}/vg/lv_postgres_daily_*/known.json '${JSON.stringify(facts)}'
fi
exec /usr/bin/zstd "$@"`,
      );
      expect(await backup(world, ["daily", "lv_postgres"])).toMatchObject({
        status: 1,
        stderr: text("its snapshot of 1.0MiB filled up meanwhile"),
      });
      expect(await archived(world)).toEqual([]);
      expect(volumes(world)).toEqual(["lv_kafka", "lv_postgres"]);
    },
  );

  const partOfTar = `
if [[ $* == *--create* ]]; then
  /usr/bin/tar "$@" | head --bytes=100
  exit 2
fi
exec /usr/bin/tar "$@"`;
  const zstd = (instead: string) => `[[ $* != *--threads=0* ]] || { ${instead}; }\nexec /usr/bin/zstd "$@"`;
  test.for<[string, string, (world: World) => void]>([
    [
      "reads back differently",
      "the device fails",
      (world) => changePython(world, `os.posix_fadvise = lambda fd, *_: open(f"/proc/self/fd/{fd}", "ab").write(b"x")`),
    ],
    ["is not archived", "tar fails", (world) => world.program("tar", partOfTar)],
    [
      "is not archived",
      "zstd fails",
      (world) => world.program("zstd", zstd(`/usr/bin/zstd "$@" | head --bytes=100; exit 1`)),
    ],
    [
      "it is damaged: zstd | tar cannot read it",
      "zstd fails, and says it did not",
      (world) => world.program("zstd", zstd("head --bytes=100; exit 0")),
    ],
    [
      "No space left",
      "nothing is left on warm",
      (world) => world.program("zstd", zstd("exec head --bytes=100M /dev/zero")),
    ],
  ])("an archive that %s gets no name (%s)", async ([message, , change], { world }) => {
    change(world);
    const { status, stderr } = await backup(world, ["daily", "lv_postgres"]);
    expect(status).toBe(1);
    expect(stderr).toContain(message);
    expect(stderr).toContain("lv_postgres is not archived");
    expect(await archived(world)).toEqual([]);
    expect(volumes(world)).toEqual(["lv_kafka", "lv_postgres"]);
  });

  test.for<[string, "before" | "after", string]>([
    ["lvcreate", "after", "--snapshot"],
    ["tar", "before", "--create"],
    ["zstd", "before", "--decompress"],
    ["lvremove", "before", "_daily_"],
    ["lvremove", "after", "_daily_"],
  ])(
    "killed at %s (%s it, %s), the next run cleans up and makes whole archives",
    async ([program, when, argument], { world }) => {
      const run = program.startsWith("lv")
        ? `bash ${FAKE_LVM} ${world.path}/vg ${program} "$@"`
        : `PATH=\${PATH#*:} command ${program} "$@"`;
      world.program(
        program,
        `[[ "$* " == *"${argument}"* ]] || { ${run}; exit; }\n${when === "after" ? run : ":"}\nkill -KILL "$VICTIM"`,
      );
      await dieAndGoOn(world, () => world.program(program, run));
    },
  );

  test.for<[string, string]>([
    ["fsync", `os.readlink(f"/proc/self/fd/{words[0]}").endswith(stamp)`],
    ["fsync", `os.readlink(f"/proc/self/fd/{words[0]}").endswith(stamp + ".sha256")`],
    ["link", `words[1].endswith(".zst.sha256")`],
    ["link", `words[1].endswith(".zst")`],
    ["unlink", `words[0].endswith(stamp)`],
    ["unlink", `words[0].endswith(stamp + ".sha256")`],
  ])("killed after %s where %s, the next run cleans up and makes whole archives", async ([name, where], { world }) => {
    changePython(
      world,
      [
        `stamp = "${stampOf(NOW)}"`,
        `real = os.${name}`,
        "def die(*words):",
        "  real(*words)",
        `  if ${where}: os.kill(os.getpid(), signal.SIGKILL)`,
        `os.${name} = die`,
      ].join("\n"),
    );
    await dieAndGoOn(world, () => rmSync(join(world.programs, "python3")));
  });

  /** A run that something kills, and the next one, after `mend`. */
  async function dieAndGoOn(world: World, mend: () => void) {
    const daily = argumentsOf(world, ["daily", "lv_postgres"]);
    const killed = await world.run(["bash", "-c", 'export VICTIM=$$; exec "$@"', "run", ...daily]);
    expect(killed.signal).toBe("SIGKILL");
    mend();
    // A program that it started may still hold the lock.
    let next: Ended;
    do next = await backup(world, ["daily", "lv_postgres", "--now", `@${NOW + 5}`]);
    while (next.status === 75);
    expect(next).toMatchObject({ status: 0 });
    expect(volumes(world)).toEqual(["lv_kafka", "lv_postgres"]);
    const files = await archived(world);
    expect(files).toContain(`lv_postgres-${stampOf(NOW + 5)}.tar.zst`);
    expect(files.filter((name) => !/^lv_postgres-\w+\.tar\.zst(\.sha256)?$/.test(name))).toEqual([]);
    expect(files.filter((name) => name.endsWith(".zst")).map((name) => `${name}.sha256`)).toEqual(
      files.filter((name) => name.endsWith(".sha256")),
    );
    expect(await backup(world, ["verify"])).toMatchObject({ status: 0 });
  }

  test.for<[string, string]>([
    ["lvcreate", "--snapshot"],
    ["tar", "--create"],
    ["zstd", "--decompress"],
  ])("ended by a signal at %s, it leaves nothing behind", async ([program, argument], { world }) => {
    const run = program.startsWith("lv")
      ? `bash ${FAKE_LVM} ${world.path}/vg ${program} "$@"`
      : `PATH=\${PATH#*:} command ${program} "$@"`;
    world.program(program, `[[ "$* " != *"${argument}"* ]] || { kill -TERM "$VICTIM"; sleep 0.5; }\n${run}`);
    const daily = argumentsOf(world, ["daily"]);
    expect(await world.run(["bash", "-c", 'export VICTIM=$$; exec "$@"', "run", ...daily])).toMatchObject({
      status: 143,
    });
    expect(await archived(world)).toEqual([]);
    expect(volumes(world)).toEqual(["lv_kafka", "lv_postgres"]);
  });

  test("holds the lock until what it had started has ended, though it was killed", async ({ world }) => {
    const hang = `[[ $* == *--create* ]] || exec /usr/bin/tar "$@"\nkill -KILL "$VICTIM"\nexec sleep 600`;
    world.program("tar", hang);
    const daily = argumentsOf(world, ["daily", "lv_postgres"]);
    const killed = await world.run(["bash", "-c", 'export VICTIM=$$; exec "$@"', "run", ...daily]);
    expect(killed.signal).toBe("SIGKILL");
    try {
      expect(await backup(world, ["daily"])).toMatchObject({ status: 75 });
    } finally {
      await world.must(["bash", "-c", 'kill $(fuser "$1" 2>/dev/null)', "end", join(world.path, "lock")]);
    }
  });

  test("takes nothing that is not its own, however it is called", async ({ world }) => {
    volume(world, "lv_postgres_kept_20200101T000000Z", "ext4", { origin: "lv_postgres", tags: "theirs" });
    volume(world, "lv_postgres_daily_20200101T000000Z", "ext4", { origin: "lv_postgres" });
    for (let day = 0; day < 20; day++) putArchive(world, `lv_postgres-${stampOf(NOW - (100 + day) * DAY)}.tar.zst`);
    const theirs = [
      "lv_postgres-20200101T000000Z.tar.zst",
      "lv_postgres-old.tar.zst",
      "lv_postgres-20200101T000000Z.tar.gz",
      "notes",
      "lv_redis-20200101T000000Z.tar.zst",
    ];
    for (const name of theirs) world.put(join(world.warm, "daily-backups", name));
    world.put(join(world.warm, "daily-backups/lv_redis-20200101T000000Z.tar.zst.sha256"));
    expect(await backup(world, ["cleanup"], (settings) => (settings.cold = null))).toMatchObject({ status: 0 });
    expect(volumes(world)).toHaveLength(4);
    expect(await archived(world)).toEqual(expect.arrayContaining(theirs));
    expect(
      (await archived(world)).filter((name) => name.startsWith("lv_postgres-2026") && name.endsWith(".zst")),
    ).toHaveLength(7);
  });

  test("cleanup keeps the first archive of each week for the cold tier, where there is one", async ({ world }) => {
    for (let day = 0; day < 28; day++) putArchive(world, `lv_kafka-${stampOf(NOW - day * DAY)}.tar.zst`);
    expect(await backup(world, ["cleanup", "--dry-run"])).toMatchObject({
      status: 0,
      stdout: text("would have deleted"),
    });
    expect(await archived(world)).toHaveLength(56);
    expect(await backup(world, ["cleanup"])).toMatchObject({ status: 0 });
    const kept = (await archived(world))
      .filter((name) => name.endsWith(".zst"))
      .map((name) =>
        Math.round((NOW - Date.parse(name.replace(/^.*-(\d{4})(\d\d)(\d\d)T.*$/, "$1-$2-$3T12:00:00Z")) / 1000) / DAY),
      );
    expect(kept.filter((day) => day <= 7).sort((a, b) => a - b)).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
    const older = kept.filter((day) => day > 7).sort((a, b) => a - b);
    expect(older.length).toBeGreaterThanOrEqual(3);
    expect(older.slice(1, -1).every((day, index) => day - older[index]! === 7)).toBe(true);
  });

  test("snapshots that were asked for go when they are old, or full", async ({ world }) => {
    const name = (days: number) => `lv_kafka_kept_${stampOf(NOW - days * DAY)}`;
    for (const days of [6, 8]) volume(world, name(days), "xfs", { origin: "lv_kafka", tags: "jts-backup.kept" });
    volume(world, name(1), "xfs", { origin: "lv_kafka", tags: "jts-backup.kept", invalid: "1" });
    expect(await backup(world, ["create"])).toMatchObject({ status: 0 });
    expect(await backup(world, ["cleanup"])).toMatchObject({ status: 0 });
    expect(volumes(world)).toEqual([
      "lv_kafka",
      `lv_kafka_kept_${stampOf(NOW - 6 * DAY)}`,
      name(0),
      "lv_postgres",
      `lv_postgres_kept_${stampOf(NOW)}`,
    ]);
  });

  test.for([400_000, 999_999, Number.MAX_SAFE_INTEGER])(
    "snapshots and archives that are kept for %d days stay: before 1970 nothing is",
    async (days, { world }) => {
      const long = (settings: Settings) => (settings.automation.backupsKeptDays = days);
      const kept = `lv_kafka_kept_${stampOf(NOW - 20 * DAY)}`;
      volume(world, kept, "xfs", { origin: "lv_kafka", tags: "jts-backup.kept" });
      expect(await backup(world, ["create"], long)).toMatchObject({ status: 0 });
      expect(await backup(world, ["cleanup"], long)).toMatchObject({ status: 0 });
      expect(volumes(world)).toContain(kept);
    },
  );

  test("snapshots that were asked for stay where the clock may be wrong, full ones don't", async ({ world }) => {
    const now = Math.floor(Date.now() / 1000);
    const old = `lv_kafka_kept_${stampOf(now - 8 * DAY)}`;
    const cleanup = () =>
      world.run([
        join(SCRIPTS, "lvm-backup.sh"),
        "cleanup",
        "--settings",
        settings(world),
        "--lock",
        join(world.path, "lock"),
      ]);
    volume(world, old, "xfs", { origin: "lv_kafka", tags: "jts-backup.kept" });
    volume(world, `lv_kafka_kept_${stampOf(now - DAY)}`, "xfs", {
      origin: "lv_kafka",
      tags: "jts-backup.kept",
      invalid: "1",
    });
    expect(await cleanup()).toMatchObject({ status: 0, stderr: text(`${old} stays in this run: it is the first run`) });
    expect(volumes(world)).toEqual(["lv_kafka", old, "lv_postgres"]);
    for (const last of [now - 9 * DAY, now + DAY]) {
      writeFileSync(join(world.path, "state/snapshots.last"), `${last}\n`);
      for (const synchronized of ["no", "yes"]) {
        world.program("timedatectl", `echo ${synchronized}`);
        expect(await cleanup()).toMatchObject({ status: 1, stderr: text("Next: timedatectl") });
        expect(volumes(world)).toContain(old);
      }
    }
    expect(await cleanup()).toMatchObject({ status: 0, stderr: text(`removed the snapshot vg_jts/${old}`) });
    expect(volumes(world)).toEqual(["lv_kafka", "lv_postgres"]);
  });

  const COLD = (world: World) => join(world.cold, "jts/archives/database");

  test("begins no archive that is likely not to fit, by the size of the last one of its volume, except with --try", async ({
    world,
  }) => {
    const last = `lv_postgres-${stampOf(NOW - DAY)}.tar.zst`;
    world.put(join(world.warm, "daily-backups", last), Buffer.alloc(40 * 2 ** 20));
    world.put(join(world.warm, "daily-backups", `${last}.sha256`));
    for (const more of [[], ["--dry-run"]]) {
      const { status, stdout, stderr } = await backup(world, ["daily", ...more]);
      expect(status).toBe(1);
      expect(`${stdout}${stderr}`).toMatch(
        new RegExp(
          "lv_postgres is not archived: it needs about 51MiB \\(the size of the last one and a quarter more\\), " +
            `${world.warm} has 2\\dMiB free. Next: make room`,
        ),
      );
    }
    expect(world.calls().join("\n")).not.toMatch(/lvcreate.*lv_postgres_daily/);
    // The one that fits is made.
    expect(await archived(world)).toEqual([KAFKA, `${KAFKA}.sha256`, last, `${last}.sha256`]);
    expect(await backup(world, ["daily", "lv_postgres", "--try"])).toMatchObject({ status: 0 });
    expect(await archived(world)).toContain(NAME);
  });

  test("begins no first archive that may not fit, by what its volume uses", async ({ world }) => {
    world.put(join(world.hot, "data"), Buffer.alloc(70 * 2 ** 20));
    changePython(
      world,
      [
        "class Device: pass",
        'Device.st_rdev = os.stat(os.environ["HOT"]).st_dev',
        "stat = os.stat",
        'os.stat = lambda path, **more: Device if path == "/dev/vg_jts/lv_postgres" else stat(path, **more)',
      ].join("\n"),
    );
    expect(await world.run(argumentsOf(world, ["daily"]), { HOT: world.hot })).toMatchObject({
      status: 1,
      stderr: text("it needs about 71MiB (at most: it is what its source uses, since there is no last one)"),
    });
    expect(await archived(world)).toEqual([KAFKA, `${KAFKA}.sha256`]);
  });

  const room = (world: World, mib: number) => writeFileSync(join(world.path, "vg/.room"), `${mib * 2 ** 20}\n`);

  test("makes no snapshot that doesn't fit the group, and names those of ours that could go", async ({ world }) => {
    const kept = (days: number) => `lv_kafka_kept_${stampOf(NOW - days * DAY)}`;
    for (const days of [1, 2, 3])
      volume(world, kept(days), "xfs", { origin: "lv_kafka", tags: "jts-backup.kept", bytes: 4 * 2 ** 20 });
    room(world, 12);
    for (const action of ["create", "daily"]) {
      const { status, stderr } = await backup(world, [action, "lv_kafka"]);
      expect([status, stderr]).toEqual([
        1,
        expect.stringMatching(
          new RegExp(
            "no snapshot of vg_jts/lv_kafka: it needs 4.0MiB, vg_jts has 0B free. Next: \\S+lvm-backup.sh cleanup; " +
              `vgs vg_jts; or, where they are no longer needed: lvremove vg_jts/${kept(3)}\n`,
          ),
        ),
      ]);
    }
    expect(volumes(world)).toEqual([...["lv_kafka", kept(3), kept(2), kept(1)], "lv_postgres"]);
    room(world, 16);
    expect(await backup(world, ["create", "lv_kafka"])).toMatchObject({ status: 0 });
  });

  test("rolling snapshots leave room for the archives, and go before their time only where the next don't fit", async ({
    world,
  }) => {
    // Each takes 4 MiB: two volumes, and the snapshot of a daily run.
    room(world, 32);
    const byHand = `lv_kafka_kept_${stampOf(NOW - DAY)}`;
    volume(world, byHand, "xfs", { origin: "lv_kafka", tags: "jts-backup.kept", bytes: 4 * 2 ** 20 });
    const day = async (number: number) => {
      const now = ["--now", `@${NOW + number * DAY}`];
      expect(await backup(world, ["create", "--rolling", ...now])).toMatchObject({ status: 0 });
      expect(await backup(world, ["all", ...now])).toMatchObject({ status: 0 });
      return volumes(world)
        .filter((name) => /_kept_/.test(name) && name !== byHand)
        .map(
          (name) => (Date.parse(name.replace(/^.*_(\d{4})(\d\d)(\d\d)T.*$/, "$1-$2-$3T12:00:00Z")) / 1000 - NOW) / DAY,
        );
    };
    expect(await day(0)).toEqual([0, 0]);
    expect(await day(1)).toEqual([0, 1, 0, 1]);
    expect(await day(2)).toEqual([1, 2, 1, 2]);
    room(world, 8);
    expect(await backup(world, ["cleanup", "--now", `@${NOW + 2 * DAY}`])).toMatchObject({ status: 0 });
    expect(volumes(world).filter((name) => name.includes("_kept_"))).toEqual([
      byHand,
      `lv_kafka_kept_${stampOf(NOW + 2 * DAY)}`,
      `lv_postgres_kept_${stampOf(NOW + 2 * DAY)}`,
    ]);
  });

  test("cold keeps the newest archive of the last weeks, months and years, by the stamps, and only of ours", async ({
    world,
  }) => {
    const keep: Change = ({ automation }) => (automation.coldRetention = { weekly: 2, monthly: 3, yearly: 0 });
    const days = [-1, 0, 1, 7, 8, 30, 31, 62, 93, 400];
    for (const day of days) putArchive(world, `lv_old-${stampOf(NOW - day * DAY)}.tar.zst`, COLD(world));
    const theirs = [
      "lv_x-20200101T000000Z.tar.zst",
      "lv_old-20209999T000000Z.tar.zst",
      "postgresql-h@d-20200101T000000Z.dump",
      "notes",
    ];
    for (const name of theirs) world.put(join(COLD(world), name));
    // The only archive of a volume that the settings name; its checksum is still on warm.
    const only = "lv_kafka-20200101T000000Z.tar.zst";
    world.put(join(COLD(world), only));
    const before = await world.files();
    expect(await backup(world, ["cleanup"])).toMatchObject({ status: 0 });
    expect(await backup(world, ["cleanup", "--dry-run"], keep)).toMatchObject({
      status: 0,
      stdout: text(`would have deleted ${COLD(world)}/lv_old-${stampOf(NOW - 400 * DAY)}.tar.zst`),
    });
    expect(await world.files()).toEqual(before);
    expect(await backup(world, ["cleanup"], keep)).toMatchObject({ status: 0 });
    const left = (await world.files())
      .filter((path) => path.startsWith("cold/jts/archives/database/"))
      .map((path) => path.slice("cold/jts/archives/database/".length));
    expect(left.filter((name) => name.endsWith(".sha256")).map((name) => name.slice(0, -7))).toEqual(
      left.filter((name) => /^lv_old-2026.*zst$/.test(name)),
    );
    // NOW is a Tuesday, June 30th. Weeks: 0, 7 (1 is Monday of the same); months: 0, 30 (May 31st), 62 (April 29th).
    // The newest three stay as well.
    expect(left.filter((name) => name.endsWith(".zst")).sort()).toEqual(
      [
        ...[-1, 0, 1, 7, 30, 62].map((day) => `lv_old-${stampOf(NOW - day * DAY)}.tar.zst`),
        ...theirs.filter((name) => name.endsWith(".zst")),
        only,
      ].sort(),
    );
    expect(left).toEqual(expect.arrayContaining(theirs));
  });

  test("archives on cold stay where another host archives below the same root: theirs have the same names", async ({
    world,
  }) => {
    const keep: Change = ({ automation }) => (automation.coldRetention = { weekly: 1, monthly: 0, yearly: 0 });
    for (const day of [1, 30]) putArchive(world, `lv_kafka-${stampOf(NOW - day * DAY)}.tar.zst`, COLD(world));
    const configs = (days: number) =>
      world.put(join(world.cold, `jts/archives/configs/configs-other-host-${stampOf(NOW - days * DAY)}.tar.zst`));
    configs(3);
    const before = await world.files();
    expect(await backup(world, ["cleanup"], keep)).toMatchObject({
      status: 1,
      stderr: text(`the host other-host archives below ${world.cold}/jts too`),
    });
    expect(await world.files()).toEqual(before);
    // As after a host got another name, or was given up.
    await world.must(["rm", "--recursive", join(world.cold, "jts/archives/configs")]);
    configs(8);
    expect(await backup(world, ["cleanup"], keep)).toMatchObject({ status: 0 });
    expect(await world.files()).not.toEqual(before);
  });

  test("archives on cold stay in a first run, and where cold is away", async ({ world }) => {
    const keep: Change = ({ automation }) => (automation.coldRetention = { weekly: 1, monthly: 0, yearly: 0 });
    const cleanup = (...more: string[]) =>
      world.run([
        ...[join(SCRIPTS, "lvm-backup.sh"), "cleanup", "--settings", settings(world, keep)],
        ...["--lock", join(world.path, "lock"), ...more],
      ]);
    const now = Math.floor(Date.now() / 1000);
    const old = `lv_kafka-${stampOf(now - 30 * DAY)}.tar.zst`;
    for (const name of [old, `lv_kafka-${stampOf(now - DAY)}.tar.zst`]) putArchive(world, name, COLD(world));
    // A dry run before the first run prints what a run after the first would do.
    expect(await cleanup("--dry-run")).toMatchObject({
      status: 0,
      stdout: expect.stringMatching(
        new RegExp(`the first one deletes nothing for its age[^]*would have deleted ${COLD(world)}/${old}`),
      ) as string,
    });
    expect(await cleanup()).toMatchObject({ status: 0, stderr: text(`${old} stays in this run: it is the first run`) });
    await world.must(["umount", world.cold]);
    expect(await cleanup()).toMatchObject({
      status: 1,
      stderr: text("not all archives on cold that may go were deleted: nothing is"),
    });
    await world.must(["mount", "-t", "tmpfs", "nas:/volume", world.cold]);
    for (const name of [old, `lv_kafka-${stampOf(now - DAY)}.tar.zst`]) putArchive(world, name, COLD(world));
    const { status, stdout } = await cleanup("--json");
    expect([status, JSON.parse(stdout)]).toEqual([
      0,
      {
        action: "cleanup",
        dryRun: false,
        done: [{ did: "deleted", what: `${COLD(world)}/${old}` }],
        failed: [],
      },
    ]);
    expect((await world.files()).filter((path) => path.endsWith(old))).toEqual([]);
  });

  test("verify prints each archive as JSON, does not wait for a NAS that hangs, and ignores one that is removed meanwhile", async ({
    world,
  }) => {
    await putDaily(world);
    await world.must(["bash", "-c", `mv ${world.warm}/daily-backups/lv_kafka* ${COLD(world)}/`]);
    writeFileSync(world.at(join(world.warm, "daily-backups", NAME)), "x", { flag: "r+" });
    const report = JSON.parse((await backup(world, ["verify", "--json"])).stdout) as {
      archives: { name: string; tier: string; ok: boolean; problem: string | null }[];
      failed: string[];
    };
    expect(report.archives.map(({ name, tier, ok, problem }) => [name, tier, ok, problem])).toEqual([
      [NAME, "warm", false, text("is damaged")],
      [KAFKA, "cold", true, null],
    ]);
    expect(report.failed).toEqual([text("is damaged")]);
    // Reading hangs, and so does the NAS by then.
    world.program("zstd", `echo >${world.path}/away; exec sleep 1000`);
    changePython(
      world,
      [
        "import time",
        "statvfs = os.statvfs",
        `is_away = lambda path: path == "${world.cold}" and os.path.exists("${world.path}/away")`,
        "os.statvfs = lambda path: time.sleep(3600) if is_away(path) else statvfs(path)",
      ].join("\n"),
    );
    expect(await backup(world, ["verify", KAFKA], (settings) => (settings.probeSeconds = 1))).toMatchObject({
      status: 1,
      stderr: text(`${KAFKA} is not verified: ${world.cold} stopped answering`),
    });
    rmSync(join(world.programs, "python3"));
    world.program("zstd", `rm ${COLD(world)}/${KAFKA}; exit 1`);
    expect(await backup(world, ["verify", KAFKA])).toMatchObject({ status: 0, stderr: text("was removed meanwhile") });
  });

  test("daily prints what it made as JSON", async ({ world }) => {
    const { status, stdout } = await backup(world, ["daily", "lv_kafka", "--json"]);
    expect([status, JSON.parse(stdout)]).toEqual([
      0,
      {
        action: "daily",
        dryRun: false,
        done: [
          {
            did: "archived",
            what: "vg_jts/lv_kafka",
            path: `${world.warm}/daily-backups/${KAFKA}`,
            bytes: expect.any(Number) as number,
          },
        ],
        failed: [],
      },
    ]);
  });

  test("restores into a folder that has no files, from warm or cold, and finishes what was cut off", async ({
    world,
  }) => {
    await putDaily(world);
    const target = join(world.hot, "back here");
    expect(await backup(world, ["restore", NAME, "--to", target])).toMatchObject({ status: 0 });
    expect(world.read(join(target, "a b/-file\nof two lines"))).toBe("content of lv_postgres");
    expect(await world.files()).toContain("hot/back here/a b/-file\nof two lines");
    expect(await backup(world, ["restore", KAFKA, "--to", target])).toMatchObject({
      status: 1,
      stderr: text("has files in it"),
    });
    expect(world.read(join(target, "a b/-file\nof two lines"))).toBe("content of lv_postgres");
    await world.must(["bash", "-c", `mv ${world.warm}/daily-backups/lv_kafka* ${world.cold}/jts/archives/database/`]);
    // After another archive, files would stay that this one doesn't have.
    world.put(join(target, ".jts-restore-unfinished"), `${NAME}\n`);
    expect(await backup(world, ["restore", KAFKA, "--to", target])).toMatchObject({
      status: 1,
      stderr: text(`an unfinished restore of ${NAME}`),
    });
    expect(world.read(join(target, "a b/-file\nof two lines"))).toBe("content of lv_postgres");
    world.put(join(target, ".jts-restore-unfinished"), `${KAFKA}\n`);
    expect(await backup(world, ["restore", KAFKA, "--to", target])).toMatchObject({ status: 0 });
    expect(world.read(join(target, "a b/-file\nof two lines"))).toBe("content of lv_kafka");
    expect((await world.files()).filter((path) => path.includes("unfinished"))).toEqual([]);
  });

  test("restores one file or folder of an archive, from warm or cold, and nothing else", async ({ world }) => {
    const folder = join(world.path, "content");
    const put = (name: string) => world.put(join(folder, name), `content of ${name}`);
    // A name that tar(1) would take for one with a tab, and one like a pattern.
    for (const name of ["a b/-one\\tx", "a b/other", "a b/*", "c"]) put(name);
    await world.must(["chown", "12:34", join(folder, "a b/-one\\tx")]);
    await world.must(["chmod", "640", join(folder, "a b/-one\\tx")]);
    const program = `mkdir --parents "$2" && tar --create --directory="$1" . | zstd --quiet >"$2/$3" &&
      cd "$2" && sha256sum "$3" >"$3.sha256"`;
    await world.must(["bash", "-c", program, "pack", folder, join(world.warm, "daily-backups"), NAME]);
    const restore = (only: string, to: string, ...more: string[]) =>
      backup(world, ["restore", NAME, "--to", join(world.hot, to), "--only", only, ...more]);
    const restored = async () => (await world.files()).filter((path) => path.startsWith("hot/"));
    const hot = await restored();
    const added = async () => (await restored()).filter((path) => !hot.includes(path));
    expect(await restore("a b/-one\\tx", "one", "--dry-run")).toMatchObject({
      status: 0,
      stdout: text("would restore"),
    });
    expect(await restore("nothing", "one")).toMatchObject({ status: 1, stderr: text("has no nothing. Next: zstd") });
    expect(await added()).toEqual([]);
    expect(await restore("/a b/-one\\tx", "one")).toMatchObject({ status: 0 });
    await world.must(["bash", "-c", `mv ${world.warm}/daily-backups/lv_* ${world.cold}/jts/archives/database/`]);
    expect(await restore("a b/*", "two")).toMatchObject({ status: 0 });
    expect(await restore("a b/", "three")).toMatchObject({ status: 0 });
    expect(await restore("c", "two")).toMatchObject({ status: 1, stderr: text("has files in it") });
    expect(await added()).toEqual([
      "hot/one/a b/-one\\tx",
      ...["*", "-one\\tx", "other"].map((name) => `hot/three/a b/${name}`),
      "hot/two/a b/*",
    ]);
    expect((await world.describe())["hot/one/a b/-one\\tx"]).toMatchObject({ mode: 0o640, uid: 12, gid: 34 });
    // What another part has left unfinished is not mixed with this one.
    world.put(join(world.hot, "four/.jts-restore-unfinished"), `${NAME} "c"\n`);
    world.put(join(world.hot, "four/c"), "half");
    expect(await restore("a b", "four")).toMatchObject({ status: 1, stderr: text("has an unfinished restore of") });
    expect(await restore("c", "four")).toMatchObject({ status: 0 });
    expect(world.read(join(world.hot, "four/c"))).toBe("content of c");
  });

  test("restores into a new volume, and never over one", async ({ world }) => {
    await putDaily(world);
    expect(await backup(world, ["restore", NAME, "--to-volume", "lv_kafka"])).toMatchObject({
      status: 1,
      stderr: text("already"),
    });
    expect(await backup(world, ["restore", NAME, "--to-volume", "back"])).toMatchObject({ status: 0 });
    expect(await world.must(["cat", `${world.path}/vg/back/data/a b/-file\nof two lines`])).toBe(
      "content of lv_postgres",
    );
    expect(JSON.parse(await world.must(["cat", `${world.path}/vg/back/known.json`]))).toEqual({
      origin: "",
      bytes: GIB,
      tags: "",
      type: "ext4",
    });
    world.program("mkfs.ext4", "exit 1");
    expect(await backup(world, ["restore", NAME, "--to-volume", "again"])).toMatchObject({ status: 1 });
    expect(volumes(world)).toEqual(["back", "lv_kafka", "lv_postgres"]);
  });

  test("verify and restore find a damaged archive, and one without its checksum", async ({ world }) => {
    await putDaily(world);
    expect(await backup(world, ["verify"])).toMatchObject({
      status: 0,
      stdout: text(`ok  ${world.warm}/daily-backups/${NAME}`),
    });
    writeFileSync(world.at(join(world.warm, "daily-backups", NAME)), "x", { flag: "r+" });
    rmSync(world.at(join(world.warm, "daily-backups", `${KAFKA}.sha256`)));
    const { status, stderr } = await backup(world, ["verify"]);
    expect(status).toBe(1);
    expect(stderr).toContain(`${NAME} does not match its checksum`);
    expect(stderr).toContain(`${KAFKA} has no checksum`);
    expect(await backup(world, ["restore", NAME, "--to", join(world.hot, "back")])).toMatchObject({
      status: 1,
      stderr: text("is damaged"),
    });
    expect(await backup(world, ["verify", `lv_kafka-${stampOf(NOW + 1)}.tar.zst`])).toMatchObject({
      status: 1,
      stderr: text("there is no archive"),
    });
    expect(await world.files()).not.toContain("hot/back");
  });

  test("an archive whose checksum is on the other tier is as good as any", async ({ world }) => {
    await putDaily(world);
    const archives = join(world.cold, "jts/archives/database");
    renameAcross(world, join(world.warm, "daily-backups", NAME), join(archives, NAME));
    renameAcross(world, join(world.warm, "daily-backups", `${KAFKA}.sha256`), join(archives, `${KAFKA}.sha256`));
    expect(await backup(world, ["verify"])).toMatchObject({
      status: 0,
      stdout: text(`ok  ${archives}/${NAME}`),
    });
    expect((await backup(world, ["list"])).stdout).not.toContain("WITHOUT A CHECKSUM");
    expect(await backup(world, ["restore", NAME, "--to", join(world.hot, "back")])).toMatchObject({ status: 0 });
    // The next run does not treat a checksum as a leftover while its archive is on cold.
    expect(await backup(world, ["daily", "--now", `@${NOW + 86_400}`])).toMatchObject({ status: 0 });
    expect(await archived(world)).toContain(`${NAME}.sha256`);
  });

  test("restore takes the good one of two copies", async ({ world }) => {
    await putDaily(world);
    await world.must(["bash", "-c", `cp ${world.warm}/daily-backups/lv_* ${world.cold}/jts/archives/database/`]);
    writeFileSync(world.at(join(world.warm, "daily-backups", NAME)), "x", { flag: "r+" });
    expect(await backup(world, ["verify", NAME])).toMatchObject({
      status: 1,
      stdout: `ok  ${world.cold}/jts/archives/database/${NAME}\n`,
      stderr: text("is damaged"),
    });
    expect(await backup(world, ["restore", NAME, "--to", join(world.hot, "back")])).toMatchObject({
      status: 0,
      stderr: text(`restored ${world.cold}/jts/archives/database/${NAME}`),
    });
    expect(world.read(join(world.hot, "back/a b/-file\nof two lines"))).toBe("content of lv_postgres");
    writeFileSync(world.at(join(world.cold, "jts/archives/database", NAME)), "x", { flag: "r+" });
    expect(await backup(world, ["restore", NAME, "--to", join(world.hot, "again")])).toMatchObject({
      status: 1,
      stderr: text(`all copies of ${NAME} are damaged`),
    });
  });

  test("list prints archives and snapshots, as text and as JSON", async ({ world }) => {
    await putDaily(world);
    await backup(world, ["create", "lv_kafka"]);
    putArchive(world, "lv_kafka-20260101T000000Z.tar.zst", join(world.cold, "jts/archives/database"));
    const { status, stdout } = await backup(world, ["list", "--json"]);
    expect(status).toBe(0);
    const { archives, snapshots } = JSON.parse(stdout) as {
      archives: { name: string; tier: string; volume: string; hasChecksum: boolean }[];
      snapshots: unknown[];
    };
    expect(archives.map(({ name, tier, volume, hasChecksum }) => [name, tier, volume, hasChecksum])).toEqual([
      ["lv_kafka-20260101T000000Z.tar.zst", "cold", "lv_kafka", true],
      [KAFKA, "warm", "lv_kafka", true],
      [NAME, "warm", "lv_postgres", true],
    ]);
    expect(snapshots).toEqual([
      {
        name: `lv_kafka_kept_${stampOf(NOW)}`,
        volume: "lv_kafka",
        bytes: 2 * 2 ** 20,
        fillPercent: 0.01,
        invalid: false,
      },
    ]);
    expect((await backup(world, ["list"])).stdout).toContain(`archive   warm  ${NAME}`);
    await world.must(["umount", world.cold]);
    expect(await backup(world, ["list"])).toMatchObject({
      status: 1,
      stderr: text("cold cannot be read: nothing is mounted"),
    });
  });

  test("a dry run says what it would do, and changes nothing", async ({ world }) => {
    await backup(world, ["create"]);
    const before = [await world.describe(), volumes(world)];
    expect(await backup(world, ["all", "--dry-run", "--now", `@${NOW + 9 * DAY}`])).toMatchObject({
      status: 0,
      stdout: expect.stringMatching(
        /would make the snapshot[^]*would archive[^]*would have removed the snapshot/,
      ) as string,
    });
    expect([await world.describe(), volumes(world)]).toEqual(before);
  });

  test("while another run holds the lock it exits 75", async ({ world }) => {
    const { child } = world.start(["flock", "--no-fork", world.lock, "bash", "-c", "echo held; exec sleep 600"]);
    await new Promise((resolve) => child.stdout!.once("data", resolve));
    expect(await backup(world, ["daily"])).toMatchObject({ status: 75, stderr: text("another run holds") });
  });
});

describe.concurrent("retention over a year", { timeout: 180_000 }, () => {
  async function liveThrough(clock: (day: number) => number, weekly: boolean) {
    const folder = mkdtempSync(join(tmpdir(), "jts-year-"));
    try {
      const days = Array.from({ length: 365 }, (_, day) => Math.round(clock(day)));
      const program = join(import.meta.dirname, "archiveDaily.py");
      const words = [program, folder, ...(weekly ? ["--keep-weekly"] : [])];
      const { exitCode, stdout, stderr } = await execa("/usr/bin/python3", ["-I", "-B", ...words], {
        input: `${days.join("\n")}\n`,
        reject: false,
      });
      expect([stderr, exitCode], stdout).toEqual(["", 0]);
      return { counts: stdout.split("\n").map(Number), left: readdirSync(folder) };
    } finally {
      rmSync(folder, { recursive: true });
    }
  }

  it("keeps the last days, and no more, while the clock is right", async () => {
    const { counts, left } = await liveThrough((day) => NOW + day * DAY, false);
    expect(Math.min(...counts.slice(8))).toBe(8);
    expect(Math.max(...counts)).toBe(8);
    expect(
      left
        .filter((name) => name.endsWith(".zst"))
        .sort()
        .at(-1),
    ).toContain(stampOf(NOW + 364 * DAY));
  });

  it("never falls below seven when the clock jumps far ahead, or back, and never deletes the newest", async () => {
    const { counts } = await liveThrough(
      (day) =>
        NOW + day * DAY + (day >= 100 && day < 103 ? 3650 * DAY : 0) - (day >= 200 ? 40 * DAY : 0) + (day % 7) * 60,
      false,
    );
    expect(Math.min(...counts.slice(7))).toBeGreaterThanOrEqual(7);
    // Those of future years stay until then; the rest is deleted.
    expect(counts.at(-1)).toBeLessThan(20);
  });

  it("with a cold tier, one of each week stays besides", async () => {
    const { counts } = await liveThrough((day) => NOW + day * DAY, true);
    expect(counts.at(-1)).toBeGreaterThanOrEqual(52 + 7);
    expect(counts.at(-1)).toBeLessThanOrEqual(53 + 8);
  });
});
