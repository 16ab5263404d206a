import { randomBytes } from "node:crypto";
import { mkdirSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, vi } from "vitest";
import { IS_ROOT, SCRIPTS, test as plain, type Settings, type World } from "./world.ts";

const MIB = 2 ** 20;
const text = (part: string) => expect.stringContaining(part) as string;

type Transfers = NonNullable<Settings["automation"]["transfers"]>;

const test = plain.extend<{ readonly world: World }>({
  world: async ({ world }, use) => {
    for (const folder of ["archives/configs", "archives/database", "development"])
      mkdirSync(world.at(join(world.cold, "jts", folder)), { recursive: true });
    world.program("uname", "echo trading");
    // The fstab of this world, instead of this machine's.
    world.put(join(world.path, "fstab"), "");
    await world.must(["mount", "--bind", join(world.path, "fstab"), "/etc/fstab"]);
    await use(world);
  },
});

/** The words of a run. Its lock has a name of its own; the file of the limit is beside it. */
const words = (
  world: World,
  program: "nas-archival" | "tiered-storage",
  action: string,
  transfers: Transfers,
  change: (settings: Settings) => unknown = () => undefined,
) => [
  ...[join(SCRIPTS, `${program}.sh`), action, "--lock", join(world.path, `${program}.lock`), "--settings"],
  world.settings((settings) => {
    settings.probeSeconds = 60;
    settings.automation.transfers = transfers;
    settings.hot = null;
    change(settings);
  }),
];

/** Servers whose databases are what `dump` prints. */
function postgres(world: World, dump: string, ...databases: string[]) {
  world.program("setpriv", 'while [[ $1 != -- ]]; do shift; done; shift; exec "$@"');
  world.program("psql", databases.map((name) => `echo ${Buffer.from(name).toString("base64")}`).join("\n"));
  world.program("getent", "exit 0");
  world.program("pg_dump", dump);
  world.program("pg_dumpall", "printf 'CREATE ROLE jts;\\n--\\n-- PostgreSQL database cluster dump complete\\n--\\n'");
  world.program("pg_restore", "cat >/dev/null");
}

/** Goes on only when so many processes are here at the same time. */
const meeting = (world: World, count: number) =>
  `touch ${world.path}/here.$$; until (( $(ls ${world.path}/here.* | wc --lines) >= ${count} )); do sleep 0.05; done`;

/** Runs the scripts' Python with these lines before; their strings are in double quotes. */
function before(world: World, ...lines: string[]) {
  const run = ["import glob, os, runpy, signal, sys, time", ...lines, "sys.argv = sys.argv[1:]"];
  const program = [...run, 'runpy.run_path(sys.argv[0], run_name="__main__")'].join("\n");
  world.program("python3", `exec /usr/bin/python3 "$1" "$2" -c '${program}' "\${@:3}"`);
}

const backups = (world: World, count: number) =>
  Array.from({ length: count }, (_, index) => world.put(join(world.warm, `daily-backups/${index}.tar`)));

const journal = (world: World) =>
  world
    .read(join(world.path, "moves.jsonl"))
    .trimEnd()
    .split("\n")
    .map((line) => (JSON.parse(line) as { from: string }).from)
    .sort();

const archived = (world: World) => readdirSync(world.at(join(world.cold, "jts/archives/database"))).sort();

/** What a program of ours does with the limit. `FILE` is the file that is shared. */
const pacing = (world: World, ...lines: string[]) =>
  world.run([
    ...["/usr/bin/python3", "-I", "-B", "-c"],
    [
      "import fcntl, os, signal, struct, sys, time",
      `sys.path.insert(0, ${JSON.stringify(SCRIPTS)})`,
      "from jts_storage.bandwidth import Pace, MIB",
      `FILE = ${JSON.stringify(join(world.path, "jts-storage-bandwidth"))}`,
      ...lines,
    ].join("\n"),
  ]);

describe.skipIf(!IS_ROOT).concurrent("transfers to the NAS (needs root for mounts)", { timeout: 240_000 }, () => {
  test("the limit holds over all streams of all programs that run at the same time, with what is read back", async ({
    world,
  }) => {
    const each = { streams: 2, bandwidthMiBPerSecond: 8 };
    postgres(world, `head --bytes=${4 * MIB} /dev/urandom`, "a", "b");
    for (let index = 0; index < 6; index++)
      world.put(join(world.warm, `daily-backups/${index}.tar`), randomBytes(3 * MIB));
    for (const name of ["one", "two"]) world.put(join(world.hot, name, "file"), randomBytes(6 * MIB));
    const began = performance.now();
    const ended = await Promise.all([
      world.run(words(world, "tiered-storage", "migrate", each)),
      world.run(words(world, "nas-archival", "postgresql", each)),
      world.run([
        ...words(world, "nas-archival", "development", each, (settings) => {
          settings.automation.developmentFolders = [join(world.hot, "one"), join(world.hot, "two")];
        }),
        ...["--lock", join(world.path, "another.lock")],
      ]),
    ]);
    const seconds = (performance.now() - began) / 1000;
    expect(ended.map(({ status, stderr }) => (status === 0 ? "" : stderr))).toEqual(["", "", ""]);
    // A moved file is written and read, a dump is read once more by its own program, a copied folder is only written.
    const bytes = (6 * 3 * 2 + 2 * 4 * 3 + 2 * 6) * MIB;
    expect(bytes).toBeLessThanOrEqual((8 * seconds + 1) * MIB);
  });

  test("the exports of the cold tier have one limit together", async ({ world }) => {
    const marketdata = join(world.path, "marketdata");
    mkdirSync(marketdata);
    await world.must(["mount", "-t", "tmpfs", "nas2:/ticks", marketdata]);
    mkdirSync(world.at(join(marketdata, "jts/development")), { recursive: true });
    for (const index of [0, 1, 2]) {
      world.put(join(world.warm, `daily-backups/${index}.tar`), randomBytes(2 * MIB));
      world.put(join(world.hot, `ticks/${index}.bin`), randomBytes(2 * MIB));
    }
    world.put(join(world.hot, "one/file"), randomBytes(4 * MIB));
    const change = (settings: Settings) => {
      const script = { mountPoint: marketdata, source: "nas2:/ticks", root: join(marketdata, "jts") };
      settings.coldVolumes = { marketdata: { ...script, holds: ["development"] } };
      settings.automation.developmentFolders = [join(world.hot, "one")];
      settings.automation.rules = [
        {
          ...{ name: "ticks", source: join(world.hot, "ticks"), pattern: "*.bin", olderThanDays: 2 },
          ...{ to: "marketdata", destination: "raw", compress: false, keep: false },
        },
      ];
    };
    const limit = { bandwidthMiBPerSecond: 4 };
    const began = performance.now();
    const ended = await Promise.all([
      world.run(words(world, "tiered-storage", "migrate", limit, change)),
      world.run(words(world, "nas-archival", "development", limit, change)),
    ]);
    const seconds = (performance.now() - began) / 1000;
    expect(ended.map(({ status, stderr }) => (status === 0 ? "" : stderr))).toEqual(["", ""]);
    expect(readdirSync(world.at(join(marketdata, "jts/raw")))).toHaveLength(3);
    expect((3 * 2 * 2 + 3 * 2 * 2 + 4) * MIB).toBeLessThanOrEqual((4 * seconds + 2) * MIB);
  });

  test("compressed copies go side by side, and keep to the limit as they are made, verified and restored", async ({
    world,
  }) => {
    const folders = ["one", "two"].map((name) => join(world.hot, name));
    const content = () => randomBytes(3 * MIB).toString("hex");
    for (const folder of folders) world.put(join(folder, "file"), content());
    const run = async (action: string, ...more: string[]) => {
      const began = performance.now();
      const argv = words(world, "nas-archival", action, { streams: 2, bandwidthMiBPerSecond: 2 }, (settings) => {
        settings.automation.developmentFolders = folders;
        settings.automation.developmentCompress = true;
      });
      const { status, stderr } = await world.run([...argv, ...more]);
      expect([status, stderr]).toEqual([0, expect.anything()]);
      return 2 * ((performance.now() - began) / 1000) + 2;
    };
    // Each begins only once the other one has.
    before(
      world,
      "fchown = os.fchown",
      "def meet(*words):",
      `  open(f"${world.path}/here.{os.getpid()}", "w").close()`,
      `  while len(glob.glob("${world.path}/here.*")) < 2: time.sleep(0.05)`,
      "  return fchown(*words)",
      "os.fchown = meet",
    );
    const made = await run("development");
    const copies = (await world.files()).filter((path) => path.endsWith("/file.zst"));
    expect(copies.sort()).toEqual(["one", "two"].map((name) => `cold/jts/development/${name}/file.zst`));
    const entries = await world.describe();
    const [one = 0, two = 0] = copies.map((path) => entries[path]!.bytes / MIB);
    expect(one).toBeGreaterThan(2.5);
    // Written, and read back.
    expect(2 * (one + two)).toBeLessThanOrEqual(made);
    expect(one + two).toBeLessThanOrEqual(await run("verify"));
    expect(one).toBeLessThanOrEqual(await run("restore-folder", "one", "--to", join(world.warm, "back")));
    expect(world.read(join(world.warm, "back/file"))).toBe(world.read(join(world.hot, "one/file")));
    expect((await world.files()).filter((path) => path.includes("unfinished"))).toEqual([]);
  });

  test("a copy of a folder with a limit is the one that it is without: what goes is kept aside, links stay links", async ({
    world,
  }) => {
    const source = join(world.hot, "a folder: é");
    const other = join(world.hot, "other");
    const copy = (transfers: Transfers, now: string) =>
      world.run([
        ...words(world, "nas-archival", "development", transfers, (settings) => {
          settings.automation.developmentFolders = [source, other];
        }),
        ...["--now", now],
      ]);
    const make = async () => {
      for (const name of ["kept", "changed", "gone", "in/it's\nodd"]) world.put(join(source, name));
      world.put(join(other, "gone"));
      world.put(join(other, "kept"));
      await world.must(["ln", join(source, "kept"), join(source, "in/linked")]);
      await world.must(["ln", "--symbolic", "kept", join(source, "symbolic")]);
      await world.must(["chown", "--recursive", "70:71", join(source, "in")]);
    };
    const trees = [];
    for (const transfers of [{}, { streams: 2, bandwidthMiBPerSecond: 100 }]) {
      await make();
      expect(await copy(transfers, "2026-06-30")).toMatchObject({ status: 0 });
      world.put(join(source, "changed"), "otherwise", 3);
      await world.must(["rm", join(source, "gone"), join(other, "gone")]);
      expect(await copy(transfers, "2026-07-01")).toMatchObject({ status: 0 });
      const found = Object.entries(await world.describe()).filter(
        ([path]) => path.startsWith("cold/jts/development/") && !path.includes("/.copies"),
      );
      trees.push(
        Object.fromEntries(
          found.map(([path, { type, mode, uid, gid, links, sha256, mtime }]) => [
            path,
            { type, mode, uid, gid, sha256, ...(type === "file" ? { links, mtime } : {}) },
          ]),
        ),
      );
      await world.must(["bash", "-c", `rm --recursive ${world.cold}/jts/development/{*,.[!.]*} ${world.hot}/*`]);
    }
    expect(trees[1]).toEqual(trees[0]);
    const aside = Object.keys(trees[0]!).filter((path) => path.includes(".removed") && /gone|changed/.test(path));
    expect(aside.sort()).toEqual([
      "cold/jts/development/.removed/20260701T000000Z/a folder: é/changed",
      "cold/jts/development/.removed/20260701T000000Z/a folder: é/gone",
      "cold/jts/development/.removed/20260701T000000Z/other/gone",
    ]);
    expect(trees[0]!["cold/jts/development/a folder: é/in/linked"]).toMatchObject({ links: 2, uid: 70, gid: 71 });
  });

  test.for<[string, string]>([
    ["is empty", "b''"],
    ["is cut off", "b'abc'"],
    ["has a time that no queue has", "struct.pack('d', 1e300)"],
    ["has no number", "struct.pack('d', float('nan'))"],
    ["has a time before the machine was booted", "struct.pack('d', -1e300)"],
  ])("where the file of the limit %s, the limit starts afresh", async ([, content], { world }) => {
    expect(
      await pacing(
        world,
        `open(FILE, "wb").write(${content})`,
        "began = time.monotonic()",
        "for _ in range(6): Pace(FILE, 1).let_pass(MIB // 2)",
        // All but the last have passed, less the second that may be made up for.
        "assert time.monotonic() - began >= 1.5, time.monotonic() - began",
      ),
    ).toMatchObject({ status: 0, stderr: "" });
  });

  test("who is killed with the lock of the limit holds up nobody; where the file is removed, there is a new one", async ({
    world,
  }) => {
    expect(
      await pacing(
        world,
        "child = os.fork()",
        "if child == 0:",
        "  fcntl.lockf(os.open(FILE, os.O_RDWR | os.O_CREAT), fcntl.LOCK_EX)",
        "  os.kill(os.getpid(), signal.SIGKILL)",
        "assert os.waitpid(child, 0)[1] == signal.SIGKILL",
        "Pace(FILE, 100).let_pass(MIB)",
        "os.unlink(FILE)",
        "Pace(FILE, 100).let_pass(MIB)",
        "assert os.stat(FILE).st_size == 8",
      ),
    ).toMatchObject({ status: 0, stderr: "" });
  });

  test("as many files move at the same time as there are streams, each once by the journal", async ({ world }) => {
    const from = backups(world, 60);
    // More than move side by side by themselves.
    before(
      world,
      "pwrite = os.pwrite",
      "def meet(fd, data, offset):",
      `  open(f"${world.path}/here.{os.getpid()}", "w").close()`,
      `  while len(glob.glob("${world.path}/here.*")) < 6: time.sleep(0.05)`,
      "  return pwrite(fd, data, offset)",
      "os.pwrite = meet",
    );
    const { status, stdout } = await world.run([
      ...words(world, "tiered-storage", "migrate", { streams: 6 }),
      ...["--json"],
    ]);
    expect(status).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ totals: { moved: { files: 60 } } });
    expect(journal(world)).toEqual([...from].sort());
    expect(archived(world)).toHaveLength(60);
  });

  test("the next run finishes what a killed stream had begun, and the journal has nothing twice", async ({ world }) => {
    const from = backups(world, 60);
    // One of them, when it gives its second batch of names.
    before(
      world,
      "link = os.link",
      "linked = 0",
      "def die(*names, **more):",
      "  global linked",
      "  linked += 1",
      `  if linked == 3 and not os.path.exists("${world.path}/killed"):`,
      `    open("${world.path}/killed", "w").close()`,
      "    os.kill(os.getpid(), signal.SIGKILL)",
      "  return link(*names, **more)",
      "os.link = die",
    );
    const run = () => world.run(words(world, "tiered-storage", "migrate", { streams: 4, bandwidthMiBPerSecond: 100 }));
    expect(await run()).toMatchObject({ status: 1 });
    expect(await run()).toMatchObject({ status: 0 });
    expect(journal(world)).toEqual([...from].sort());
    expect(archived(world)).toEqual(from.map((path) => path.replace(/.*\//, "")).sort());
    expect((await world.files()).filter((path) => path.includes(".jts-"))).toEqual([]);
  });

  test("as many databases are dumped at the same time as there are streams; one after another without", async ({
    world,
  }) => {
    postgres(world, `${meeting(world, 3)}; printf 'dump of %s' "$PGDATABASE"`, "a", "b", "c");
    const { status, stdout } = await world.run([
      ...words(world, "nas-archival", "postgresql", { streams: 3 }),
      ...["--json"],
    ]);
    expect(status).toBe(0);
    const { done } = JSON.parse(stdout) as { done: { did: string; path: string }[] };
    expect(done.map(({ did, path }) => `${did} ${/trading(.*)-\d{8}T/.exec(path)?.[1]}`).sort()).toEqual(
      ["-roles", "@a", "@b", "@c"].map((name) => `archived ${name}`),
    );
    world.program("pg_dump", `mkdir ${world.path}/alone || exit 1; printf x; sleep 0.2; rmdir ${world.path}/alone`);
    expect(await world.run([...words(world, "nas-archival", "postgresql", {}), "--now", "1 day"])).toMatchObject({
      status: 0,
    });
  });

  test("as many folders are copied at the same time as there are streams", async ({ world }) => {
    const folders = ["one", "two"].map((name) => join(world.hot, name));
    for (const folder of folders) world.put(join(folder, "file"));
    world.program("rsync", `${meeting(world, 2)}; exec /usr/bin/rsync "$@"`);
    expect(
      await world.run(
        words(world, "nas-archival", "development", { streams: 2 }, (settings) => {
          settings.automation.developmentFolders = folders;
        }),
      ),
    ).toMatchObject({ status: 0 });
    expect((await world.files()).filter((path) => path.endsWith("/file") && path.startsWith("cold/"))).toHaveLength(2);
  });

  test("an archive that only fits alone waits for those that are being made", async ({ world }) => {
    postgres(world, `mkdir ${world.path}/alone || exit 1; printf x; sleep 0.2; rmdir ${world.path}/alone`, "a", "b");
    world.program(
      "psql",
      `[[ $* == *pg_database_size* ]] && echo '{"a": ${2 * MIB}, "b": ${2 * MIB}}' || printf 'YQ==\\nYg==\\n'`,
    );
    before(
      world,
      "statvfs = os.statvfs",
      // 4 MiB are free, and each of two archives needs 3.
      "few = os.statvfs_result((4096, 4096, 4096, 1024, 1024, 1000, 1000, 1000, 0, 255))",
      `os.statvfs = lambda path: few if path == "${world.cold}" else statvfs(path)`,
    );
    expect(await world.run(words(world, "nas-archival", "postgresql", { streams: 3 }))).toMatchObject({
      status: 0,
      stderr: text("archived"),
    });
    expect(archived(world).filter((name) => name.endsWith(".dump"))).toHaveLength(2);
  });

  test("a stream that is killed costs its own archive only, and the next run makes that", async ({ world }) => {
    postgres(
      world,
      `if [[ $PGDATABASE == b && ! -e ${world.path}/killed ]]; then touch ${world.path}/killed; kill -KILL 0; fi
      printf 'dump of %s' "$PGDATABASE"`,
      ...["a", "b", "c"],
    );
    const run = (now: string) =>
      world.run([...words(world, "nas-archival", "postgresql", { streams: 3 }), "--now", now]);
    expect(await run("2026-06-30")).toMatchObject({ status: 1, stderr: text("no archive of postgresql-trading@b") });
    const dumps = () => archived(world).filter((name) => /^postgresql-trading@.*\.dump$/.test(name));
    expect(dumps().map((name) => name.charAt("postgresql-trading@".length))).toEqual(["a", "c"]);
    expect(await run("2026-07-01")).toMatchObject({ status: 0 });
    expect(dumps().filter((name) => name.includes("20260701"))).toHaveLength(3);
    expect(archived(world).filter((name) => name.startsWith("."))).toEqual([]);
  });

  test("a NAS that stops answering, and a signal, end all streams", async ({ world }) => {
    const running = () =>
      readdirSync(world.at(world.path))
        .filter((name) => name.startsWith("here."))
        .map((name) => name.slice("here.".length));
    const gone = (pids: string[]) =>
      vi.waitFor(
        async () => {
          const files = pids.map((pid) => `/proc/${pid}/status`);
          const found = await world.run(["grep", "--no-messages", "--no-filename", "^State:.[^Z]", ...files]);
          expect(found.stdout).toBe("");
        },
        { timeout: 60_000 },
      );
    postgres(world, `${meeting(world, 2)}; touch ${world.path}/away; exec sleep 1000`, "a", "b");
    const { child, ended } = world.start(words(world, "nas-archival", "postgresql", { streams: 2 }));
    await vi.waitFor(() => expect(running()).toHaveLength(2), { timeout: 60_000 });
    child.kill("SIGTERM");
    expect(await ended).toMatchObject({ status: 143 });
    await gone(running());
    await world.must(["bash", "-c", `rm --force ${world.path}/here.* ${world.path}/away`]);
    before(
      world,
      "statvfs = os.statvfs",
      `is_away = lambda path: path == "${world.cold}" and os.path.exists("${world.path}/away")`,
      "os.statvfs = lambda path: time.sleep(3600) if is_away(path) else statvfs(path)",
    );
    expect(
      await world.run(
        words(world, "nas-archival", "postgresql", { streams: 2 }, (settings) => (settings.probeSeconds = 1)),
      ),
    ).toMatchObject({ status: 1, stderr: text("stopped answering") });
    await gone(running());
  });
});
