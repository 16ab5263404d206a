import { execFileSync } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import {
  closeSync,
  existsSync,
  linkSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { zstdDecompressSync } from "node:zlib";
import { describe, expect } from "vitest";
import { ROOT } from "../../../setup/project.ts";
import { IS_ROOT, SCRIPTS, test as plain, type Settings, type World } from "./world.ts";

const text = (part: string) => expect.stringContaining(part) as string;
const MIB = 2 ** 20;
const sha256 = (content: Buffer) => createHash("sha256").update(content).digest("hex");

/** Whether the kernel has btrfs and loop devices. */
const HAS_BTRFS = (() => {
  try {
    return IS_ROOT && execFileSync("sh", ["-c", "grep btrfs /proc/filesystems && losetup --find"]).length > 0;
  } catch {
    return false;
  }
})();

/** A world whose warm is a btrfs, compressed as a host's is. The fixture was made by: mkfs.btrfs, on 256 MiB. */
const test = plain.extend<{ readonly world: World }>({
  world: async ({ world }, use) => {
    const image = join(world.path, "warm.img");
    writeFileSync(image, zstdDecompressSync(readFileSync(join(ROOT, "test/fixtures/btrfs.img.zst"))));
    await world.must(["umount", world.warm]);
    await world.must(["mount", "-o", "loop,noatime,compress=zstd:3", image, world.warm]);
    mkdirSync(world.at(join(world.cold, "jts")));
    for (const name of ["fstrim", "btrfs"]) world.program(name, "exit 0");
    await use(world);
    await world.must(["umount", "--lazy", world.warm]);
  },
});

/** Some content that compresses, and does not end at a block's end. */
const compressible = (bytes: number, seed: string) => Buffer.alloc(bytes + 123, `2026-01-01 ${seed} 17.5\n`);

/** Writes a file, and has it on the device. */
async function put(world: World, name: string, content: Buffer) {
  const path = join(world.path, name);
  mkdirSync(dirname(world.at(path)), { recursive: true });
  writeFileSync(world.at(path), content);
  await world.must(["sync", "--file-system", dirname(path)]);
  return path;
}

const tiered = (world: World, settings: string, ...options: string[]) =>
  world.run([join(SCRIPTS, "tiered-storage.sh"), ...options, "--settings", settings, "--lock", world.lock]);

interface Report {
  readonly groups: readonly {
    readonly bytes: number;
    readonly sha256: string | null;
    readonly files: readonly {
      readonly tier: string;
      readonly export?: string;
      readonly path: string;
      readonly room: number;
    }[];
    readonly sharedBytes?: number;
    readonly isKeptCopy: boolean;
  }[];
  readonly totals: Record<string, Record<string, number>> & {
    readonly exports?: Record<string, { files: number; bytes: number; alsoOnWarm: Record<string, number> }>;
  };
  readonly leftOut: Record<string, number>;
  readonly problems: readonly string[];
  readonly coldUnread?: { readonly files: number; readonly bytes: number };
  readonly readBytes: number;
}

/** Runs dedup; its report, and what it logged. */
async function dedup(world: World, ...options: string[]): Promise<Report & { readonly said: string }> {
  const { status, stdout, stderr } = await tiered(world, world.settings(), "dedup", "--json", ...options);
  expect([status, stderr]).toEqual([0, stderr]);
  return { ...(JSON.parse(stdout) as Report), said: stderr };
}

/** Mounts two further exports of cold; the settings of a host that has them. */
async function withVolumes(world: World, change: (settings: Settings) => unknown = () => 0) {
  for (const name of ["marketdata", "scans"]) {
    mkdirSync(join(world.path, name));
    await world.must(["mount", "-t", "tmpfs", `nas2:/${name}`, join(world.path, name)]);
    mkdirSync(world.at(join(world.path, name, "jts")));
  }
  return () =>
    world.settings((settings) => {
      const volume = (name: string) => ({
        mountPoint: join(world.path, name),
        source: `nas2:/${name}`,
        root: join(world.path, name, "jts"),
      });
      Object.assign(settings, {
        coldVolumes: { marketdata: volume("marketdata"), scans: volume("scans") },
        probeSeconds: 1,
      });
      change(settings);
    });
}

/** All that lies on warm and on each export: content, times, owner, mode. */
const everything = (world: World) =>
  Object.fromEntries(
    ["warm", "cold", "marketdata", "scans"].flatMap((tier) =>
      readdirSync(world.at(join(world.path, tier)), { recursive: true, withFileTypes: true })
        .filter((one) => one.isFile())
        .map((one) => join(one.parentPath, one.name).slice(world.at("").length))
        .map((path) => [path, described(world, path)]),
    ),
  );

/** How many bytes of the second file's data have a place that the first one does not have, by the kernel. */
const ownBytes = async (world: World, first: string, second: string) =>
  Number(
    await world.python(
      `
import os, sys
sys.dont_write_bytecode = True
sys.path.insert(0, sys.argv[1])
from jts_storage.sharing import extents_of, own_bytes
one, other = (os.open(path, os.O_RDONLY) for path in sys.argv[2:4])
print(own_bytes(extents_of(other), extents_of(one), os.fstat(other).st_size))
`,
      SCRIPTS,
      first,
      second,
    ),
  );

/** All that a file has: content, times, owner, mode. */
function described(world: World, path: string) {
  const { mtimeNs, ctimeNs, ino, mode, uid, size } = statSync(world.at(path), { bigint: true });
  return { mtimeNs, ctimeNs, ino, mode, uid, size, content: sha256(readFileSync(world.at(path))) };
}

/** Runs a dry run in a Python that does this first, with `os`, `time` and `bandwidth`: its report, status and log. */
async function dryRunWhere(world: World, settings: string, program: string, ...options: string[]) {
  const { status, stdout, stderr } = await world.run([
    ...["/usr/bin/python3", "-B", "-c"],
    `
import os, sys, time
sys.path.insert(0, ${JSON.stringify(SCRIPTS)})
from jts_storage import bandwidth, tiering
${program}
sys.exit(tiering.main(sys.argv[1:]))
`,
    ...["dedup", "--dry-run", "--json", ...options, "--settings", settings, "--lock", world.lock],
  ]);
  expect([status, stderr, stdout.slice(0, 1)]).toEqual([status, stderr, "{"]);
  return { ...(JSON.parse(stdout) as Report), status, said: stderr };
}

/** Runs dedup in a Python whose call to share does this first. `calls`: how many there were before. */
const dedupWhere = (world: World, program: string) =>
  world.run([
    ...["/usr/bin/python3", "-B", "-c"],
    `
import fcntl, os, signal, sys
sys.path.insert(0, ${JSON.stringify(SCRIPTS)})
from jts_storage import sharing, tiering
real, calls = fcntl.ioctl, 0
def ioctl(fd, request, *rest):
    global calls
    if request != sharing.FIDEDUPERANGE:
        return real(fd, request, *rest)
${program.replaceAll(/^/gm, "    ")}
    calls += 1
    return real(fd, request, *rest)
fcntl.ioctl = ioctl
sys.exit(tiering.main(sys.argv[1:]))
`,
    ...["dedup", "--json", "--settings", world.settings(), "--lock", world.lock],
  ]);

describe.skipIf(!HAS_BTRFS)("dedup (needs root, btrfs and loop devices)", { timeout: 180_000 }, () => {
  test("files of the same content share their room on warm, and each stays as it was", async ({ world }) => {
    const noise = randomBytes(20 * MIB + 5);
    const lines = compressible(20 * MIB, "a");
    const other = Buffer.from(noise);
    other[10 * MIB + 70_000]! ^= 1;
    const paths = [
      await put(world, "warm/logs/one", noise),
      await put(world, "warm/daily-backups/two", noise),
      await put(world, "warm/kept/three", noise),
      await put(world, "warm/differs in one bit", other),
      await put(world, "warm/a.csv", lines),
      await put(world, "warm/b.csv", lines),
      await put(world, "warm/small 1", noise.subarray(0, 5000)),
      await put(world, "warm/small 2", noise.subarray(0, 5000)),
    ];
    linkSync(world.at(paths[0]!), world.at(join(world.warm, "another name of one")));
    const before = paths.map((path) => described(world, path));

    const dry = await dedup(world, "--dry-run");
    expect(dry.totals).toMatchObject({ warm: { files: 3, bytes: 2 * noise.length + lines.length } });
    expect(await ownBytes(world, paths[0]!, paths[1]!)).toBe(noise.length);

    // A service that has one open, to read or to write, keeps nothing from being shared.
    const fd = openSync(world.at(paths[2]!), "r+");
    const { totals, groups, leftOut, said } = await dedup(world);
    closeSync(fd);
    expect(totals.shared).toMatchObject({ files: 3, bytes: 2 * noise.length + lines.length });
    expect(totals.shared!.freedBytes).toBeGreaterThan(2 * noise.length);
    expect([groups.length, leftOut]).toEqual([2, {}]);
    expect(said).toContain("automation.dedup: true");
    for (const path of paths.slice(1, 3)) expect(await ownBytes(world, paths[0]!, path)).toBe(0);
    expect(await ownBytes(world, paths[4]!, paths[5]!)).toBe(0);
    expect(await ownBytes(world, paths[6]!, paths[7]!)).toBeGreaterThan(0);
    expect(paths.map((path) => described(world, path))).toEqual(before);

    // What shares already is not counted again.
    const again = await dedup(world);
    expect(again.totals.shared).toEqual({ files: 0, bytes: 0, freedBytes: 0 });
    expect((await dedup(world, "--dry-run")).totals.warm).toEqual({ files: 0, bytes: 0 });

    // One that is written to is stored by itself, and the others stay.
    writeFileSync(world.at(paths[1]!), "new");
    expect([0, 2].map((index) => described(world, paths[index]!))).toEqual([before[0], before[2]]);
  });

  test("only what is missing is shared and counted where files have a part in common already", async ({ world }) => {
    const content = randomBytes(40 * MIB);
    const first = await put(world, "warm/first", content);
    await world.must(["cp", "--reflink=always", first, join(world.warm, "second")]);
    const second = await put(world, "warm/second", Buffer.from(content.map((byte) => byte ^ 1)));
    await world.must(["cp", "--reflink=always", first, second]);
    const fd = openSync(world.at(second), "r+");
    writeFileSync(fd, content.subarray(0, 3 * MIB));
    closeSync(fd);
    await world.must(["sync", "--file-system", world.warm]);
    expect(await ownBytes(world, first, second)).toBe(3 * MIB);
    expect((await dedup(world)).totals.shared).toMatchObject({ files: 1, bytes: 3 * MIB });
    expect(await ownBytes(world, first, second)).toBe(0);
    // Of what shares all of its room, no more than three pieces are read.
    expect((await dedup(world)).readBytes).toBe(2 * 3 * 65_536);
  });

  test("a file that changes between the look and the call stays as it is, and is named as changed", async ({
    world,
  }) => {
    const content = randomBytes(MIB);
    const first = await put(world, "warm/first", content);
    const second = await put(world, "warm/second", content);
    const { status, stdout } = await dedupWhere(
      world,
      `
with open(${JSON.stringify(second)}, "r+b") as file:
    file.seek(500_000)
    file.write(b"changed meanwhile")
`,
    );
    expect([status, JSON.parse(stdout)]).toMatchObject([0, { totals: { shared: { files: 0, bytes: 0 } } }]);
    expect((JSON.parse(stdout) as Report).leftOut).toEqual({ "not the same, as the kernel compared them": 1 });
    content.write("changed meanwhile", 500_000);
    expect(readFileSync(world.at(second)).equals(content)).toBe(true);
    expect(await ownBytes(world, first, second)).toBe(MIB);
  });

  test("a wrong hash in the journal shares nothing: the kernel compares", async ({ world }) => {
    const paths = [];
    for (const name of ["first", "second"]) {
      const content = compressible(MIB, "same at its start, middle and end");
      content.write(name, 300_000);
      paths.push(await put(world, `warm/${name}`, content));
    }
    journal(world, ...paths.map((to) => ({ to, sha256: sha256(Buffer.from("wrong")) })));
    const { totals, leftOut } = await dedup(world);
    expect([totals.shared!.bytes, leftOut]).toEqual([0, { "not the same, as the kernel compared them": 1 }]);
    expect(sha256(readFileSync(world.at(paths[0]!)))).not.toBe(sha256(readFileSync(world.at(paths[1]!))));
  });

  test("killed before any call, it leaves every file whole, and the next run goes on", async ({ world }) => {
    // Each pair takes two calls.
    const contents = [randomBytes(17 * MIB), compressible(18 * MIB, "b")];
    const paths = [];
    for (const [index, content] of contents.entries())
      for (const copy of [1, 2]) paths.push(await put(world, `warm/${index}.${copy}`, content));
    const before = paths.map((path) => described(world, path));
    for (const kill of [0, 1, 2, 3]) {
      // Those before it were done by the runs before.
      const { signal } = await dedupWhere(
        world,
        `if calls == ${kill === 0 ? 0 : 1}: os.kill(os.getpid(), signal.SIGKILL)`,
      );
      expect(signal === "SIGKILL" || kill === 3).toBe(true);
      expect(paths.map((path) => described(world, path))).toEqual(before);
    }
    await dedup(world);
    for (const index of [0, 2]) expect(await ownBytes(world, paths[index]!, paths[index + 1]!)).toBe(0);
    expect(paths.map((path) => described(world, path))).toEqual(before);
  });

  test("leaves out what is immutable, not copied on write, or on another filesystem, and says why", async ({
    world,
  }) => {
    const content = randomBytes(MIB);
    mkdirSync(world.at(join(world.warm, "other")));
    mkdirSync(world.at(join(world.warm, "database")));
    await world.must(["chattr", "+C", join(world.warm, "database")]);
    await world.must(["mount", "-t", "tmpfs", "other", join(world.warm, "other")]);
    const paths = [];
    for (const name of ["one", "two", "database/three", "other/four", ".jts-leaving-five"])
      paths.push(await put(world, `warm/${name}`, content));
    await world.must(["chattr", "+i", paths[1]!]);
    try {
      const { totals, leftOut } = await dedup(world);
      expect(totals.shared).toMatchObject({ files: 0, bytes: 0 });
      expect(leftOut).toEqual({
        immutable: 1,
        "not copied on write, by chattr +C": 1,
        "folders of another filesystem, or a subvolume": 1,
      });
    } finally {
      await world.must(["chattr", "-i", paths[1]!]);
      await world.must(["umount", join(world.warm, "other")]);
    }
  });

  test("a dry run says what cold and both tiers hold, reads cold only with --read-cold, and changes nothing", async ({
    world,
  }) => {
    const [archive, report] = [randomBytes(MIB), randomBytes(MIB + 7)];
    const kept = await put(world, "warm/reports/kept", report);
    const copy = await put(world, "cold/jts/backtesting/kept", report);
    const moved = await put(world, "cold/jts/archives/moved", archive);
    const again = await put(world, "cold/jts/archives/again", archive);
    const other = await put(world, "cold/others/not ours", archive);
    journal(
      world,
      { action: "copy", from: kept, to: copy, sha256: sha256(report) },
      { to: moved, sha256: sha256(archive) },
    );
    const before = await world.describe();
    const hinted = await dedup(world, "--dry-run");
    expect(hinted.groups).toMatchObject([
      {
        sha256: sha256(report),
        isKeptCopy: true,
        files: [
          { tier: "warm", path: kept },
          { tier: "cold", path: copy },
        ],
      },
    ]);
    expect(hinted.coldUnread).toEqual({ files: 1, bytes: archive.length });
    // Of warm, three pieces; of cold, nothing.
    expect(hinted.readBytes).toBe(3 * 65_536);

    const read = await dedup(world, "--dry-run", "--read-cold");
    expect(read.groups[1]?.files.map(({ path }) => path).sort()).toEqual([again, moved]);
    // A host without further exports has nothing that tells exports apart.
    expect(read.totals).toEqual({
      warm: { files: 0, bytes: 0 },
      cold: { files: 1, bytes: archive.length },
      warmAndCold: { files: 1, bytes: report.length },
    });
    expect(Object.keys(read.groups[1]!.files[0]!)).toEqual(["tier", "path", "room", "byJournal"]);
    expect(JSON.stringify(read)).not.toContain(other);
    expect(await world.describe()).toEqual(before);

    const { stdout } = await tiered(world, world.settings(), "dedup", "--dry-run");
    expect(stdout).toContain(`cold     2  '${copy}'  (by the journal)`);
    expect(stdout).toContain("1 of them copied by a rule with keep. Next: where cold's is enough: cmp WARM COLD");
    expect(stdout).toMatch(/cold: 1 files, 1048576 bytes \(1.0MiB\), have the size .* Next: .* --dry-run --read-cold/);

    // A file that was written to after its move is read, whatever the journal says.
    await put(world, "cold/jts/archives/moved", randomBytes(MIB));
    journal(world, { to: moved, sha256: sha256(archive), time: "2020-01-01T00:00:00Z" });
    expect((await dedup(world, "--dry-run", "--read-cold")).totals.cold).toEqual({ files: 0, bytes: 0 });
  });

  test("a dry run compares warm and all exports, reads each within the limit, and changes nothing", async ({
    world,
  }) => {
    const settings = await withVolumes(world, ({ automation }) => {
      automation.transfers = { bandwidthMiBPerSecond: 1000 };
    });
    const [everywhere, within] = [randomBytes(MIB), randomBytes(2 * MIB)];
    const warm = await put(world, "warm/reports/ticks", everywhere);
    const copy = await put(world, "cold/jts/raw/ticks", everywhere);
    const second = await put(world, "marketdata/jts/raw/ticks", everywhere);
    const pair = [await put(world, "scans/jts/one", within), await put(world, "scans/jts/two", within)];
    const others = await put(world, "marketdata/others/not ours", everywhere);
    journal(world, { action: "copy", from: warm, to: second, sha256: sha256(everywhere) });
    const before = everything(world);

    const passed = join(world.path, "passed");
    const record = `
let_pass = bandwidth.Pace.let_pass
def recorded(pace, size, *rest):
    if pace.is_limited:
        with open(${JSON.stringify(passed)}, "a") as file:
            file.write(f"{size}\\n")
    let_pass(pace, size, *rest)
bandwidth.Pace.let_pass = recorded`;
    const hinted = await dryRunWhere(world, settings(), record);
    expect(hinted.coldUnread).toEqual({ files: 3, bytes: MIB + 2 * within.length });
    expect(hinted.groups.map(({ files }) => files.map(({ path }) => path))).toEqual([[warm, second]]);
    expect(hinted.totals.exports!.marketdata).toMatchObject({ alsoOnWarm: { files: 1, bytes: MIB, keptCopies: 1 } });
    expect(existsSync(passed)).toBe(false);

    const read = await dryRunWhere(world, settings(), record, "--read-cold");
    expect([read.status, read.leftOut]).toEqual([0, {}]);
    expect(read.groups.map(({ files }) => files.map((one) => [one.tier, one.export, one.path, one.room]))).toEqual([
      pair.map((path, index) => ["cold", "scans", path, index + 1]),
      [
        ["warm", undefined, warm, 1],
        ["cold", "cold", copy, 2],
        ["cold", "marketdata", second, 3],
      ],
    ]);
    const none = { files: 0, bytes: 0 };
    expect(read.totals).toEqual({
      warm: none,
      cold: { files: 2, bytes: within.length + MIB },
      warmAndCold: { files: 1, bytes: MIB },
      exports: {
        cold: { ...none, alsoOnWarm: { files: 1, bytes: MIB, keptCopies: 0 } },
        marketdata: { ...none, alsoOnWarm: { files: 1, bytes: MIB, keptCopies: 1 } },
        scans: { files: 1, bytes: within.length, alsoOnWarm: { ...none, keptCopies: 0 } },
      },
      betweenExports: { files: 1, bytes: MIB },
    });
    // What the journal has no hash of is read: three pieces each, and then all of it. Of warm, three pieces.
    const fromCold = 3 * 3 * 65_536 + MIB + 2 * within.length;
    expect(read.readBytes).toBe(fromCold + 3 * 65_536);
    const sizes = readFileSync(passed, "utf8").trimEnd().split("\n").map(Number);
    expect(sizes.reduce((sum, size) => sum + size)).toBe(fromCold);

    const { status, stdout } = await tiered(world, settings(), "dedup", "--dry-run", "--read-cold");
    expect([status, stdout]).toEqual([0, text(`marketdata     3  '${second}'  (by the journal)\n`)]);
    expect(stdout.slice(stdout.indexOf("warm: 0 files"))).toBe(
      [
        "warm: 0 files could share 0 bytes (0B) with others",
        "scans: 1 files, 2097152 bytes (2.0MiB), are there under another name too; nothing is shared or deleted there. " +
          "Next: where one is enough: cmp ONE OTHER && rm OTHER",
        "between exports: 1 files, 1048576 bytes (1.0MiB), are on another export too; nothing is shared or deleted " +
          "there. Next: where one is enough: cmp ONE OTHER && rm OTHER",
        "warm and cold: 1 files, 1048576 bytes (1.0MiB), are on both. " +
          "Next: where cold's is enough: cmp WARM COLD && rm WARM",
        "warm and marketdata: 1 files, 1048576 bytes (1.0MiB), are on both, 1 of them copied by a rule with keep. " +
          "Next: where marketdata's is enough: cmp WARM COLD && rm WARM",
        "",
      ].join("\n"),
    );
    const { stdout: unread } = await tiered(world, settings(), "dedup", "--dry-run");
    expect(unread).toMatch(/\nexports: 3 files, 5242880 bytes \(5.0MiB\), have the size of another file, /);
    expect(JSON.stringify(read)).not.toContain(others);
    expect(everything(world)).toEqual(before);
  });

  test.for<[string, string, (world: World, point: string) => unknown, string]>([
    ["marketdata", "does not answer", (world, point) => world.silence(point), "does not answer"],
    ["cold", "does not answer", (world, point) => world.silence(point), "does not answer"],
    ["marketdata", "is not mounted", (world, point) => world.must(["umount", point]), "nothing is mounted at"],
    ["marketdata", "lacks our folder", (world, point) => rmdirSync(world.at(join(point, "jts"))), "No such file"],
  ])(
    "where %s %s, a dry run says so, and looks at the other exports",
    async ([away, , takeAway, problem], { world }) => {
      const settings = await withVolumes(world);
      const content = randomBytes(MIB);
      const others = ["cold", "marketdata", "scans"].filter((name) => name !== away);
      const paths = [];
      for (const tier of ["warm", ...others.map((name) => `${name}/jts`)])
        paths.push(await put(world, `${tier}/one`, content));
      await takeAway(world, join(world.path, away));
      const options = ["dedup", "--dry-run", "--read-cold", "--json"];
      const { status, stdout, stderr } = await tiered(world, settings(), ...options);
      const { groups, problems, totals } = JSON.parse(stdout) as Report;
      expect(status).toBe(1);
      expect(problems).toEqual([expect.stringMatching(new RegExp(`^${away}: .*${problem}`))]);
      expect(stderr).toContain(problems[0]);
      expect(groups.map(({ files }) => files.map(({ path }) => path))).toEqual([paths]);
      expect(Object.keys(totals.exports!)).toEqual(others);
    },
  );

  test.for<[string, string]>([
    ["its folders are listed", "scandir"],
    ["its files are read", "pread"],
  ])("a dry run goes on where an export stops answering while %s", async ([, call], { world }) => {
    const settings = await withVolumes(world);
    const content = randomBytes(MIB);
    const paths = [];
    for (const tier of ["warm/one", "cold/jts/one", "scans/jts/one"]) paths.push(await put(world, tier, content));
    for (const name of ["one", "two"]) await put(world, `marketdata/jts/${name}`, content);
    const point = join(world.path, "marketdata");
    const dry = await dryRunWhere(
      world,
      settings(),
      `
point, gone = ${JSON.stringify(point)}, ${JSON.stringify(join(world.path, "gone"))}
statvfs, call = os.statvfs, os.${call}
def hanging(what, *rest):
    path = os.readlink(f"/proc/self/fd/{what}") if isinstance(what, int) else os.fspath(what)
    if path.startswith(point + "/"):
        open(gone, "w").close()
        time.sleep(3600)
    return call(what, *rest)
os.statvfs = lambda path: time.sleep(3600) if path == point and os.path.exists(gone) else statvfs(path)
os.${call} = hanging`,
      "--read-cold",
    );
    expect(dry.status).toBe(1);
    expect(dry.problems).toEqual([text(`marketdata: ${point} stopped answering`)]);
    expect(dry.groups.map(({ files }) => files.map(({ path }) => path))).toEqual([paths]);
    // What was found on it until then is counted.
    const looked = call === "pread" ? ["cold", "marketdata", "scans"] : ["cold", "scans"];
    expect(Object.keys(dry.totals.exports!)).toEqual(looked);
    expect(dry.leftOut).toEqual(call === "pread" ? { "on an export that stopped answering": 2 } : {});
  });

  test("a file that two exports of one filesystem have as hard links counts once", async ({ world }) => {
    const settings = await withVolumes(world, (one) => Object.assign(one.coldVolumes!.marketdata!, { source: "" }));
    const point = join(world.path, "marketdata");
    const one = await put(world, "cold/volume/jts/one", randomBytes(MIB));
    await world.must(["umount", point]);
    await world.must(["mount", "--bind", join(world.cold, "volume"), point]);
    mkdirSync(world.at(join(world.cold, "jts")), { recursive: true });
    linkSync(world.at(one), world.at(join(world.cold, "jts/one")));
    const { groups } = await dryRunWhere(world, settings(), "", "--read-cold");
    expect(groups).toEqual([]);
  });

  test("optimize shares in place of defragmenting where automation.dedup is set, and only there", async ({ world }) => {
    const content = randomBytes(MIB);
    const paths = [await put(world, "warm/one", content), await put(world, "warm/two", content)];
    const on = () => world.settings(({ automation }) => (automation.dedup = true));

    expect(await tiered(world, world.settings(), "optimize", "--json")).toMatchObject({ status: 0 });
    expect(world.calls()).toContain(`btrfs filesystem defragment -r ${world.warm}`);
    expect(await ownBytes(world, ...(paths as [string, string]))).toBe(MIB);
    const calls = world.calls().length;

    const dry = await tiered(world, on(), "optimize", "--dry-run");
    expect(dry.stdout).toContain("tiered-storage.sh dedup");
    expect(await ownBytes(world, ...(paths as [string, string]))).toBe(MIB);
    const { status, stdout, stderr } = await tiered(world, on(), "optimize", "--json");
    expect([status, stderr]).toEqual([0, text(`warm: 1 files share ${MIB} bytes (1.0MiB) now; the free room`)]);
    expect(JSON.parse(stdout)).toMatchObject({ shared: { files: 1, bytes: MIB } });
    expect(world.calls().slice(calls)).toEqual([`fstrim --quiet-unsupported --verbose ${world.hot}`]);
    expect(await ownBytes(world, ...(paths as [string, string]))).toBe(0);
  });

  test("does nothing while another run holds the lock; a dry run does not need it", async ({ world }) => {
    const { child } = world.start(["flock", "--no-fork", world.lock, "bash", "-c", "echo held; exec sleep 600"]);
    await new Promise((resolve) => child.stdout!.once("data", resolve));
    expect(await tiered(world, world.settings(), "dedup")).toMatchObject({ status: 75 });
    expect(await tiered(world, world.settings(), "dedup", "--dry-run")).toMatchObject({ status: 0 });
  });
});

describe.skipIf(!IS_ROOT)("dedup where nothing can be shared (needs root for mounts)", { timeout: 180_000 }, () => {
  plain("shares nothing on a warm tier that is not btrfs, or not mounted, and says so", async ({ world }) => {
    mkdirSync(world.at(join(world.cold, "jts")));
    expect(await tiered(world, world.settings(), "dedup")).toMatchObject({
      status: 0,
      stderr: text("nothing is shared on warm: it is tmpfs, not btrfs"),
    });
    await world.must(["umount", world.warm]);
    for (const options of [["dedup"], ["dedup", "--dry-run"]])
      expect(await tiered(world, world.settings(), ...options)).toMatchObject({
        status: 1,
        stderr: text(`nothing is mounted at ${world.warm}. Next: mount ${world.warm}`),
      });
  });

  plain.for([
    [["dedup", "--at-least", "big"], "--at-least takes a number of bytes, or such as 1MiB"],
    [["dedup", "--read-cold"], "--read-cold is for --dry-run: nothing on cold is shared"],
    [["optimize", "--at-least", "1MiB"], "--at-least and --read-cold are for dedup"],
  ] as const)("refuses %j: %s", async ([options, message], { world }) => {
    expect(await tiered(world, world.settings(), ...options)).toMatchObject({ status: 2, stderr: text(message) });
  });
});

/** Says in the journal that files moved now, or at the time that is given. */
function journal(
  world: World,
  ...moves: readonly { to: string; sha256: string; from?: string; action?: string; time?: string }[]
) {
  const lines = moves.map(({ to, ...rest }) => {
    const time = new Date().toISOString().replace(/\.\d+Z$/, "Z");
    const { size } = statSync(world.at(to));
    return JSON.stringify({ time, action: "move", from: "/somewhere/else", to, bytes: size, ...rest });
  });
  writeFileSync(join(world.path, "moves.jsonl"), `${lines.join("\n")}\n`, { flag: "a" });
}
