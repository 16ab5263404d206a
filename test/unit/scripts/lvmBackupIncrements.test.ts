import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import {
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execa } from "execa";
import { describe, expect, it } from "vitest";
import { archived, argumentsOf, backup, changePython, DAY, FAKE_LVM, NOW, putArchive, settings } from "./lvmWorld.ts";
import { stampOf, test, volumes, type Change } from "./lvmWorld.ts";
import { IS_ROOT, SCRIPTS, type Ended, type World } from "./world.ts";

const text = (part: string) => expect.stringContaining(part) as string;
const MIB = 2 ** 20;
const PAGE = 8192;
const TABLE = "data/a b/table";
const incremental: Change = ({ automation }) => (automation.incrementalBackups = { fullEveryDays: 7 });
const fullOf = (day: number, name = "lv_postgres") => `${name}-${stampOf(NOW + day * DAY)}.tar.zst`;
const incrementOf = (day: number, full = 0, name = "lv_postgres") =>
  `${name}-${stampOf(NOW + day * DAY)}.on-${stampOf(NOW + full * DAY)}.rdiff.zst`;
const at = (day: number) => ["--now", `@${NOW + day * DAY}`];
const backups = (world: World, name = "") => world.at(join(world.warm, "daily-backups", name));
const onCold = (world: World, name = "") => world.at(join(world.cold, "jts/archives/database", name));
const archives = async (world: World) => (await archived(world)).filter((name) => name.endsWith(".zst"));
const content = (world: World) => join(world.path, "vg/lv_postgres", TABLE);

/** Changes some bytes of a page of the volume's table, and adds a page to it. */
function changePages(world: World, page: number) {
  const table = readFileSync(content(world));
  randomBytes(20).copy(table, page * PAGE + 100);
  writeFileSync(content(world), Buffer.concat([table, randomBytes(PAGE)]));
}

/** Archives the volume that day, which must succeed. */
const daily = async (world: World, day: number, change = incremental) =>
  expect(await backup(world, ["daily", "lv_postgres", ...at(day)], change)).toMatchObject({ status: 0 });

/** A full archive of day 0, and an increment of day 1. */
async function makeTwo(world: World) {
  writeFileSync(content(world), randomBytes(2 * MIB));
  await daily(world, 0);
  changePages(world, 7);
  await daily(world, 1);
  expect(await archives(world)).toEqual([fullOf(0), incrementOf(1)]);
}

const isAsVolume = (world: World, folder: string) =>
  world.must(["diff", "--recursive", "--no-dereference", `${world.path}/vg/lv_postgres/data`, folder]);

describe.skipIf(!IS_ROOT).concurrent("increments (need root for mounts)", { timeout: 180_000 }, () => {
  test("have only what differs from the last full archive, and prove to be the whole volume", async ({ world }) => {
    writeFileSync(content(world), randomBytes(2 * MIB));
    await daily(world, 0);
    for (const day of [1, 2]) {
      changePages(world, day);
      const { status, stdout } = await backup(world, ["daily", "lv_postgres", "--json", ...at(day)], incremental);
      const path = backups(world, incrementOf(day));
      expect([status, JSON.parse(stdout)]).toMatchObject([
        0,
        { done: [{ full: fullOf(0), bytes: statSync(path).size }] },
      ]);
      expect(statSync(path).size).toBeLessThan(64 * 1024);
      expect(statSync(path).mode & 0o777).toBe(0o600);
    }
    expect(await archives(world)).toEqual([fullOf(0), incrementOf(1), incrementOf(2)]);
    await world.must(["bash", "-c", `cd ${backups(world)} && sha256sum --check --strict *.sha256`]);
    expect(await backup(world, ["verify"])).toMatchObject({
      status: 0,
      stdout: text(`ok  ${world.warm}/daily-backups/${incrementOf(2)}`),
    });
    expect(await backup(world, ["restore", incrementOf(2), "--to", join(world.hot, "back")])).toMatchObject({
      status: 0,
    });
    await isAsVolume(world, join(world.hot, "back"));
    expect(volumes(world)).toEqual(["lv_kafka", "lv_postgres"]);
    const list = await backup(world, ["list", "--json"]);
    expect(JSON.parse(list.stdout)).toMatchObject({
      archives: [{ name: fullOf(0) }, { name: incrementOf(1), full: fullOf(0), volume: "lv_postgres" }, {}],
    });
  });

  test.for<[string, (world: World) => unknown, Change]>([
    ["the option is left out", () => undefined, () => undefined],
    ["the last full one is seven days old", (world) => renameDay(world, fullOf(0), fullOf(-6)), incremental],
    ["the last full one has no checksum", (world) => rmSync(backups(world, `${fullOf(0)}.sha256`)), incremental],
    [
      "there is only one on cold",
      (world) => world.must(["bash", "-c", `mv ${backups(world)}/* ${onCold(world)}/`]),
      incremental,
    ],
    ["there is only one of another volume", (world) => renameDay(world, fullOf(0), fullOf(0, "lv_kafka")), incremental],
    ["the last full one is of the future", (world) => renameDay(world, fullOf(0), fullOf(2)), incremental],
    [
      "an increment took half as much",
      (world) => {
        putArchive(world, incrementOf(0.5));
        writeFileSync(backups(world, incrementOf(0.5)), Buffer.alloc(MIB + 65536));
      },
      incremental,
    ],
  ])("a full archive is made where %s", async ([, change, option], { world }) => {
    writeFileSync(content(world), randomBytes(2 * MIB));
    await daily(world, 0);
    await change(world);
    await daily(world, 1, option);
    expect(await archives(world)).toContain(fullOf(1));
  });

  function renameDay(world: World, from: string, to: string) {
    for (const more of ["", ".sha256"]) renameSync(backups(world, from + more), backups(world, to + more));
  }

  test("a full archive is made where the last one is damaged, and the run fails", async ({ world }) => {
    writeFileSync(content(world), randomBytes(2 * MIB));
    await daily(world, 0);
    writeFileSync(backups(world, fullOf(0)), "x", { flag: "r+" });
    expect(await backup(world, ["daily", "lv_postgres", ...at(1)], incremental)).toMatchObject({
      status: 1,
      stderr: text("lv_postgres gets a full archive, since no increment to a damaged one is made"),
    });
    await daily(world, 2);
    expect(await archives(world)).toEqual([fullOf(0), fullOf(1), incrementOf(2, 1)]);
  });

  test("are restored to a folder, to a volume, and in part, also while the full archive is on cold", async ({
    world,
  }) => {
    await makeTwo(world);
    const name = incrementOf(1);
    expect(await backup(world, ["restore", name, "--to-volume", "back"])).toMatchObject({ status: 0 });
    await isAsVolume(world, `${world.path}/vg/back/data`);
    await world.must(["bash", "-c", `mv ${backups(world)}/lv_postgres-*.tar.zst* ${onCold(world)}/`]);
    const to = (folder: string, ...more: string[]) =>
      backup(world, ["restore", name, "--to", join(world.hot, folder), ...more]);
    expect(await to("one", "--only", "a b/table", "--dry-run")).toMatchObject({
      status: 0,
      stdout: text("would restore"),
    });
    expect(await to("one", "--only", "nothing")).toMatchObject({ status: 1, stderr: text("has no nothing. Next: ") });
    expect(await to("one", "--only", "a b/table")).toMatchObject({ status: 0 });
    expect(readFileSync(world.at(join(world.hot, "one/a b/table")))).toEqual(readFileSync(content(world)));
    expect(await to("all")).toMatchObject({ status: 0 });
    await isAsVolume(world, join(world.hot, "all"));
    expect(await backup(world, ["verify", name])).toMatchObject({ status: 0 });
    await world.must(["umount", world.cold]);
    expect(await to("none")).toMatchObject({ status: 1, stderr: text(`cannot be read without ${fullOf(0)}`) });
    expect((await backup(world, ["list"])).stdout).toContain(`WITHOUT ${fullOf(0)}, WHICH IT NEEDS`);
    expect(await world.files()).not.toContain("hot/none");
  });

  test("the full archive on cold is read at the pace of the limit of bandwidth", async ({ world }) => {
    writeFileSync(content(world), randomBytes(6 * MIB));
    await daily(world, 0);
    changePages(world, 7);
    await daily(world, 1);
    await world.must(["bash", "-c", `mv ${backups(world)}/lv_postgres-*.tar.zst* ${onCold(world)}/`]);
    const began = performance.now();
    const limit: Change = ({ automation }) => (automation.transfers = { bandwidthMiBPerSecond: 1 });
    expect(await backup(world, ["restore", incrementOf(1), "--to", join(world.hot, "back")], limit)).toMatchObject({
      status: 0,
    });
    await isAsVolume(world, join(world.hot, "back"));
    // Once for its checksum, once for the increment; a second and a piece may be made up for.
    expect(2 * 6).toBeLessThanOrEqual((performance.now() - began) / 1000 + 2);
  });

  test.for<[string, (world: World) => unknown, string]>([
    ["the increment is damaged", (world) => spoil(world, incrementOf(1)), "does not match its checksum"],
    ["the full archive is damaged", (world) => spoil(world, fullOf(0)), `${fullOf(0)} does not match its checksum`],
    ["the full archive is gone", (world) => rmSync(backups(world, fullOf(0))), `cannot be read without ${fullOf(0)}`],
    [
      "its checksum lacks the tar archive's",
      (world) => world.must(["sed", "-i", "/^#/d", backups(world, `${incrementOf(1)}.sha256`)]),
      "cannot be proved",
    ],
  ])("are neither restored nor called good where %s", async ([, change, message], { world }) => {
    await makeTwo(world);
    await change(world);
    const options = ["restore", incrementOf(1), "--to", join(world.hot, "back")];
    expect(await backup(world, options)).toMatchObject({ status: 1, stderr: text(message) });
    expect(await backup(world, ["verify", incrementOf(1)])).toMatchObject({
      status: 1,
      stdout: "",
      stderr: text(message),
    });
    expect(await world.files()).not.toContain("hot/back");
  });

  const spoil = (world: World, name: string) => writeFileSync(backups(world, name), "x", { flag: "r+" });

  test("are not called good where another archive has the name of the full one", async ({ world }) => {
    await makeTwo(world);
    changePages(world, 50);
    await daily(world, 2, () => undefined);
    renameDay(world, fullOf(2), fullOf(0));
    await world.must(["sed", "-i", `s/${fullOf(2)}/${fullOf(0)}/`, backups(world, `${fullOf(0)}.sha256`)]);
    expect(await backup(world, ["verify", fullOf(0)])).toMatchObject({ status: 0 });
    expect(await backup(world, ["verify", incrementOf(1)])).toMatchObject({
      status: 1,
      stderr: text("cannot be unpacked"),
    });
    // What was unpacked stays, and is called unfinished.
    const folder = join(world.hot, "back");
    expect(await backup(world, ["restore", incrementOf(1), "--to", folder])).toMatchObject({ status: 1 });
    expect(await world.files()).toContain("hot/back/.jts-restore-unfinished");
  });

  test("of two copies of the full archive, the good one is read", async ({ world }) => {
    await makeTwo(world);
    await world.must(["bash", "-c", `cp ${backups(world)}/*.tar.zst* ${onCold(world)}/`]);
    spoil(world, fullOf(0));
    expect(await backup(world, ["verify", incrementOf(1)])).toMatchObject({ status: 0 });
    expect(await backup(world, ["restore", incrementOf(1), "--to", join(world.hot, "back")])).toMatchObject({
      status: 0,
    });
    await isAsVolume(world, join(world.hot, "back"));
  });

  const makesOf = (program: string, when: string, instead: string) =>
    `[[ "$* " == *"${when}"* ]] || exec /usr/bin/${program} "$@"\n${instead}`;
  test.for<[string, (world: World) => void, string]>([
    [
      "what was read back is not what was archived",
      // As if the device had lost something of the full archive meanwhile.
      (world) =>
        world.program("python3", makesOf("python3", "increment read", `/usr/bin/python3 "$@" | head --bytes=1000`)),
      "cannot read it",
    ],
    [
      "its making fails",
      (world) => world.program("python3", makesOf("python3", "increment make", "exit 1")),
      "is not archived",
    ],
    [
      "its making is cut off, and says it was not",
      (world) =>
        world.program(
          "python3",
          makesOf("python3", "increment make", `/usr/bin/python3 "$@" | head --bytes=1000; exit 0`),
        ),
      "is not archived",
    ],
    [
      "nothing is left on warm",
      (world) => world.program("zstd", makesOf("zstd", "--threads=0", "exec head --bytes=100M /dev/zero")),
      "No space left",
    ],
    [
      "the device fails",
      (world) => changePython(world, `os.posix_fadvise = lambda fd, *_: open(f"/proc/self/fd/{fd}", "ab").write(b"x")`),
      "reads back differently",
    ],
    [
      "its snapshot filled up",
      (world) =>
        world.program(
          "zstd",
          makesOf(
            "zstd",
            "--threads=0",
            `sed -i 's/}/,"fill":"100.00"}/' ${world.path}/vg/lv_postgres_daily_*/known.json\nexec /usr/bin/zstd "$@"`,
          ),
        ),
      "filled up meanwhile",
    ],
  ])("get no name where %s", async ([, change, message], { world }) => {
    writeFileSync(content(world), randomBytes(2 * MIB));
    await daily(world, 0);
    changePages(world, 7);
    change(world);
    const { status, stderr } = await backup(world, ["daily", "lv_postgres", ...at(1)], incremental);
    expect([status, stderr]).toEqual([1, text(message)]);
    expect(stderr).toContain("lv_postgres is not archived");
    expect(await archived(world)).toEqual([fullOf(0), `${fullOf(0)}.sha256`]);
    expect(volumes(world)).toEqual(["lv_kafka", "lv_postgres"]);
  });

  test.for<[string, string, (world: World, stamp: string) => void]>([
    ["before it is made", "", (world) => world.program("python3", killing("increment make"))],
    ["before it is read back", "", (world) => world.program("python3", killing("increment read"))],
    ["after its checksum got its name", "link", dyingAt(`words[1].endswith(".rdiff.zst.sha256")`)],
    ["after it got its name", "link", dyingAt(`words[1].endswith(".rdiff.zst")`)],
    ["after its temporary name went", "unlink", dyingAt(`words[0].endswith(stamp)`)],
    [
      "before its snapshot goes",
      "",
      (world) =>
        world.program(
          "lvremove",
          `[[ "$* " != *_daily_* ]] || kill -KILL "$VICTIM"\nbash ${FAKE_LVM} ${world.path}/vg lvremove "$@"`,
        ),
    ],
  ])("killed %s, the next run cleans up and makes a whole one", async ([, name, change], { world }) => {
    writeFileSync(content(world), randomBytes(2 * MIB));
    await daily(world, 0);
    changePages(world, 7);
    change(world, name);
    const words = argumentsOf(world, ["daily", "lv_postgres", ...at(1)], incremental);
    const killed = await world.run(["bash", "-c", 'export VICTIM=$$; exec "$@"', "run", ...words]);
    expect(killed.signal).toBe("SIGKILL");
    rmSync(join(world.programs, "python3"), { force: true });
    world.program("lvremove", `bash ${FAKE_LVM} ${world.path}/vg lvremove "$@"`);
    // A program that it started may still hold the lock.
    let next: Ended;
    do next = await backup(world, ["daily", "lv_postgres", ...at(2)], incremental);
    while (next.status === 75);
    expect(next).toMatchObject({ status: 0 });
    const files = await archived(world);
    expect(files).toContain(incrementOf(2));
    expect(files.filter((one) => one.endsWith(".zst")).map((one) => `${one}.sha256`)).toEqual(
      files.filter((one) => !one.endsWith(".zst")),
    );
    expect(await backup(world, ["verify"])).toMatchObject({ status: 0 });
    expect(volumes(world)).toEqual(["lv_kafka", "lv_postgres"]);
  });

  const killing = (when: string) => makesOf("python3", when, 'kill -KILL "$VICTIM"');
  function dyingAt(where: string) {
    return (world: World, name: string) =>
      changePython(
        world,
        [
          `stamp = "${stampOf(NOW + DAY)}"`,
          `real = os.${name}`,
          "def die(*words):",
          "  real(*words)",
          `  if ${where}: os.kill(os.getpid(), signal.SIGKILL)`,
          `os.${name} = die`,
        ].join("\n"),
      );
  }

  test("begin only where there is room for as much as the last one and a quarter more", async ({ world }) => {
    await makeTwo(world);
    const free = (bytes: number) => `os.statvfs = lambda path, real=os.statvfs: Less(real(path), ${bytes})`;
    const less = [
      "class Less:",
      "  def __init__(self, real, free): self.real, self.free = real, free",
      "  def __getattr__(self, name):",
      '    return self.free // self.real.f_frsize if name == "f_bavail" else getattr(self.real, name)',
    ];
    changePython(world, [...less, free(MIB)].join("\n"));
    const run = () => backup(world, ["daily", "lv_postgres", ...at(2)], incremental);
    expect(await run()).toMatchObject({ status: 1, stderr: text("the size of the last one and a quarter more") });
    changePython(world, [...less, free(1.5 * MIB)].join("\n"));
    expect(await run()).toMatchObject({ status: 0 });
  });

  test("and the full archives that they need stay together on warm, and only the others move to cold", async ({
    world,
  }) => {
    const old = [fullOf(-50), fullOf(-40), incrementOf(-39, -40), fullOf(-35), fullOf(-33, "lv_kafka"), "notes"];
    for (const name of old) {
      putArchive(world, name);
      for (const more of ["", ".sha256"]) utimesSync(backups(world, name + more), 10 ** 9, 10 ** 9);
    }
    const move = (change: Change) =>
      world.run([
        ...[join(SCRIPTS, "tiered-storage.sh"), "migrate", "--settings", settings(world, change)],
        ...["--lock", join(world.path, "tiering")],
      ]);
    for (const more of ["postgresql/logs", "kafka/logs"]) await world.must(["mkdir", "-p", join(world.hot, more)]);
    await world.must(["mkdir", "-p", backups(world, "../logs")]);
    expect(await move(incremental)).toMatchObject({ status: 0 });
    // The newest of each volume stay too: the next increments need them.
    const stay = [fullOf(-40), incrementOf(-39, -40), fullOf(-35), fullOf(-33, "lv_kafka")];
    expect(await archives(world)).toEqual(stay.sort());
    expect(
      readdirSync(onCold(world))
        .filter((name) => !name.endsWith(".sha256"))
        .sort(),
    ).toEqual([fullOf(-50), "notes"]);
    // Without the option there will be no more increments.
    expect(await move(() => undefined)).toMatchObject({ status: 0 });
    expect(await archives(world)).toEqual([fullOf(-40), incrementOf(-39, -40)]);
  });

  test("keep the full archive on cold that they need, whatever coldRetention says", async ({ world }) => {
    const keep: Change = ({ automation }) => (automation.coldRetention = { weekly: 1, monthly: 0, yearly: 0 });
    for (const day of [-90, -60, -1]) putArchive(world, fullOf(day), join(world.cold, "jts/archives/database"));
    putArchive(world, incrementOf(-59, -60));
    expect(await backup(world, ["cleanup"], keep)).toMatchObject({ status: 0 });
    const left = readdirSync(onCold(world)).filter((name) => name.endsWith(".zst"));
    expect(left.sort()).toEqual([fullOf(-60), fullOf(-1)]);
  });
});

describe("an increment of any tar archive", () => {
  const PROGRAM = ["-I", "-B", join(SCRIPTS, "jts_storage"), "increment"];
  const TAR = "tar --create --file=- --format=posix --numeric-owner --sparse --xattrs --sort=name";
  const BASE = `head --bytes=300000 /dev/urandom >a/file; mkdir a/d; head --bytes=100000 /dev/urandom >a/d/x
    truncate --size=5M a/sparse; printf x >>a/sparse; head --bytes=70000 /dev/urandom >a/${"n".repeat(180)}`;

  it.for<[string, string]>([
    ["the same", "true"],
    [
      "a changed, a longer and a shorter file",
      "printf y | dd of=b/file bs=1 seek=9000 conv=notrunc; echo y >>b/d/x; truncate -s 9k b/n*",
    ],
    ["new, removed and renamed files", "rm b/file; mv b/d/x b/d/y; echo new >b/d/x; echo 1 >b/d-; echo 2 >'b/z\n'"],
    [
      "links, and a folder in place of a file",
      "ln b/d/x b/hard; ln -s x b/soft; rm b/file; mkdir b/file; echo x >b/file/x",
    ],
    ["a sparse file that grew", "truncate --size=7M b/sparse; printf z >>b/sparse"],
    ["no order", "mv b/file b/0; touch b/zz; TAR=${TAR/--sort=name/}"],
    ["nothing", "rm -r b/*"],
    ["something that is no tar archive", "TAR='head --bytes=100001 /dev/urandom; :'"],
  ])("of %s is that archive again, byte by byte", async ([, change]) => {
    const folder = mkdtempSync(join(tmpdir(), "jts-increment-"));
    try {
      const script = `exec 2>&1; mkdir a; ${BASE}; cp --archive --sparse=always a b
        TAR='${TAR}'; eval "$TAR -C a ." | zstd --quiet >base.zst; ${change}
        eval "$TAR -C b ." >new
        /usr/bin/python3 "$@" make --sum=sum base.zst <new >delta && zstd --quiet <delta >delta.zst &&
        echo "$(cat sum)  new" | sha256sum --check --status &&
        /usr/bin/python3 "$@" read --sha256="$(cat sum)" base.zst <delta.zst | cmp - new || exit 3
        # Debian's rdiff reads it too, where it is installed.
        if command -v rdiff; then zstd --quiet --decompress base.zst -o base; rdiff patch base delta - | cmp - new; fi`;
      const options = { cwd: folder, reject: false } as const;
      const { exitCode, stdout } = await execa("bash", ["-o", "pipefail", "-c", script, "try", ...PROGRAM], options);
      expect([exitCode, stdout]).toEqual([0, stdout]);
      if (change === "true") expect(statSync(join(folder, "delta.zst")).size).toBeLessThan(2000);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it("is not read with another base, nor when it is cut off", () => {
    const folder = mkdtempSync(join(tmpdir(), "jts-increment-"));
    try {
      const script = `mkdir a b; ${BASE}; head --bytes=300000 /dev/urandom >b/file
        for one in a b; do ${TAR} -C $one . >$one.tar; zstd --quiet $one.tar; done
        /usr/bin/python3 "$@" make --sum=sum a.tar.zst <a.tar | zstd --quiet >delta.zst
        for base in a b; do
          /usr/bin/python3 "$@" read --sha256="$(cat sum)" $base.tar.zst <delta.zst 2>&1 >/dev/null; echo $?
        done
        head --bytes=20 delta.zst >cut; /usr/bin/python3 "$@" read --sha256="$(cat sum)" a.tar.zst <cut >/dev/null 2>&1; echo $?`;
      const printed = execFileSync("bash", ["-c", script, "try", ...PROGRAM], { cwd: folder, encoding: "utf8" });
      expect(printed).toMatch(/^0\n[^]*increment to b.tar.zst[^]*\n1\n1\n$/);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

describe("retention of increments over a year", { timeout: 180_000 }, () => {
  it.for([[false], [true]])(
    "no increment loses the full archive that it needs (first of each week kept: %s)",
    async ([weekly]) => {
      const folder = mkdtempSync(join(tmpdir(), "jts-year-"));
      try {
        const days = Array.from({ length: 365 }, (_, day) => NOW + day * DAY);
        const words = [join(import.meta.dirname, "archiveDaily.py"), folder, "--full-every=7"];
        const { exitCode, stdout, stderr } = await execa(
          "/usr/bin/python3",
          ["-I", "-B", ...words, ...(weekly ? ["--keep-weekly"] : [])],
          { input: `${days.join("\n")}\n`, reject: false },
        );
        expect([stderr, exitCode], stdout).toEqual(["", 0]);
        const counts = stdout.split("\n").map(Number);
        // The last days, and the full archive that the oldest of them needs.
        if (!weekly) expect([Math.min(...counts.slice(8)), Math.max(...counts)]).toEqual([8, 9]);
        const fulls = readdirSync(folder).filter((name) => name.endsWith(".tar.zst"));
        expect(fulls.length).toBeGreaterThanOrEqual(weekly ? 52 : 2);
      } finally {
        rmSync(folder, { recursive: true });
      }
    },
  );
});
