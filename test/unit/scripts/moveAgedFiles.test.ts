import { createHash, randomBytes } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { describe, expect } from "vitest";
import { IS_ROOT, MOVER, test, World } from "./world.ts";

const text = (part: string) => expect.stringContaining(part) as string;

const HARNESS = join(import.meta.dirname, "mover.py");
const TORTURE = join(import.meta.dirname, "../../support/moverTorture.py");
const COMPANY = join(import.meta.dirname, "../../support/moverCompany.py");
/** Tens of thousands in a long run. */
const ROTATIONS = Number(process.env.JTS_STORAGE_ROTATIONS ?? 900);
/** Hundreds in a long run. */
const KILLS = Number(process.env.JTS_STORAGE_KILLS ?? 40);

/** Makes a tree of everything that a service may leave. */
const makeNastyTree = (world: World, folder: string) =>
  world.must(["/usr/bin/python3", "-I", join(import.meta.dirname, "nastyTree.py"), folder]);

/** An ACL that allows the owning group nothing, although the bits of the mode, which are its mask, say otherwise. */
const ACL_WITHOUT_GROUP = "0200000001000700ffffffff02000700d204000004000000ffffffff10000700ffffffff20000000ffffffff";

/** Gives a file or folder {@link ACL_WITHOUT_GROUP} and an attribute of root. */
const mark = (world: World, path: string) =>
  world.python(
    `
import os, sys
path, acl = sys.argv[1:]
os.setxattr(path, "system.posix_acl_access", bytes.fromhex(acl))
os.setxattr(path, "trusted.note", b"kept")
`,
    path,
    ACL_WITHOUT_GROUP,
  );

/** An old file of 64 GiB, with 4 bytes of data at its start, after 5 GiB and at its end. */
const makeSparse = (world: World, path: string) =>
  world.python(
    `
import os, sys
fd = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT)
os.ftruncate(fd, 64 << 30)
for offset in (0, 5 << 30, (64 << 30) - 5):
    os.pwrite(fd, b"data", offset)
os.utime(fd, (10**9, 10**9))
`,
    path,
  );

/** The size in GiB, whether it is sparse, and the data of what {@link makeSparse} makes. */
const readSparse = (world: World, path: string) =>
  world.python(
    `
import os, sys
fd = os.open(sys.argv[1], os.O_RDONLY)
seen = os.fstat(fd)
data = [os.pread(fd, 4, offset) for offset in (0, 5 << 30, (64 << 30) - 5)]
print(seen.st_size >> 30, seen.st_blocks < 100, *data)
`,
    path,
  );

describe.skipIf(!IS_ROOT).concurrent("the mover (needs root for mounts)", { timeout: 180_000 }, () => {
  test("moves an old file with its folders, owners, modes, times, extended attributes and ACLs, and leaves a young one", async ({
    world,
  }) => {
    await makeNastyTree(world, join(world.hot, "service"));
    await world.python(
      "import os, sys; os.chown(sys.argv[1], 70, 71); os.chmod(sys.argv[1], 0o2750)",
      join(world.hot, "service/many"),
    );
    const before = await world.describe();
    expect(await world.move()).toMatchObject({ status: 0 });
    const after = await world.describe();
    for (const path of ["service/many/3.log", "service/marked", "service/large", "service/empty"]) {
      const { inode: _was, ...was } = before[`hot/${path}`]!;
      expect(after[`warm/logs/${path}`]).toMatchObject(was);
      expect(after[`hot/${path}`]).toBeUndefined();
    }
    expect(Object.keys(after["warm/logs/service/marked"]!.xattrs)).toEqual(
      expect.arrayContaining(["trusted.note", "system.posix_acl_access"]),
    );
    expect(after["warm/logs/service/many"]).toMatchObject({ uid: 70, gid: 71, mode: 0o2750 });
    expect(after["hot/service/young"]).toEqual(before["hot/service/young"]);
  });

  test("keeps a sparse file sparse", async ({ world }) => {
    await makeNastyTree(world, world.hot);
    const before = await world.describe();
    await world.move();
    const moved = (await world.describe())["warm/logs/sparse"];
    expect(moved).toMatchObject({ bytes: 8 * 2 ** 20, sha256: before["hot/sparse"]!.sha256 });
    expect(moved!.allocatedBytes).toBeLessThan(100_000);
  });

  test("moves names with spaces, newlines, leading dashes, quotes and bytes that are no UTF-8, up to the longest", async ({
    world,
  }) => {
    await makeNastyTree(world, world.hot);
    const before = await world.describe();
    expect(await world.move("--compress", "--pattern", "*")).toMatchObject({ status: 0 });
    const after = await world.describe();
    const names = Object.keys(before).filter((path) => path.startsWith("hot/names/"));
    expect(names).toHaveLength(8);
    for (const name of names) {
      const moved = name.replace("hot/", "warm/logs/");
      expect(after[name]).toBeUndefined();
      // The longest has no room for an ending.
      expect(after[moved.endsWith("nnn") ? moved : `${moved}.zst`]).toMatchObject({ type: "file" });
    }
  });

  test("compresses with --compress, except what is compressed already, and the content comes back the same", async ({
    world,
  }) => {
    const text = "the same line again and again\n".repeat(50_000);
    world.put(join(world.hot, "app.log"), text);
    world.put(join(world.hot, "app.log.1.gz"), "as it is");
    expect(await world.move("--compress")).toMatchObject({ status: 0 });
    expect(await world.files()).toEqual(["warm/logs/app.log.1.gz", "warm/logs/app.log.zst"]);
    expect(await world.must(["zstd", "--decompress", "--stdout", join(world.warm, "logs/app.log.zst")])).toBe(text);
    expect((await world.describe())["warm/logs/app.log.zst"]!.bytes).toBeLessThan(text.length / 100);
  });

  test("keeps the files of two services with the same name apart", async ({ world }) => {
    const sources = ["postgresql/logs", "kafka/logs"].map((source) => join(world.hot, source));
    for (const source of sources) world.put(join(source, "app.log"));
    world.put(join(world.hot, "elsewhere/app.log"));
    expect(
      await world.move(...sources.flatMap((source) => ["--source", source]), "--relative-to", world.hot),
    ).toMatchObject({ status: 0 });
    expect(await world.files()).toEqual([
      "hot/elsewhere/app.log",
      "warm/logs/kafka/logs/app.log",
      "warm/logs/postgresql/logs/app.log",
    ]);
    expect(world.read(join(world.warm, "logs/kafka/logs/app.log"))).toBe(join(world.hot, "kafka/logs/app.log"));
  });

  test("leaves and counts what is open, for writing, for reading or mapped, and links, pipes and hard-linked files", async ({
    world,
  }) => {
    await makeNastyTree(world, world.hot);
    for (const name of ["written", "read", "mapped"]) world.put(join(world.hot, name));
    const holder = `import mmap, os, sys
hot = sys.argv[1]
a = open(hot + "/written", "ab"); b = open(hot + "/read", "rb")
with open(hot + "/mapped", "r+b") as file: c = mmap.mmap(file.fileno(), 0)
print("open", flush=True)
import time; time.sleep(60)`;
    const { child } = world.start(["/usr/bin/python3", "-c", holder, world.hot]);
    await new Promise((resolve) => child.stdout?.once("data", resolve));
    const { status, stdout } = await world.move("--json");
    expect(status).toBe(0);
    const { skipped, failed } = JSON.parse(stdout) as { skipped: unknown; failed: unknown };
    expect(skipped).toEqual({ open: 3, "hard-linked": 2, "symbolic links": 2, "special files": 1, "too young": 1 });
    expect(failed).toEqual([]);
    const left = (await world.files()).filter((path) => path.startsWith("hot/"));
    expect(left).toEqual([
      "hot/hard-linked",
      "hot/hard-linked again",
      "hot/link",
      "hot/link to a folder",
      "hot/mapped",
      "hot/pipe",
      "hot/read",
      "hot/written",
      "hot/young",
    ]);
  });

  test("moves only files that --pattern matches", async ({ world }) => {
    world.put(join(world.hot, "a.log"));
    world.put(join(world.hot, "a.db"));
    await world.move("--pattern", "*.log");
    expect(await world.files()).toEqual(["hot/a.db", "warm/logs/a.log"]);
  });

  test.for([[], ["--compress"]])(
    "finishes a move that got as far as the copy's name %j",
    async (options, { world }) => {
      const source = world.put(join(world.hot, "app.log"), "the same");
      await world.move(...options);
      const moved = await world.describe();
      world.put(source, "the same");
      expect(await world.move(...options)).toMatchObject({ status: 0 });
      expect(await world.describe()).toEqual(moved);
    },
  );

  test.for<[string, string[], string]>([
    ["app.log.1", [], "app.log.1~WHEN"],
    ["app.log.1", ["--compress"], "app.log.1~WHEN.zst"],
    ["app.log.2.gz", ["--compress"], "app.log.2~WHEN.gz"],
  ])(
    "publishes %s beside a different file of that name, under one that says when %j",
    async ([name, options, beside], { world }) => {
      const ending = options.length > 0 && !name.endsWith(".gz") ? ".zst" : "";
      const when = (days: number) =>
        new Date((world.began - days * 86400) * 1000).toISOString().replaceAll(/[-:]|\.\d+/g, "");
      const moves = [40, 33, 26];
      for (const days of moves) {
        world.put(join(world.hot, name), `of ${days} days ago`, days);
        expect(await world.move(...options)).toMatchObject({ status: 0, stdout: text("moved 1 files") });
      }
      const names = [`${name}${ending}`, ...moves.slice(1).map((days) => beside.replace("WHEN", when(days)))];
      expect(await world.files()).toEqual(names.map((one) => `warm/logs/${one}`).sort());
      // As a kill leaves it.
      const before = await world.describe();
      world.put(join(world.hot, name), "of 26 days ago", 26);
      expect(await world.move(...options)).toMatchObject({ status: 0 });
      expect(await world.describe()).toEqual(before);
    },
  );

  test("keeps both files where the destination has a copy of a different file of that name, and says so", async ({
    world,
  }) => {
    world.put(join(world.hot, "app.log"), "new content", 30);
    world.put(join(world.warm, "logs/app.log"), "old content", 40);
    const before = await world.describe();
    const { status, stderr } = await world.move("--keep");
    expect(status).toBe(1);
    expect(stderr).toContain("the destination has a different file of this name");
    expect(await world.describe()).toEqual(before);
  });

  test("publishes a file beside a different one also where its name has no room for the time", async ({ world }) => {
    const long = `${"ü".repeat(121)}long.log`;
    world.put(join(world.hot, long), "new content", 30);
    world.put(join(world.warm, "logs", `${long}.zst`), "old content", 40);
    expect(await world.move("--compress")).toMatchObject({ status: 0 });
    const files = await world.files();
    expect(files).toHaveLength(2);
    expect(files).toContain(`warm/logs/${long}.zst`);
    const beside = files.find((name) => name !== `warm/logs/${long}.zst`);
    expect(beside).toMatch(/^warm\/logs\/ü+~\d{8}T\d{6}Z\.zst$/);
  });

  test("never takes a link at the destination for the file, nor writes through a linked folder there", async ({
    world,
  }) => {
    world.put(join(world.hot, "app.log"), "content");
    world.put(join(world.hot, "folder/app.log"), "content");
    world.put(join(world.cold, "target/app.log"), "content");
    mkdirSync(world.at(join(world.warm, "logs")));
    symlinkSync(join(world.cold, "target/app.log"), world.at(join(world.warm, "logs/app.log")));
    symlinkSync(join(world.cold, "target"), world.at(join(world.warm, "logs/folder")));
    const before = await world.describe();
    expect(await world.move()).toMatchObject({ status: 1 });
    expect(await world.describe()).toEqual(before);
  });

  test("follows no linked folder at the source", async ({ world }) => {
    world.put(join(world.cold, "secret/file"));
    symlinkSync(join(world.cold, "secret"), world.at(join(world.hot, "logs")));
    expect(await world.move("--source", join(world.hot, "logs"), "--relative-to", world.hot)).toMatchObject({
      status: 1,
    });
    expect(await world.move()).toMatchObject({ status: 0 });
    expect(await world.files()).toEqual(["cold/secret/file", "hot/logs"]);
  });

  test("refuses a destination that is not a mount, shows the root disk, or is hidden by another mount", async ({
    world,
  }) => {
    world.put(join(world.hot, "app.log"));
    const before = await world.describe();
    const plain = join(world.path, "plain");
    mkdirSync(plain);
    const destination = ["--destination", plain, "--destination-mount", plain];
    expect(await world.move(...destination)).toMatchObject({
      status: 1,
      stderr: expect.stringContaining(`nothing is mounted at ${plain}`) as string,
    });
    await world.must(["mount", "--bind", plain, plain]);
    expect(await world.move(...destination)).toMatchObject({
      status: 1,
      stderr: expect.stringContaining(`nothing is mounted at ${plain}`) as string,
    });
    await world.must(["umount", plain]);
    await world.must(["mount", "-t", "tmpfs", "around", plain]);
    await world.must(["mount", "--mkdir", "--bind", world.programs, join(plain, "disk")]);
    expect(
      await world.move("--destination", join(plain, "disk"), "--destination-mount", join(plain, "disk")),
    ).toMatchObject({ status: 1, stderr: expect.stringContaining("shows the root filesystem") as string });
    await world.must(["umount", join(plain, "disk"), plain]);
    mkdirSync(join(plain, "mount"));
    await world.must(["mount", "-t", "tmpfs", "below", join(plain, "mount")]);
    await world.must(["mount", "-t", "tmpfs", "above", plain]);
    mkdirSync(world.at(join(plain, "mount")));
    expect(
      await world.move("--destination", join(plain, "mount"), "--destination-mount", join(plain, "mount")),
    ).toMatchObject({ status: 1, stderr: expect.stringContaining("hidden by another mount") as string });
    expect(readdirSync(world.at(join(plain, "mount")))).toEqual([]);
    expect(await world.describe()).toEqual(before);
  });

  test("does not cross into another filesystem below the source or the destination", async ({ world }) => {
    for (const name of ["mounted", "bound", "plain"]) world.put(join(world.hot, name, "hidden"));
    world.put(join(world.warm, "logs/plain/other"));
    await world.must(["mount", "-t", "tmpfs", "other", join(world.hot, "mounted")]);
    // A bind mount has the device number of its source.
    await world.must(["mount", "--bind", join(world.hot, "plain"), join(world.hot, "bound")]);
    await world.must(["mount", "-t", "tmpfs", "other", join(world.warm, "logs/plain")]);
    world.put(join(world.hot, "mounted/file"));
    const before = await world.files();
    const { status, stdout, stderr } = await world.move("--json");
    expect(status).toBe(1);
    expect(JSON.parse(stdout)).toMatchObject({ skipped: { "on another filesystem": 2 } });
    expect(stderr).toContain("something is mounted at the destination's folder plain");
    expect(await world.files()).toEqual(before);
  });

  test("reads past mounts of other programs, such as one whose source is empty", async ({ world }) => {
    world.put(join(world.hot, "app.log"));
    // mount(8) refuses that.
    await world.python(
      `
import ctypes, os, sys
os.mkdir(sys.argv[1])
sys.exit(ctypes.CDLL(None).mount(b"", os.fsencode(sys.argv[1]), b"tmpfs", 0, None))
`,
      join(world.path, "secrets"),
    );
    expect(await world.move()).toMatchObject({ status: 0 });
    expect(await world.files()).toEqual(["warm/logs/app.log"]);
  });

  test("refuses a source that is not on --source-mount, as when its filesystem is not mounted", async ({ world }) => {
    world.put(join(world.hot, "folder/file"));
    expect(await world.move("--source-mount", join(world.hot, "folder"))).toMatchObject({ status: 1 });
    expect(await world.move("--source-mount", world.cold)).toMatchObject({
      status: 1,
      stderr: expect.stringContaining("is not on the filesystem") as string,
    });
    expect(await world.files()).toEqual(["hot/folder/file"]);
    expect(await world.move("--source-mount", world.hot)).toMatchObject({ status: 0 });
  });

  test("an empty source, or one that is gone, empties no destination", async ({ world }) => {
    world.put(join(world.warm, "logs/a"));
    world.put(join(world.warm, "logs/service/b"));
    const before = await world.describe();
    expect(await world.move()).toMatchObject({ status: 0 });
    const { status, stderr } = await world.move("--source", join(world.hot, "service"), "--relative-to", world.hot);
    expect({ status, stderr }).toMatchObject({
      status: 1,
      stderr: expect.stringContaining("whether its filesystem is mounted") as string,
    });
    expect(await world.describe()).toEqual(before);
  });

  test("never takes a file for its own copy, where source and destination show the same folder", async ({ world }) => {
    world.put(join(world.warm, "data/file"));
    await world.must(["mount", "--bind", join(world.warm, "data"), world.hot]);
    const { status, stderr } = await world.move(
      "--destination",
      join(world.warm, "data"),
      "--destination-mount",
      world.warm,
    );
    expect({ status, stderr }).toMatchObject({
      status: 1,
      stderr: expect.stringContaining("are the same file") as string,
    });
    expect(await world.files()).toContain("warm/data/file");
  });

  test("leaves what does not fit a full destination, without a trace there, and moves what fits", async () => {
    await using small = await World.make({ warmBytes: 2 ** 20 });
    small.put(join(small.hot, "a"), randomBytes(3 * 2 ** 20));
    small.put(join(small.hot, "compressible"), "x".repeat(3 * 2 ** 20));
    const before = await small.describe();
    expect(await small.move()).toMatchObject({
      status: 1,
      stderr: expect.stringContaining("there is no room for it") as string,
    });
    expect(await small.files()).toEqual(["hot/a", "hot/compressible"]);
    expect(await small.move("--compress")).toMatchObject({
      status: 1,
      stderr: expect.stringContaining("No space left on device. Next: ") as string,
    });
    expect(await small.files()).toEqual(["hot/a", "warm/logs/compressible.zst"]);
    expect((await small.describe())["hot/a"]).toEqual(before["hot/a"]);
  });

  test("moves many small files together; one whose name another file gets meanwhile goes beside it", async ({
    world,
  }) => {
    for (let number = 0; number < 900; number++)
      world.put(join(world.hot, `folder ${number % 3}/${number}.log`), `log ${number}`);
    world.put(join(world.warm, "logs/folder 0/0.log"), "another");
    // Both would be 1.log.zst; neither is overwritten.
    world.put(join(world.hot, "folder 1/1.log.zst"), "no zstd");
    const { status, stdout, stderr } = await world.move("--json", "--compress", "--workers", "3");
    expect(status).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ moved: { files: 901 }, conflicts: 1, failed: [] });
    // Not one line for each file.
    expect(stderr.trimEnd().split("\n").length).toBeLessThan(10);
    const after = await world.describe();
    const contents = new Set(Object.values(after).map(({ contentSha256 }) => contentSha256));
    for (const content of ["no zstd", "another", ...Array.from({ length: 900 }, (_, number) => `log ${number}`)])
      expect(contents).toContain(createHash("sha256").update(content).digest("hex"));
    const files = await world.files();
    expect(files.filter((path) => path.startsWith("hot/"))).toEqual([]);
    expect(files.filter((path) => path.includes("/1.log")).length).toBe(2);
    expect(files).toHaveLength(902);
  });

  /** Runs the mover from inside, see mover.py, and returns the last line that mover.py prints, read as JSON. */
  const inside = async (world: World, ...words: readonly string[]) => {
    const [what = "", ...rest] = words;
    const printed = await world.must(["/usr/bin/python3", "-B", HARNESS, what, world.path, ...rest]);
    return JSON.parse(printed.trimEnd().split("\n").at(-1)!) as unknown;
  };

  test.for([[], ["--compress"], ["--compress", "--workers", "2"]])(
    "leaves a file that changes while it is copied %j",
    async (options, { world }) => {
      expect(await inside(world, "change", ...options)).toEqual({
        status: 0,
        files: ["hot/service/app.log"],
        intact: true,
      });
    },
  );

  test("keeps the source where something else is mounted at the destination meanwhile, and writes nothing there", async ({
    world,
  }) => {
    expect(await inside(world, "remount")).toEqual({ status: 1, files: ["hot/service/app.log"] });
    await world.must(["umount", world.warm]);
    expect(await world.files()).toEqual(["hot/service/app.log"]);
  });

  test.for([["1"], ["2"]])(
    "ends as killed when nothing moves on for --stall-seconds, and the next run finishes, with %s workers",
    async ([workers = ""], { world }) => {
      const SIGALRM = 14;
      expect(await inside(world, "stall", "--workers", workers)).toEqual({
        ended: SIGALRM,
        left: expect.arrayContaining(["hot/service/app.log"]) as string[],
        status: 0,
        files: ["warm/logs/service/app.log"],
      });
    },
  );

  test("a program that goes on with the name makes a new file, and what it had written is moved", async ({ world }) => {
    const { status, files } = (await inside(world, "change-after-link")) as { status: number; files: object };
    expect({ status, files }).toEqual({
      status: 0,
      files: { "hot/service/app.log": "one more\n", "warm/logs/service/app.log": "a line of a log\n".repeat(1000) },
    });
  });

  test("removes its copy, and gives the source its name back, where the copy's folder cannot be flushed", async ({
    world,
  }) => {
    expect(await inside(world, "unflushed")).toEqual({ status: 1, files: ["hot/service/app.log"], intact: true });
    expect((await world.describe())["hot/service/app.log"]!.xattrs).toEqual({
      "trusted.note": expect.anything() as string,
    });
  });

  test.for([[], ["--compress"]])(
    "keeps the source where the copy reads back differently %j",
    async (options, { world }) => {
      expect(await inside(world, "flip-a-bit", ...options)).toEqual({ status: 1, files: ["hot/service/app.log"] });
    },
  );

  test("keeps a file with large holes whose disk fails to say where its data is", async ({ world }) => {
    expect(await inside(world, "lose-extents")).toEqual({ status: 1, files: ["hot/service/app.log"] });
  });

  test("says of a file that grew while it was read that it changed, not that the device is bad", async ({ world }) => {
    expect(await inside(world, "grow")).toEqual({ status: 0, files: ["hot/service/app.log"] });
  });

  test("takes away no other file that came under the name: log rotation before the name is taken", async ({
    world,
  }) => {
    expect(await inside(world, "rotate", "name")).toEqual({
      status: 0,
      files: { "hot/service/app.log.1": "fresh", "hot/service/app.log.2": "old" },
    });
  });

  test("takes away no other file that came under the name: log rotation after that", async ({ world }) => {
    expect(await inside(world, "rotate", "journal")).toEqual({
      status: 0,
      files: { "hot/service/app.log.1": "fresh", "warm/logs/service/app.log.1": "old" },
    });
  });

  test("leaves a file that somebody opens to append to it while it is being taken away", async ({ world }) => {
    expect(await inside(world, "open")).toEqual({ status: 0, files: ["hot/service/app.log"], intact: true });
  });

  test("whatever another program does to a file, also where a run was killed, its content is in one file in the end", async ({
    world,
  }) => {
    expect(await inside(world, "others-at-lines", "37")).toEqual([]);
  });

  test(
    "killed beside logrotate and programs that append, replace, restore and remake folders, it loses and doubles no line",
    { timeout: 180_000 + ROTATIONS * 100 },
    async ({ world }) => {
      const state = join(world.path, "state");
      mkdirSync(state);
      const series = ["--rotations", String(ROTATIONS), "--turns", ROTATIONS > 1000 ? "30" : "10"];
      const command = ["/usr/bin/python3", "-B", COMPANY, MOVER[3], world.hot, world.warm, state, ...series];
      const said = await world.must(command);
      // The figures of docs/reliability.md.
      if (process.env.JTS_STORAGE_ROTATIONS !== undefined) console.log(said.trim());
      const { rotationsOf, ...counts } = JSON.parse(said) as Record<string, number> & {
        rotationsOf: Record<string, number>;
      };
      expect(counts).toMatchObject({ lost: [], twice: [], wrong: [] });
      expect(Object.keys(rotationsOf).sort()).toEqual(["compressed", "dated", "delayed", "numbered", "truncated"]);
      expect(Math.min(...Object.values(rotationsOf))).toBeGreaterThan(20);
      const { emulatedRotations, appends, replacements, remadeFolders, restoredFiles, kills, movedFiles } = counts;
      const others = { emulatedRotations, appends, replacements, remadeFolders, restoredFiles, movedFiles };
      expect(Object.entries(others).filter(([, times]) => !(times! > 20))).toEqual([]);
      expect(kills).toBeGreaterThan(0);
    },
  );

  test("a folder keeps its ACL and attributes, and is not made where they cannot be kept", async ({ world }) => {
    world.put(join(world.hot, "closed/app.log"));
    await mark(world, join(world.hot, "closed"));
    const before = (await world.describe())["hot/closed"];
    // A filesystem without extended attributes.
    await world.must(["mount", "--mkdir", "-t", "ramfs", "plain", join(world.path, "plain")]);
    const plain = ["--destination", join(world.path, "plain/logs"), "--destination-mount", join(world.path, "plain")];
    expect(await world.move(...plain)).toMatchObject({
      status: 1,
      stderr: text("the destination keeps no ACLs. Next: "),
    });
    expect(await world.must(["find", join(world.path, "plain"), "-mindepth", "1"])).toBe("");
    expect(await world.move()).toMatchObject({ status: 0 });
    const { xattrs, mode } = (await world.describe())["warm/logs/closed"]!;
    expect({ xattrs, mode }).toEqual({ xattrs: before?.xattrs, mode: before?.mode });
  });

  test("moves a checksum with what it is about, and after it where that has gone before", async ({ world }) => {
    for (const [name, days] of [
      ["old.tar.zst", 40],
      ["young.tar.zst", 0.5],
      ["young.tar.zst.sha256", 40],
    ] as const)
      world.put(join(world.hot, "backups", name), name, days);
    // It was written when the archive had been read back, hours later.
    world.put(join(world.hot, "backups/old.tar.zst.sha256"), "sum", 0.5);
    world.put(join(world.hot, "backups/gone.tar.zst.sha256"), "sum", 0.5);
    world.put(join(world.hot, "backups/alone.sha256"), "sum", 0.5);
    world.put(join(world.warm, "logs/backups/gone.tar.zst"), "gone");
    expect(await world.move("--json")).toMatchObject({ status: 0 });
    expect(await world.files()).toEqual([
      "hot/backups/alone.sha256",
      "hot/backups/young.tar.zst",
      "hot/backups/young.tar.zst.sha256",
      "warm/logs/backups/gone.tar.zst",
      "warm/logs/backups/gone.tar.zst.sha256",
      "warm/logs/backups/old.tar.zst",
      "warm/logs/backups/old.tar.zst.sha256",
    ]);
  });

  test("moves young checksums with their files, however many processes share them", async ({ world }) => {
    for (let number = 0; number < 150; number++) {
      const name = join(world.hot, "backups", `${number}.tar.zst`);
      world.put(name, `${number}`, 40);
      world.put(`${name}.sha256`, "sum", 0.5);
    }
    expect(await world.move("--json", "--workers", "4")).toMatchObject({ status: 0 });
    expect((await world.files()).filter((path) => path.startsWith("hot/"))).toEqual([]);
  });

  test("gives files of a killed run their names back, and moves them", async ({ world }) => {
    const long = "n".repeat(250);
    world.put(join(world.hot, "service/.jts-leaving-app.log"), "app");
    world.put(join(world.hot, "service/.jts-leaving-again.log"), "again");
    world.put(join(world.hot, "service/again.log"), "fresh", 0);
    const hashed = `.jts-leaving-${createHash("sha256").update(long).digest("hex")}`;
    world.put(join(world.hot, "service", hashed), "long");
    await world.python(
      "import os, sys; os.setxattr(sys.argv[1], 'trusted.jts-storage.name', os.fsencode(sys.argv[2]))",
      join(world.hot, "service", hashed),
      long,
    );
    world.put(join(world.warm, "logs/service/.jts-leaving-copy.log"), "copy");
    const dry = await world.move("--dry-run", "--json");
    expect(JSON.parse(dry.stdout)).toMatchObject({ namesPutBack: 4, moved: { files: 0 } });
    const { status, stdout, stderr } = await world.move("--json");
    expect({ status, report: JSON.parse(stdout) as unknown }).toMatchObject({
      status: 0,
      report: { namesPutBack: 4, moved: { files: 3 } },
    });
    expect(stderr).toContain("'again.log' was put back as 'again.log~");
    const files = (await world.files()).map((name) => name.replace(/~\d{8}T\d{6}Z$/, "~now"));
    expect(files).toEqual([
      "hot/service/again.log",
      "warm/logs/service/again.log~now",
      "warm/logs/service/app.log",
      "warm/logs/service/copy.log",
      `warm/logs/service/${long}`,
    ]);
    expect((await world.describe())[`warm/logs/service/${long}`]?.xattrs).toEqual({});
  });

  test("a file that is put back beside another one stays with the process that put it back", async ({ world }) => {
    const names = ["again.log", "again.log~20260131T000000Z", "again.log~20260131T000000Z-12", "again.log.sha256"];
    const shares = await world.python(
      `
import sys
sys.dont_write_bytecode = True
sys.path.insert(0, sys.argv[1])
from jts_storage.mover import share_of
print(len({share_of(name, 1 << 20) for name in sys.argv[2:]}))
`,
      join(MOVER[3], ".."),
      ...names,
    );
    expect(shares).toBe("1\n");
  });

  test("--name finishes a file that a killed run gave a private name, also where its own name was too long for that", async ({
    world,
  }) => {
    const long = "n".repeat(250);
    const hashed = join(world.hot, `.jts-leaving-${createHash("sha256").update(long).digest("hex")}`);
    world.put(hashed, "long");
    await world.python(
      "import os, sys; os.setxattr(sys.argv[1], 'trusted.jts-storage.name', os.fsencode(sys.argv[2]))",
      hashed,
      long,
    );
    world.put(join(world.hot, "other"));
    expect(await world.move("--name", long)).toMatchObject({ status: 0 });
    expect(await world.files()).toEqual(["hot/other", `warm/logs/${long}`]);
  });

  test("compares only the data of a file with large holes, which has no hash in the journal, and does not compress it", async ({
    world,
  }) => {
    const journal = join(world.path, "moves.jsonl");
    await makeSparse(world, join(world.hot, "disk.img"));
    const was = await readSparse(world, join(world.hot, "disk.img"));
    expect(await world.move("--compress", "--journal", journal)).toMatchObject({ status: 0 });
    expect(readdirSync(world.at(join(world.warm, "logs")))).toEqual(["disk.img"]);
    expect(await readSparse(world, join(world.warm, "logs/disk.img"))).toBe(was);
    expect(JSON.parse(readFileSync(journal, "utf8"))).not.toHaveProperty("sha256");
    // As a kill leaves it; and another one, which differs in what was a hole.
    await makeSparse(world, join(world.hot, "disk.img"));
    expect(await world.move("--json")).toMatchObject({ status: 0 });
    expect(readdirSync(world.at(world.hot))).toEqual([]);
    await makeSparse(world, join(world.hot, "disk.img"));
    await world.python(
      `
import os, sys
fd = os.open(sys.argv[1], os.O_WRONLY)
os.pwrite(fd, b"x", 1 << 30)
os.utime(fd, (10**9, 10**9))
`,
      join(world.warm, "logs/disk.img"),
    );
    expect(await world.move("--json")).toMatchObject({ status: 0, stdout: text('"conflicts": 1') });
    expect(readdirSync(world.at(join(world.warm, "logs")))).toHaveLength(2);
  });

  test("a destination without owners, ACLs or attributes: strict, a file with some stays; best-effort, it moves without them, and the journal says so", async ({
    world,
  }) => {
    const journal = join(world.path, "moves.jsonl");
    world.put(join(world.hot, "closed/app.log"), "closed");
    world.put(join(world.hot, "open.log"), "open");
    for (const path of ["closed", "closed/app.log"]) await mark(world, join(world.hot, path));
    await world.must(["mount", "--mkdir", "-t", "ramfs", "plain", join(world.path, "plain")]);
    const plain = ["--destination", join(world.path, "plain/logs"), "--destination-mount", join(world.path, "plain")];
    const strict = await world.move(...plain, "--json");
    expect(JSON.parse(strict.stdout)).toMatchObject({
      moved: { files: 1 },
      failed: [
        {
          path: join(world.hot, "closed/app.log"),
          reason: text("the destination keeps no ACLs. Next: getfacl shows the ACL"),
        },
      ],
    });
    expect(await world.must(["find", join(world.path, "plain"), "-mindepth", "2", "-printf", "%P\n"])).toBe(
      "logs/open.log\n",
    );
    const loose = await world.move(...plain, "--attributes", "best-effort", "--journal", journal);
    expect(loose).toMatchObject({ status: 0, stderr: text("the destination keeps no ACLs: files lose them") });
    expect(
      await world.must([
        "stat",
        "--format=%A %n",
        ...["", "/app.log"].map((one) => `${world.path}/plain/logs/closed${one}`),
      ]),
    ).toBe(`drwx------ ${world.path}/plain/logs/closed\n-rwx------ ${world.path}/plain/logs/closed/app.log\n`);
    expect(JSON.parse(readFileSync(journal, "utf8"))).toMatchObject({
      dropped: ["system.posix_acl_access", "trusted.note"],
    });
    // A program's capabilities, see capabilities(7).
    world.put(join(world.hot, "program"), "capable");
    await world.python(
      "import os, sys; os.setxattr(sys.argv[1], 'security.capability', bytes.fromhex('01000002' + '00200000' + '0' * 24))",
      join(world.hot, "program"),
    );
    expect(await world.move(...plain)).toMatchObject({
      status: 1,
      stderr: text("keeps no extended attributes of the"),
    });
    expect(await world.move(...plain, "--attributes", "best-effort")).toMatchObject({ status: 0 });
    expect(await world.files()).toEqual([]);
  });

  test("a dry run prints each move and each file in the way, and changes nothing", async ({ world }) => {
    world.put(join(world.hot, "service/app.log"), "content");
    world.put(join(world.hot, "conflict"), "one");
    mkdirSync(world.at(join(world.warm, "logs/conflict")), { recursive: true });
    world.put(join(world.warm, "logs/.jts-moving-0123456789abcdef"));
    const before = await world.describe();
    const { status, stdout, stderr } = await world.move("--dry-run");
    expect(status).toBe(1);
    expect(stderr).toContain(
      `would move '${world.hot}/service/app.log' to '${world.warm}/logs/service/app.log' (7 bytes)`,
    );
    expect(stderr).toContain("the destination has a different file of this name");
    expect(stdout).toContain("would move 1 files of 7 bytes");
    expect(await world.describe()).toEqual(before);
  });

  test("removes what killed runs left at the destination, and nothing that only looks like it", async ({ world }) => {
    for (const name of [
      ".jts-moving-0123456789abcdef",
      "deep/.jts-moving-fedcba9876543210",
      ".jts-moving-notes",
      ".jts-moving-0123456789abcdef.txt",
    ])
      world.put(join(world.warm, "logs", name));
    mkdirSync(world.at(join(world.warm, "logs/.jts-moving-00000000000000aa")));
    world.put(join(world.warm, ".jts-moving-0123456789abcdef"));
    const { stdout } = await world.move("--json");
    expect(JSON.parse(stdout)).toMatchObject({ unfinishedCopiesRemoved: 3 });
    expect(await world.files()).toEqual([
      "warm/.jts-moving-0123456789abcdef",
      "warm/logs/.jts-moving-0123456789abcdef.txt",
      "warm/logs/.jts-moving-notes",
    ]);
    expect(await world.describe()).not.toHaveProperty(["warm/logs/.jts-moving-00000000000000aa"]);
  });

  test("--keep copies and leaves the source; what it copied already it does not read again", async ({ world }) => {
    world.put(join(world.hot, "a/model"), "content");
    const before = await world.describe();
    expect(await world.move("--keep")).toMatchObject({ status: 0, stdout: text("moved 1 files") });
    const after = await world.describe();
    expect(after).toMatchObject({
      "hot/a/model": before["hot/a/model"],
      "warm/logs/a/model": { sha256: before["hot/a/model"]!.sha256, mtime: before["hot/a/model"]!.mtime },
    });
    const { stdout } = await world.move("--keep", "--json");
    expect(JSON.parse(stdout)).toMatchObject({ moved: { files: 0 }, skipped: { "copied already": 1 } });
  });

  test("--modified-before moves more than the age does, never less", async ({ world }) => {
    world.put(join(world.hot, "old"), "x", 2);
    const young = world.put(join(world.hot, "young"), "x", 0.5);
    await world.move("--modified-before", "1000");
    expect(await world.files()).toEqual(["hot/young", "warm/logs/old"]);
    await world.move("--modified-before", String(statSync(world.at(young)).mtimeMs / 1000 + 1));
    expect(await world.files()).toEqual(["warm/logs/old", "warm/logs/young"]);
  });

  test("mends a torn last line of the journal, starts another one at 8 MiB, and keeps eight", async ({ world }) => {
    const journal = join(world.path, "state/moves.jsonl");
    const move = async (name: string) => {
      world.put(join(world.hot, name));
      expect(await world.move("--journal", journal)).toMatchObject({ status: 0 });
      return readFileSync(journal, "utf8")
        .split("\n")
        .slice(0, -1)
        .map((line) => (JSON.parse(line) as { from: string }).from.slice(world.hot.length + 1));
    };
    expect(await move("first")).toEqual(["first"]);
    expect(statSync(journal).mode & 0o777).toBe(0o600);
    writeFileSync(journal, '{"time": "2026-0', { flag: "a" });
    expect(await move("second")).toEqual(["first", "second"]);
    const earlier = [1, 2, 3, 4, 5, 6, 7, 8].map((number) => `${journal}.${number}`);
    for (const file of earlier) writeFileSync(file, file);
    for (const third of ["third", "fourth"]) {
      writeFileSync(journal, `{"from":"${"x".repeat(8 << 20)}"}\n`);
      expect(await move(third)).toEqual([third]);
    }
    expect(readdirSync(join(world.path, "state")).sort()).toEqual([
      "moves.jsonl",
      ...earlier.map((file) => basename(file)),
    ]);
    for (const number of [1, 2]) expect(statSync(`${journal}.${number}`).size).toBeGreaterThan(8 << 20);
    expect(earlier.slice(2).map((file) => readFileSync(file, "utf8"))).toEqual(earlier.slice(0, 6));
  });

  test("moves go on where the journal cannot be written, and follow no link in its place", async ({ world }) => {
    for (const name of ["a", "b"]) world.put(join(world.hot, name));
    mkdirSync(join(world.path, "state"));
    writeFileSync(join(world.path, "theirs"), "theirs");
    symlinkSync(join(world.path, "theirs"), join(world.path, "state/moves.jsonl"));
    const { status, stderr } = await world.move("--journal", join(world.path, "state/moves.jsonl"));
    expect({ status, warnings: stderr.match(/moves go on without the journal/g) }).toEqual({
      status: 0,
      warnings: ["moves go on without the journal"],
    });
    expect(readFileSync(join(world.path, "theirs"), "utf8")).toBe("theirs");
    world.put(join(world.hot, "c"));
    await world.must(["mount", "--mkdir", "-t", "tmpfs", "-o", "size=4k", "tiny", join(world.path, "tiny")]);
    await world.must(["dd", "status=none", "if=/dev/zero", `of=${world.path}/tiny/filler`, "bs=4096", "count=1"]);
    expect(await world.move("--journal", join(world.path, "tiny/moves.jsonl"))).toMatchObject({
      status: 0,
      stderr: text("moves go on without the journal"),
    });
    expect(await world.files()).toEqual(["warm/logs/a", "warm/logs/b", "warm/logs/c"]);
  });

  test("moves nothing while another run holds the lock, exit 75", async ({ world }) => {
    world.put(join(world.hot, "app.log"));
    expect(await world.run(["flock", world.lock, ...world.moveArguments()])).toMatchObject({ status: 75 });
    expect(await world.files()).toEqual(["hot/app.log"]);
    const inherited = `exec 9<>"$1"; flock 9; shift; exec "$@" --lock-descriptor 9`;
    expect(await world.run(["bash", "-c", inherited, "locked", world.lock, ...world.moveArguments()])).toMatchObject({
      status: 0,
    });
  });

  test.for<[string, string[]]>([
    ["a negative age", ["--older-than-days", "-1"]],
    ["an age that is no number", ["--older-than-days", "nan"]],
    ["a destination outside its mount", ["--destination", "/tmp/x", "--destination-mount", "/tmp/y"]],
    [
      "a source inside the destination",
      ["--source", "/tmp/y/z", "--destination", "/tmp/y", "--destination-mount", "/tmp/y"],
    ],
    ["several sources whose files could collide", ["--source", "/tmp/a", "--source", "/tmp/b"]],
    ["an unknown option", ["--delete"]],
  ])("refuses %s, exit 2", async ([, options], { world }) => {
    expect(await world.move(...options)).toMatchObject({ status: 2 });
  });

  test("killed at any line that it executes, the next run has the file on one tier, once and whole", async ({
    world,
  }) => {
    await world.must(["/usr/bin/python3", "-B", HARNESS, "kill-at-lines", world.path, "17"]);
  });

  test.for([[], ["--full"]])(
    "killed at seeded moments over a nasty tree %j, every original is on exactly one tier or untouched, and none on the root disk",
    { timeout: 120_000 + KILLS * 6000 },
    async (options) => {
      await using tiers = await World.make({ warmBytes: 32 * 2 ** 20 });
      const state = join(tiers.path, "state");
      mkdirSync(state);
      const printed = await tiers.must([
        "/usr/bin/python3",
        "-B",
        TORTURE,
        MOVER[3],
        tiers.hot,
        tiers.warm,
        state,
        "--kills",
        String(KILLS),
        ...options,
      ]);
      // The figures of docs/reliability.md.
      if (process.env.JTS_STORAGE_KILLS !== undefined) console.log(printed.trim());
      const { losses, kills, killsWhileFull } = JSON.parse(printed) as {
        losses: string[];
        kills: number;
        killsWhileFull: number;
      };
      expect(losses).toEqual([]);
      expect(kills).toBeGreaterThanOrEqual(KILLS);
      if (options.length > 0) expect(killsWhileFull).toBeGreaterThan(0);
      // Outside of the world's namespace its mount points show the disk below them.
      for (const point of [tiers.hot, tiers.warm]) expect(readdirSync(point)).toEqual([]);
    },
  );
});
