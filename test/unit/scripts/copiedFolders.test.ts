/** Compressed copies of folders on cold, by the real scripts: automation.developmentCompress. */
import { existsSync, mkdirSync, rmSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect } from "vitest";
import { IS_ROOT, SCRIPTS, test as plain, type Ended, type Entry, type Settings, type World } from "./world.ts";

const text = (part: string) => expect.stringContaining(part) as string;
const DAY = 86400;
const NOW = Date.UTC(2026, 5, 30, 12) / 1000;
const stampOf = (seconds: number) => new Date(seconds * 1000).toISOString().replaceAll(/[-:]|\.000/g, "");
const NASTY = join(import.meta.dirname, "nastyTree.py");

const test = plain.extend<{ readonly world: World }>({
  world: async ({ world }, use) => {
    mkdirSync(world.at(join(world.cold, "jts/development")), { recursive: true });
    world.program("uname", "echo trading");
    world.put(join(world.path, "fstab"), "# none\n");
    await world.must(["mount", "--bind", join(world.path, "fstab"), "/etc/fstab"]);
    await use(world);
  },
});

/** Each call takes a run with a kill, one without, and a restore. */
const STEP = process.env.JTS_STORAGE_KILLS === undefined ? 4 : 1;

const source = (world: World) => join(world.hot, "dev");
const copyOf = (world: World) => join(world.cold, "jts/development/dev");
const compressed = (world: World) => (settings: Settings) => {
  settings.automation.developmentFolders = [source(world)];
  settings.automation.developmentCompress = true;
  settings.probeSeconds = 30;
};
const words = (world: World, action: string, ...more: string[]) => [
  ...[join(SCRIPTS, "nas-archival.sh"), action, "--settings", world.settings(compressed(world)), "--lock", world.lock],
  ...more,
];
/** Copies as on the day that is so many days after {@link NOW}. */
const copy = (world: World, day = 0, ...more: string[]): Promise<Ended> =>
  world.run(words(world, "development", "--now", `@${NOW + day * DAY}`, ...more));
/** The same without compression, which rsync does. */
async function copyPlain(world: World, day = 0): Promise<Ended> {
  const argv = words(world, "development", "--now", `@${NOW + day * DAY}`);
  world.settings((settings) => (settings.automation.developmentFolders = [source(world)]));
  return world.run(argv);
}
const restore = (world: World, name: string, to: string, ...more: string[]): Promise<Ended> =>
  world.run(words(world, "restore-folder", name, "--to", to, ...more));

const inCold = async (world: World) =>
  (await world.files())
    .filter((path) => path.startsWith("cold/jts/development/"))
    .map((path) => path.slice("cold/jts/development/".length))
    .filter((path) => !path.startsWith(".copies/"));
const asideOf = (day: number) => `.removed/${stampOf(NOW + day * DAY)}/dev`;
/** Lines as a program writes them, of which zstd makes a tenth. */
const lines = (count: number, seed = "") =>
  Array.from({ length: count }, (_, index) => `2026-06-30,${seed}${index},${(index * 7919) % 10007}\n`).join("");

/** What must be the same after a copy and a restore, of all below a folder. */
async function tree(world: World, top: string): Promise<Record<string, unknown>> {
  const at = top.slice(world.path.length + 1);
  const found = Object.entries(await world.describe()).filter(([path]) => path.startsWith(`${at}/`));
  const firsts = new Map<number, string>();
  found.sort(([one], [other]) => (one < other ? -1 : 1));
  for (const [path, { inode }] of found) if (!firsts.has(inode)) firsts.set(inode, path.slice(at.length));
  const facts = ({ type, sha256, mode, uid, gid, mtime, links, inode, bytes }: Entry) => ({
    ...{ type, sha256, mode, uid, gid, mtime, bytes },
    ...(type === "folder" ? { bytes: 0 } : { links, first: firsts.get(inode) }),
  });
  return Object.fromEntries(found.map(([path, entry]) => [path.slice(at.length), facts(entry)]));
}

/** What is in the copy, by the names and contents of its originals; NAME.zst that zstd can read is NAME. */
async function contentOf(world: World, folder = "dev"): Promise<Record<string, string | undefined>> {
  const top = `cold/jts/development/${folder}/`;
  const found = Object.entries(await world.describe()).filter(
    ([path, { type }]) => path.startsWith(top) && type === "file",
  );
  return Object.fromEntries(
    found.map(([path, { sha256, contentSha256 }]) => [
      sha256 === contentSha256 ? path.slice(top.length) : path.slice(top.length, -".zst".length),
      contentSha256,
    ]),
  );
}

/** Runs the scripts' Python with these lines before; their strings are in double quotes. */
function before(world: World, ...lines: string[]) {
  const run = ["import os, runpy, signal, sys, time", ...lines, "sys.argv = sys.argv[1:]"];
  const program = [...run, 'runpy.run_path(sys.argv[0], run_name="__main__")'].join("\n");
  world.program("python3", `exec /usr/bin/python3 "$1" "$2" -c '${program}' "\${@:3}"`);
}
const after = (world: World) => rmSync(join(world.programs, "python3"), { force: true });
const prefixed = (content: Record<string, string | undefined>) =>
  Object.fromEntries(Object.entries(content).map(([name, sha256]) => [`aside ${name}`, sha256]));
interface Report {
  readonly done: readonly Record<string, unknown>[];
  readonly failed: readonly string[];
}
const reportOf = ({ stdout }: Ended) => JSON.parse(stdout) as Report;

describe.skipIf(!IS_ROOT)("compressed copies of folders (needs root for mounts)", { timeout: 240_000 }, () => {
  test("a hostile tree comes back byte for byte, with owners, modes, times, links and kinds", async ({ world }) => {
    await world.must(["/usr/bin/python3", "-I", NASTY, source(world)]);
    const dev = source(world);
    world.put(join(dev, "prices.csv"), lines(20_000));
    world.put(join(dev, "both"), lines(5000));
    world.put(join(dev, "both.zst"), lines(5000, "other "));
    world.put(join(dev, "of a folder"), lines(5000));
    world.put(join(dev, "of a folder.zst/x.zst"), "not zstd");
    world.put(join(dev, "of a link"), lines(5000));
    world.put(join(dev, "linked.csv"), lines(5000));
    world.put(join(dev, `${"l".repeat(252)}`), lines(5000));
    await world.must([
      "bash",
      "-c",
      `cd ${dev}; ln -s nowhere 'of a link.zst'; ln linked.csv 'names/linked too'; mkdir -m 2711 'no files'
       mknod device c 1 3; python3 -c 'import socket; socket.socket(socket.AF_UNIX).bind("socket")'
       chown -h 12:34 link; chmod 4711 prices.csv; chown 5:6 names; touch -d '2001-02-03 04:05:06.789' names 'no files' link
       touch -d '2002-02-03 04:05:06.789012345' prices.csv; touch -d '2003-02-03' .`,
    ]);
    const before = await tree(world, dev);
    expect(await copy(world)).toMatchObject({ status: 0 });
    const names = await inCold(world);
    expect(names).toEqual(
      expect.arrayContaining(["dev/prices.csv.zst", "dev/both", "dev/both.zst.zst", "dev/of a folder"]),
    );
    expect(names).not.toContain("dev/prices.csv");
    expect(await restore(world, "dev", join(world.hot, "back"))).toMatchObject({ status: 0 });
    expect(await tree(world, join(world.hot, "back"))).toEqual(before);
    // With nothing but zstd.
    const by = await world.must(["bash", "-c", `zstd -dc ${copyOf(world)}/prices.csv.zst | cmp - ${dev}/prices.csv`]);
    expect(by).toBe("");
    // A copy of what was taken from a copy comes back as it was, and not as what it was made of.
    await world.must(["bash", "-c", `cp -a ${copyOf(world)}/. ${dev}/taken`]);
    const taken = await tree(world, dev);
    expect(await copy(world, 1)).toMatchObject({ status: 0 });
    expect(await restore(world, "dev", join(world.hot, "again"))).toMatchObject({ status: 0 });
    expect(await tree(world, join(world.hot, "again"))).toEqual(taken);
  });

  test("a second run reads no file that has the same size and time, and says what it copied", async ({ world }) => {
    const dev = source(world);
    world.put(join(dev, "prices.csv"), lines(20_000));
    world.put(join(dev, "small"), "small");
    await world.must([
      "bash",
      "-c",
      `head --bytes=300K /dev/urandom >${dev}/random; touch -d @1000000000 ${dev}/random`,
    ]);
    const size = 5 + 300 * 1024 + lines(20_000).length;
    const first = await copy(world, 0, "--json");
    expect(first.stderr).toMatch(/copied .*dev: 3 files of .*iB, .*iB on cold; 3 copied/);
    const { done } = reportOf(first);
    expect(done).toMatchObject([
      { did: "copied", files: 3, bytes: size, copied: { files: 3, bytes: size }, removed: 0 },
    ]);
    expect(done[0]?.coldBytes).toBeLessThan(size / 1.5);
    // A change that neither size nor time shows is seen only by who reads the file.
    for (const name of ["prices.csv", "random"]) {
      const { mtime, size } = statSync(world.at(join(dev, name)));
      writeFileSync(world.at(join(dev, name)), "x".repeat(size));
      utimesSync(world.at(join(dev, name)), mtime, mtime);
    }
    const content = await contentOf(world);
    const second = await copy(world, 1, "--json");
    expect(reportOf(second).done[0]).toMatchObject({
      files: 3,
      bytes: size,
      copied: { files: 0, bytes: 0 },
      removed: 0,
    });
    expect(await contentOf(world)).toEqual(content);
    await world.must(["chmod", "604", join(dev, "prices.csv")]);
    expect(reportOf(await copy(world, 2, "--json")).done[0]).toMatchObject({ copied: { files: 0 }, removed: 0 });
    expect((await world.describe())["cold/jts/development/dev/prices.csv.zst"]?.mode).toBe(0o604);
  });

  test("what is changed, deleted, or has become something else goes to .removed, for its time", async ({ world }) => {
    const dev = source(world);
    for (const name of ["kept", "changed", "deleted", "folder/a", "now a folder", "now a folder, too/b", "one"])
      world.put(join(dev, name), lines(5000, name));
    await world.must(["ln", join(dev, "one"), join(dev, "other")]);
    expect(await copy(world)).toMatchObject({ status: 0 });
    const old = await contentOf(world);
    world.put(join(dev, "changed"), lines(5000, "changed again"), 1);
    for (const name of ["deleted", "folder", "now a folder", "now a folder, too", "other"])
      rmSync(world.at(join(dev, name)), { recursive: true });
    world.put(join(dev, "now a folder/c"), lines(5000, "c"));
    world.put(join(dev, "now a folder, too"), lines(5000, "file"));
    world.put(join(dev, "other"), lines(5000, "one"));
    const dry = await copy(world, 1, "--dry-run");
    expect(dry).toMatchObject({ status: 0, stdout: text("would move 'deleted.zst' to .removed") });
    expect(dry.stdout).toContain("would copy 'changed' to 'changed.zst'");
    expect(await contentOf(world)).toEqual(old);
    expect(await copy(world, 1)).toMatchObject({ status: 0 });
    const aside = await contentOf(world, asideOf(1));
    const gone = ["changed", "deleted", "folder/a", "now a folder", "now a folder, too/b"];
    expect(aside).toEqual(expect.objectContaining(Object.fromEntries(gone.map((name) => [name, old[name]]))));
    expect(await restore(world, "dev", join(world.hot, "back"))).toMatchObject({ status: 0 });
    expect(await tree(world, join(world.hot, "back"))).toEqual(await tree(world, dev));
    // What went aside comes back too.
    const folder = join(world.cold, "jts/development", asideOf(1));
    expect(await restore(world, folder, join(world.hot, "was"), "--only", "folder/a")).toMatchObject({ status: 0 });
    expect(world.read(join(world.hot, "was/folder/a"))).toBe(lines(5000, "folder/a"));
    expect(await copy(world, 30)).toMatchObject({ status: 0 });
    expect(await contentOf(world, asideOf(1))).toEqual(aside);
    expect(await copy(world, 32)).toMatchObject({ status: 0, stderr: text("kept for 30 days") });
    expect(await contentOf(world, asideOf(1))).toEqual({});
  });

  test("a copy that rsync made is compressed by the first run, and rsync goes on where the option is off again", async ({
    world,
  }) => {
    const dev = source(world);
    for (const name of ["a.csv", "folder/b.csv"]) world.put(join(dev, name), lines(5000, name));
    world.put(join(dev, "c.zst"), "small");
    await world.must([
      "bash",
      "-c",
      `head --bytes=300K /dev/urandom >${dev}/random; touch -d @1000000000 ${dev}/random`,
    ]);
    expect(await copyPlain(world)).toMatchObject({ status: 0 });
    const content = await contentOf(world);
    expect(reportOf(await copy(world, 1, "--json")).done[0]).toMatchObject({ copied: { files: 2 }, removed: 2 });
    expect((await inCold(world)).sort()).toEqual([
      ...["a.csv", "folder/b.csv"].map((name) => `${asideOf(1)}/${name}`),
      ...["a.csv.zst", "c.zst", "folder/b.csv.zst", "random"].map((name) => `dev/${name}`),
    ]);
    expect(await contentOf(world)).toEqual(content);
    expect(reportOf(await copy(world, 2, "--json")).done[0]).toMatchObject({ copied: { files: 0 }, removed: 0 });
    expect(await copyPlain(world, 3)).toMatchObject({ status: 0 });
    expect((await inCold(world)).filter((name) => name.startsWith("dev/"))).toEqual(
      ["a.csv", "c.zst", "folder/b.csv", "random"].map((name) => `dev/${name}`),
    );
    expect(await contentOf(world, asideOf(3))).toEqual({
      "a.csv": content["a.csv"],
      "folder/b.csv": content["folder/b.csv"],
    });
    // And once more, with nothing left of the first time.
    expect(reportOf(await copy(world, 4, "--json")).done[0]).toMatchObject({ copied: { files: 2 } });
  });

  test("killed at any of its calls, nothing is lost, and the next run completes it", async ({ world }) => {
    const dev = source(world);
    for (const name of ["changed", "deleted", "kept", "gone/a", "becomes small", "turns"])
      world.put(join(dev, name), lines(3000, name));
    world.put(join(dev, "becomes large"), "small");
    expect(await copy(world)).toMatchObject({ status: 0 });
    const old = await contentOf(world);
    const saved = join(world.path, "saved");
    await world.must(["cp", "-a", join(world.cold, "jts"), saved]);
    world.put(join(dev, "changed"), lines(3000, "again"), 1);
    world.put(join(dev, "becomes small"), "small", 1);
    world.put(join(dev, "becomes large"), lines(3000, "large"), 1);
    for (const name of ["deleted", "gone", "turns"]) rmSync(world.at(join(dev, name)), { recursive: true });
    world.put(join(dev, "turns/b"), lines(3000, "b"));
    await world.must(["ln", join(dev, "changed"), join(dev, "linked")]);
    let kills = 0;
    for (let at = 1; ; at += STEP) {
      await world.must(["bash", "-c", `rm -rf ${world.cold}/jts; cp -a ${saved} ${world.cold}/jts`]);
      before(
        world,
        "seen = [0]",
        'calls = ("os.rename", "os.link", "os.mkdir", "os.remove", "os.rmdir", "os.chmod", "os.chown", "os.utime", "os.truncate")',
        "def hook(event, values):",
        `  here = event in calls or (event == "open" and str(values[0]).startswith(".jts-moving-"))`,
        '  seen[0] += here and os.getpgid(0) == os.getpid() and sys.argv[0].endswith("jts_storage")',
        `  if seen[0] == ${at} and here: os.kill(os.getpid(), signal.SIGKILL)`,
        "sys.addaudithook(hook)",
      );
      const { status } = await copy(world, 1);
      after(world);
      const left = Object.values({ ...(await contentOf(world)), ...prefixed(await contentOf(world, asideOf(1))) });
      expect(left).toEqual(expect.arrayContaining(Object.values(old)));
      if (status === 0) break;
      kills++;
      expect(await copy(world, 1)).toMatchObject({ status: 0 });
      expect(existsSync(world.at(join(world.cold, "jts/development/.removed/unfinished")))).toBe(false);
      const again = Object.values({ ...(await contentOf(world)), ...prefixed(await contentOf(world, asideOf(1))) });
      expect(again).toEqual(expect.arrayContaining(Object.values(old)));
      rmSync(world.at(join(world.hot, "back")), { recursive: true, force: true });
      expect(await restore(world, "dev", join(world.hot, "back"))).toMatchObject({ status: 0 });
      expect(await tree(world, join(world.hot, "back"))).toEqual(await tree(world, dev));
    }
    expect(kills).toBeGreaterThan(20 / STEP);
  });

  test("a file that changes while it is read is copied as it was read, and again by the next run", async ({
    world,
  }) => {
    const dev = source(world);
    for (const name of ["grows", "shrinks", "rests"]) world.put(join(dev, name), lines(90_000, name));
    world.put(join(dev, "vanishes"), lines(3000, "vanishes"));
    expect(await copy(world)).toMatchObject({ status: 0 });
    const old = await contentOf(world);
    for (const name of ["grows", "shrinks", "vanishes"]) world.put(join(dev, name), lines(95_000, `${name}, new`), 1);
    before(
      world,
      "pread, listdir = os.pread, os.listdir",
      "def changing(fd, size, offset):",
      "  read = pread(fd, size, offset)",
      '  path = os.readlink(f"/proc/self/fd/{fd}")',
      '  if path.endswith("/hot/dev/grows") and size > 1 << 19:',
      '    with open(path, "a") as file: file.write("more")',
      '  if path.endswith("/hot/dev/shrinks") and size > 1 << 19: os.truncate(path, os.path.getsize(path) - 1)',
      "  return read",
      "os.pread = changing",
      "def vanishing(fd):",
      "  names = listdir(fd)",
      `  if "vanishes" in names and os.path.exists("${dev}/vanishes"): os.unlink("${dev}/vanishes")`,
      "  return names",
      "os.listdir = vanishing",
    );
    const ended = await copy(world, 1);
    expect(ended).toMatchObject({
      status: 1,
      stderr: text("not copied: 'shrinks': it became shorter while it was read"),
    });
    expect(ended.stderr).toContain("'grows' changed while it was read; the next run copies it again");
    const content = await contentOf(world);
    expect(content).toMatchObject({ shrinks: old.shrinks, rests: old.rests });
    expect(content.grows).not.toBe(old.grows);
    after(world);
    expect(reportOf(await copy(world, 2, "--json"))).toMatchObject({ done: [{ copied: { files: 2 } }], failed: [] });
    expect(await restore(world, "dev", join(world.hot, "back"))).toMatchObject({ status: 0 });
    expect(await tree(world, join(world.hot, "back"))).toEqual(await tree(world, dev));
  });

  test("verify reads compressed files to their end; a damaged one is neither good nor brought back", async ({
    world,
  }) => {
    const dev = source(world);
    for (const name of ["a.csv", "folder/b.csv"]) world.put(join(dev, name), lines(5000, name));
    expect(await copy(world)).toMatchObject({ status: 0 });
    expect(await world.run(words(world, "verify"))).toMatchObject({ status: 0, stdout: `ok  ${copyOf(world)}\n` });
    const damaged = join(copyOf(world), "folder/b.csv.zst");
    await world.must(["bash", "-c", `printf x | dd of=${damaged} bs=1 seek=5000 conv=notrunc status=none`]);
    const verified = await world.run(words(world, "verify", "--json"));
    expect(verified.status).toBe(1);
    expect(JSON.parse(verified.stdout)).toMatchObject({
      archives: [{ path: copyOf(world), kind: "copy", ok: false, problem: text("folder/b.csv.zst") }],
    });
    const back = join(world.hot, "back");
    expect(await restore(world, "dev", back)).toMatchObject({ status: 1, stderr: text("not copied: 'folder/b.csv'") });
    expect(existsSync(world.at(join(back, "folder/b.csv")))).toBe(false);
    expect(world.read(join(back, "a.csv"))).toBe(lines(5000, "a.csv"));
    // Made again, the restore continues.
    await world.must(["touch", join(dev, "folder/b.csv")]);
    expect(await copy(world, 1)).toMatchObject({ status: 0 });
    expect(await restore(world, "dev", back, "--only", "folder")).toMatchObject({
      status: 1,
      stderr: text("unfinished"),
    });
    expect(await restore(world, "dev", back)).toMatchObject({ status: 0 });
    expect(await tree(world, back)).toEqual(await tree(world, dev));
    expect(await world.run(words(world, "verify"))).toMatchObject({ status: 0 });
  });

  test("restore-folder brings one file or folder, and refuses what is not there, in the way, or elsewhere", async ({
    world,
  }) => {
    const dev = source(world);
    for (const name of ["a.csv", "folder/b.csv", "folder/c"]) world.put(join(dev, name), lines(5000, name));
    expect(await copy(world)).toMatchObject({ status: 0 });
    const to = (name: string) => join(world.hot, name);
    const ended = await restore(world, "dev", to("one"), "--only", "/folder/", "--json");
    expect(reportOf(ended).done).toMatchObject([{ did: "restored", only: "/folder/", copied: { files: 2 } }]);
    expect((await world.files()).filter((path) => path.startsWith("hot/one"))).toEqual([
      "hot/one/folder/b.csv",
      "hot/one/folder/c",
    ]);
    for (const [words, problem] of [
      [["dev", to("two"), "--only", "folder/x"], "has no 'folder/x'"],
      [["dev", to("three"), "--only", "a.csv/x"], "is not a folder"],
      [["dev", dev], "has files in it"],
      [["other", to("four")], "there is no folder"],
      [[world.hot, to("five")], "is not below"],
    ] as const) {
      const [name, folder, ...more] = words;
      expect(await restore(world, name, folder, ...more)).toMatchObject({ status: 1, stderr: text(problem) });
    }
    const files = await world.files();
    expect(await restore(world, "dev", to("six"), "--dry-run")).toMatchObject({
      status: 0,
      stdout: text("would copy 'a.csv'"),
    });
    expect(await world.files()).toEqual(files);
    for (const wrong of [
      ["restore-folder", "dev"],
      ["restore-folder", "--to", "/x"],
      ["extract", "configs", "--to", "/x", "--only", "y"],
    ])
      expect(await world.run(words(world, wrong[0]!, ...wrong.slice(1)))).toMatchObject({ status: 2 });
  });

  test("no room on cold ends the copy, with what was there unchanged", async ({ world }) => {
    const dev = source(world);
    world.put(join(dev, "first"), lines(3000));
    world.put(join(dev, "deleted"), lines(3000));
    expect(await copy(world)).toMatchObject({ status: 0 });
    const content = await contentOf(world);
    rmSync(world.at(join(dev, "deleted")));
    await world.must([
      "bash",
      "-c",
      `head --bytes=3M /dev/urandom >${dev}/random; mount -o remount,size=1M ${world.cold}`,
    ]);
    expect(await copy(world, 1)).toMatchObject({ status: 1, stderr: text("No space left") });
    expect(await contentOf(world)).toEqual(content);
    await world.must(["mount", "-o", "remount,size=64M", world.cold]);
    expect(await copy(world, 1)).toMatchObject({ status: 0 });
    expect(await inCold(world)).toEqual([`${asideOf(1)}/deleted.zst`, "dev/first.zst", "dev/random"]);
  });

  test("a NAS that stops answering in the middle of a compressed copy ends it, and the next run completes it", async ({
    world,
  }) => {
    world.put(join(source(world), "prices.csv"), lines(3000));
    before(
      world,
      "statvfs, real = os.statvfs, os.rename",
      `is_away = lambda path: path == "${world.cold}" and os.path.exists("${world.path}/away")`,
      "os.statvfs = lambda path: time.sleep(3600) if is_away(path) else statvfs(path)",
      "def rename(old, *more, **others):",
      '  if not str(old).startswith(".jts-moving-"): return real(old, *more, **others)',
      `  open("${world.path}/away", "w").close(); time.sleep(3600)`,
      "os.rename = rename",
    );
    const argv = words(world, "development", "--now", `@${NOW}`);
    world.settings((settings) => (compressed(world)(settings), (settings.probeSeconds = 1)));
    expect(await world.run(argv)).toMatchObject({ status: 1, stderr: text("stopped answering") });
    rmSync(join(world.path, "away"));
    after(world);
    expect(await copy(world)).toMatchObject({ status: 0 });
    expect(await inCold(world)).toEqual(["dev/prices.csv.zst"]);
  });
});
