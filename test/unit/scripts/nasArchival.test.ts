import { mkdirSync, readdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { describe, expect, vi } from "vitest";
import { IS_ROOT, SCRIPTS, test as plain, type Ended, type Settings, type World } from "./world.ts";

const text = (part: string) => expect.stringContaining(part) as string;
const DAY = 86400;
const NOW = Date.UTC(2026, 5, 30, 12) / 1000;
const stampOf = (seconds: number) => new Date(seconds * 1000).toISOString().replaceAll(/[-:]|\.000/g, "");
const STAMP = stampOf(NOW);

const test = plain.extend<{ readonly world: World }>({
  world: async ({ world }, use) => {
    for (const folder of ["archives/configs", "archives/database", "development/notebooks"])
      mkdirSync(world.at(join(world.cold, "jts", folder)), { recursive: true });
    world.program("uname", "echo trading");
    // The fstab of this world, instead of this machine's.
    world.put(join(world.path, "fstab"), `# comment\n/dev/vg_jts/lv_x ${world.hot}/not\\040mounted ext4 noatime 0 2\n`);
    await world.must(["mount", "--bind", join(world.path, "fstab"), "/etc/fstab"]);
    await use(world);
  },
});

const archive = (
  world: World,
  action: string,
  change?: (settings: Settings) => unknown,
  ...options: string[]
): Promise<Ended> =>
  world.run([
    join(SCRIPTS, "nas-archival.sh"),
    action,
    "--settings",
    world.settings(change),
    "--lock",
    world.lock,
    "--now",
    `@${NOW}`,
    ...options,
  ]);
const restoring = (world: World, ...options: string[]) => taking(world, "restore", ...options);
const taking = (world: World, ...words: string[]) => [
  ...[join(SCRIPTS, "nas-archival.sh"), ...words],
  ...["--settings", world.settings((settings) => (settings.probeSeconds = 30)), "--lock", world.lock],
];
const cold = async (world: World) =>
  (await world.files()).filter((path) => path.startsWith("cold/jts/")).map((path) => path.slice("cold/jts/".length));

const copying =
  (...folders: string[]) =>
  (settings: Settings) =>
    (settings.automation.developmentFolders = folders);

/** Runs the scripts' Python with these lines before; their strings are in double quotes. */
function before(world: World, ...lines: string[]) {
  const run = ["import os, runpy, sys, time", ...lines, "sys.argv = sys.argv[1:]"];
  const program = [...run, 'runpy.run_path(sys.argv[0], run_name="__main__")'].join("\n");
  world.program("python3", `exec /usr/bin/python3 "$1" "$2" -c '${program}' "\${@:3}"`);
}

/** What is written to an archive after it was made, and before it is read back. */
const corrupt = (world: World) =>
  before(
    world,
    "def corrupt(fd, *_):",
    '  with open(f"/proc/self/fd/{fd}", "ab") as file: file.write(b"x")',
    "os.posix_fadvise = corrupt",
  );

/** A killed process may stay as a zombie until its parent notices. */
const gone = (world: World, fileOfPid: string) =>
  vi.waitFor(
    async () =>
      expect(
        await world.run([
          "bash",
          "-c",
          `grep --no-messages '^State:.[^Z]' /proc/$(<${world.path}/${fileOfPid})/status`,
        ]),
      ).toMatchObject({ stdout: "" }),
    { timeout: 30_000 },
  );

/** PostgreSQL's tools, as far as they are called: each dump is the name of its database. */
function postgres(world: World, ...databases: string[]) {
  world.program("setpriv", 'while [[ $1 != -- ]]; do shift; done; shift; exec "$@"');
  world.program("psql", databases.map((name) => `echo ${Buffer.from(name).toString("base64")}`).join("\n"));
  world.program("getent", "exit 0");
  world.program("pg_dump", `printf 'dump of %s' "$PGDATABASE"`);
  world.program("pg_dumpall", "printf 'CREATE ROLE jts;\\n--\\n-- PostgreSQL database cluster dump complete\\n--\\n'");
  world.program("pg_restore", "grep --quiet '^dump of '");
}

/**
 * A server whose databases are files, with what was restored to each. There are dumps of so many days before
 * {@link NOW}, and of that time; returns the paths of the last three days.
 */
async function server(world: World, database: string, before: number): Promise<string[]> {
  postgres(world, database);
  for (let day = before; day >= 0; day--) {
    world.program("pg_dump", `printf 'dump of %s ${day}' "$PGDATABASE"`);
    expect(await archive(world, "postgresql", undefined, "--now", `@${NOW - day * DAY}`)).toMatchObject({ status: 0 });
  }
  const databases = join(world.path, "databases");
  world.put(join(databases, database), "in use");
  world.program(
    "psql",
    `cd ${databases}; command=\${!#}; command=\${command#--command=}
    name=$(tr "'" '"' <<<"$command" | cut --delimiter='"' --fields=2)
    case $command in
      "select 1"*) [[ ! -e $name ]] || echo 1 ;;
      "create database"*"WITH ENCODING = 'LATIN1'") (set -C; : >"$name") ;;
      "alter database"*) mv --no-clobber "$name" "$(cut --delimiter='"' --fields=4 <<<"$command")" ;;
      "drop database"*) rm --force "$name" ;;
      "show data_directory") echo ${databases} ;;
      *pg_database_size*) cat ../sizes ;;
      *) exit 1 ;;
    esac`,
  );
  world.put(join(world.path, "sizes"), "{}");
  world.program(
    "pg_restore",
    `case $* in
      *--create*) printf 'SET x;\n\nCREATE DATABASE old WITH ENCODING = '"'LATIN1'"';\n' ;;
      *--dbname*) name=\${!#}; name=\${name#--dbname=dbname=\\'}; cat >${databases}/"\${name%\\'}"
        [[ ! -e ${world.path}/fails ]] ;;
      *) grep --quiet '^dump of ' ;;
    esac`,
  );
  return [2, 1, 0].map((day) => join(world.cold, dumpOf(database, day)));
}
const dumpOf = (database: string, day: number) =>
  `jts/archives/database/postgresql-trading@${database}-${stampOf(NOW - day * DAY)}.dump`;
const databasesOf = (world: World) =>
  Object.fromEntries(
    readdirSync(world.at(join(world.path, "databases"))).map((name) => [
      name,
      world.read(join(world.path, "databases", name)),
    ]),
  );

describe.skipIf(!IS_ROOT).concurrent("nas-archival.sh (needs root for mounts)", { timeout: 240_000 }, () => {
  // First, since it only waits while the others run.
  test("a NAS that stops answering in the middle ends the run, with what hangs killed", async ({ world }) => {
    postgres(world, "jts");
    world.program("pg_dump", `echo $$ >${world.path}/away; exec sleep 1000`);
    before(
      world,
      "statvfs = os.statvfs",
      `is_away = lambda path: path == "${world.cold}" and os.path.exists("${world.path}/away")`,
      "os.statvfs = lambda path: time.sleep(3600) if is_away(path) else statvfs(path)",
    );
    const began = Date.now();
    expect(await archive(world, "postgresql", (settings) => (settings.probeSeconds = 1))).toMatchObject({
      status: 1,
      stderr: text("stopped answering"),
    });
    expect(Date.now() - began).toBeLessThan(170_000);
    await gone(world, "away");
  });

  test.for([
    [],
    ["config"],
    ["configs", "postgresql"],
    ["configs", "--force"],
    ["configs", "--now", "never"],
    ["configs", "--into", "x"],
    ["list", "--list"],
    ["restore"],
    ["restore", "jts", "other"],
    ["restore", "jts", "--before", "never"],
    ["restore", "jts", "--into", ""],
    ["restore", "jts", "--into", "ü".repeat(27)],
    ["restore", "jts", "--to", "/x"],
    ["extract", "configs"],
    ["extract", "etc/fstab", "--to", "relative"],
    ["extract", "../etc/fstab", "--to", "/x"],
    ["extract", "/", "--to", "/x"],
    ["extract", "--to", "/x"],
  ])("refuses the arguments %j, exit 2", async (options, { world }) => {
    expect(
      await world.run([join(SCRIPTS, "nas-archival.sh"), ...options, "--settings", world.settings()]),
    ).toMatchObject({ status: 2 });
  });

  test("configs archives fstab, LVM's metadata and the list of disks, with a checksum, only for root", async ({
    world,
  }) => {
    world.program("vgcfgbackup", 'echo metadata >"$3"');
    world.program("lsblk", "echo '{}'");
    expect(await archive(world, "configs", (settings) => (settings.hot!.volumeGroup = "vg_jts"))).toMatchObject({
      status: 0,
    });
    const name = `archives/configs/configs-trading-${STAMP}.tar.zst`;
    expect(await cold(world)).toEqual([name, `${name}.sha256`]);
    const path = join(world.cold, "jts", name);
    await world.must(["bash", "-c", `cd ${world.cold}/jts/archives/configs && sha256sum --check --strict *.sha256`]);
    expect(
      await world.must([
        "bash",
        "-c",
        `zstd --decompress --stdout ${path} | tar --extract --to-stdout ./vg_jts.vgcfg ./lsblk.json etc/fstab`,
      ]),
    ).toBe(`metadata\n{}\n${world.read(join(world.path, "fstab"))}`);
    expect((await world.describe())[`cold/jts/${name}`]?.mode).toBe(0o600);
  });

  test("configs has the files and folders that the settings name, however odd, and says which are not there", async ({
    world,
  }) => {
    world.program("lsblk", "echo '{}'");
    const server = join(world.hot, "mongodb/config/mongod.conf");
    world.put(server, "port");
    world.put(join(world.hot, "etc/-x \\t"), "odd");
    await world.must(["ln", "--symbolic", join(world.hot, "mongodb/config"), join(world.hot, "link")]);
    const paths = [join(world.hot, "etc/-x \\t"), join(world.hot, "link"), join(world.hot, "away")];
    const change = (settings: Settings) => (settings.automation.configPaths = paths);
    expect(await archive(world, "configs", change)).toMatchObject({
      status: 1,
      stderr: text(`${join(world.hot, "away")} is not archived: it is not there`),
    });
    const out = (name: string) => join(world.path, "out", name);
    const extract = (path: string, name: string) => world.must(taking(world, "extract", path, "--to", out(name)));
    await extract(paths[0]!, "odd");
    await extract(paths[1]!, "link");
    await extract(server, "file");
    expect(world.read(join(out("odd"), paths[0]!))).toBe("odd");
    expect(await world.must(["readlink", join(out("link"), paths[1]!)])).toBe(`${join(world.hot, "mongodb/config")}\n`);
    expect(world.read(join(out("file"), server))).toBe("port");
  });

  test("postgresql dumps each database and the roles; one that fails doesn't keep the others from it", async ({
    world,
  }) => {
    postgres(world, "jts", "x=1 y/../ü", "broken");
    world.program("pg_dump", `[[ $PGDATABASE != broken ]] || exit 1; printf 'dump of %s' "$PGDATABASE"`);
    expect(await archive(world, "postgresql")).toMatchObject({
      status: 1,
      stderr: text("no archive of postgresql-trading@broken"),
    });
    const names = (await cold(world)).filter((name) => !name.endsWith(".sha256"));
    expect(names).toEqual([
      `archives/database/postgresql-trading-roles-${STAMP}.sql.zst`,
      `archives/database/postgresql-trading@jts-${STAMP}.dump`,
      `archives/database/postgresql-trading@x%3D1%20y%2F..%2F%C3%BC-${STAMP}.dump`,
    ]);
    expect(world.read(join(world.cold, "jts", names[2]!))).toBe("dump of x=1 y/../ü");
  });

  test("postgresql leaves out a host that only has its tools", async ({ world }) => {
    postgres(world, "jts");
    world.program("getent", "exit 2");
    expect(await archive(world, "postgresql")).toMatchObject({
      status: 0,
      stderr: text("there is no user postgres, so there is no server: left out"),
    });
  });

  test("postgresql says that only one of several running clusters is dumped, unless databases are named", async ({
    world,
  }) => {
    postgres(world, "jts");
    world.program(
      "pg_lsclusters",
      `echo '13 old  5434 down   postgres /var/lib/postgresql/13/old  /var/log/postgresql/postgresql-13-old.log'
      echo '15 main 5432 online postgres /var/lib/postgresql/15/main /var/log/postgresql/postgresql-15-main.log'
      [[ -e ${world.path}/one ]] ||
        echo '17 main 5433 online,recovery postgres /var/lib/postgresql/17/main /var/log/postgresql/postgresql-17-main.log'`,
    );
    expect(await archive(world, "postgresql")).toMatchObject({
      status: 1,
      stderr: text("15/main and 17/main run, and only the one that psql connects to is dumped"),
    });
    expect(await cold(world)).toContain(`archives/database/postgresql-trading@jts-${STAMP}.dump`);
    expect(
      await archive(
        world,
        "postgresql",
        (settings) => (settings.automation.postgresDatabases = ["jts"]),
        "--now",
        "1 day ago",
      ),
    ).toMatchObject({ status: 0 });
    world.put(join(world.path, "one"));
    expect(await archive(world, "postgresql", undefined, "--now", "2 days ago")).toMatchObject({ status: 0 });
  });

  test("postgresql dumps only the databases of the settings", async ({ world }) => {
    postgres(world, "jts", "other");
    expect(
      await archive(world, "postgresql", (settings) => (settings.automation.postgresDatabases = ["jts"])),
    ).toMatchObject({ status: 0 });
    expect((await cold(world)).filter((name) => name.endsWith(".dump"))).toEqual([
      `archives/database/postgresql-trading@jts-${STAMP}.dump`,
    ]);
  });

  test.for<[string, string, string]>([
    ["pg_dump", "printf 'half a dump'; exit 1", "no archive of postgresql-trading@jts"],
    ["pg_restore", "exit 1", "it is damaged: pg_restore cannot read it"],
    ["pg_dumpall", "echo CREATE ROLE", "no archive of postgresql-trading-roles"],
    ["psql", "exit 2", "PostgreSQL does not answer"],
  ])("a dump that is not whole gets no name: %s fails", async ([program, body, message], { world }) => {
    postgres(world, "jts");
    world.program(program, body);
    expect(await archive(world, "postgresql")).toMatchObject({ status: 1, stderr: text(message) });
    const dumps = await cold(world);
    expect(dumps.filter((name) => /\/\.|jts-archive/.test(name))).toEqual([]);
    expect(dumps.filter((name) => name.includes(message.endsWith("roles") ? "-roles-" : "@jts-"))).toEqual([]);
  });

  test("a dump that reads back differently gets no name", async ({ world }) => {
    postgres(world, "jts");
    corrupt(world);
    expect(await archive(world, "postgresql")).toMatchObject({ status: 1, stderr: text("reads back differently") });
    expect(await cold(world)).toEqual([]);
  });

  test("a signal ends what it started too, and leaves no scratch folder", async ({ world }) => {
    const scratch = world.put(join(world.path, "scratch/.keep"), "").replace("/.keep", "");
    world.program("lsblk", "echo '{}'");
    world.program("tar", `[[ $1 == --create ]] && echo $$ >${world.path}/packing; exec sleep 1000`);
    const { child, ended } = world.start(
      [...[join(SCRIPTS, "nas-archival.sh"), "configs", "--lock", world.lock], ...["--settings", world.settings()]],
      { TMPDIR: scratch },
    );
    await vi.waitFor(() => expect(world.read(join(world.path, "packing"))).toMatch(/\n/), { timeout: 60_000 });
    expect(readdirSync(world.at(scratch))).toHaveLength(2);
    child.kill("SIGTERM");
    expect(await ended).toMatchObject({ status: 143 });
    expect(readdirSync(world.at(scratch))).toEqual([".keep"]);
    await gone(world, "packing");
  });

  test("configs are archived though files change and go away while they are read, but not where tar fails", async ({
    world,
  }) => {
    world.program("lsblk", "echo '{}'");
    // Its status where a file changed, and where it failed.
    for (const [status, made] of [
      [1, true],
      [2, false],
    ] as const) {
      world.program("tar", `/usr/bin/tar "$@"; [[ $1 != --create ]] || exit ${status}`);
      expect(await archive(world, "configs", undefined, "--now", `@${NOW + status}`)).toMatchObject({
        status: made ? 0 : 1,
      });
      const name = `archives/configs/configs-trading-${stampOf(NOW + status)}.tar.zst`;
      expect((await cold(world)).includes(name)).toBe(made);
    }
    // A real tar, and a file that grows: more than it is read in one go.
    rmSync(join(world.programs, "tar"));
    const folder = world.put(join(world.path, "lvm/growing"), Buffer.alloc(2 ** 24)).replace("/growing", "");
    await world.must(["bash", "-c", `mkdir --parents /etc/lvm && mount --bind ${folder} /etc/lvm`]);
    const ended = join(world.path, "ended");
    const grow = `
while [[ ! -e ${ended} ]]; do
  truncate --size=+1 ${folder}/growing
  echo >${folder}/new
  rm ${folder}/new
done`;
    const writer = world.start(["bash", "-c", grow]);
    // On a busy machine the writer may not get its turn while tar reads.
    let now = NOW + 10;
    await vi.waitFor(
      async () => {
        const { status, stderr } = await archive(world, "configs", undefined, "--now", `@${++now}`);
        expect(status).toBe(0);
        expect(stderr).toMatch(/file changed as we read it|File removed before/);
      },
      { timeout: 60_000, interval: 100 },
    );
    writeFileSync(ended, "");
    await writer.ended;
    expect(await cold(world)).toContain(`archives/configs/configs-trading-${stampOf(now)}.tar.zst.sha256`);
  });

  test("begins no archive that is likely not to fit, and leaves no half of one that didn't", async ({ world }) => {
    postgres(world, "jts", "new");
    await world.must(["mount", "-t", "tmpfs", "-o", "size=16m", "nas:/volume", world.cold]);
    const folder = join(world.cold, "jts/archives/database");
    const last = `postgresql-trading-jts-${stampOf(NOW - DAY)}.dump`;
    world.put(join(folder, last), Buffer.alloc(10 * 2 ** 20));
    world.put(join(folder, `${last}.sha256`));
    world.program(
      "psql",
      `case $* in *pg_database_size*) echo '{"jts": 1, "new": ${50 * 2 ** 20}}' ;; *) printf '%s\n' anRz bmV3 ;; esac`,
    );
    const { status, stderr } = await archive(world, "postgresql");
    expect(status).toBe(1);
    expect(stderr).toMatch(/needs about 14MiB \(the size of the last one and a quarter more\), \S+ has 6.0MiB free/);
    expect(stderr).toMatch(/needs about 51MiB \(at most: it is what its source uses, [^)]*\), [^]*postgresql --try/);
    expect(world.calls().filter((call) => call.startsWith("pg_dump "))).toEqual([]);
    const dumps = async () => (await cold(world)).filter((name) => /postgresql-[^/]*(jts|new)/.test(name));
    expect(await dumps()).toEqual([`archives/database/${last}`, `archives/database/${last}.sha256`]);
    world.program("pg_dump", "head --bytes=20M /dev/zero");
    expect(await archive(world, "postgresql", undefined, "--try")).toMatchObject({
      status: 1,
      stderr: text("No space left on device"),
    });
    expect(await dumps()).toEqual([`archives/database/${last}`, `archives/database/${last}.sha256`]);
  });

  test("two hosts and databases whose joined names are the same do not share an archive", async ({ world }) => {
    postgres(world, "b-c");
    world.program("uname", "echo a");
    expect(await archive(world, "postgresql")).toMatchObject({ status: 0 });
    postgres(world, "c");
    world.program("uname", "echo a-b");
    expect(await archive(world, "postgresql")).toMatchObject({ status: 0 });
    expect((await cold(world)).filter((name) => name.endsWith(".dump"))).toEqual([
      `archives/database/postgresql-a-b@c-${STAMP}.dump`,
      `archives/database/postgresql-a@b-c-${STAMP}.dump`,
    ]);
  });

  test("list and verify print the archives on cold, as text and as JSON", async ({ world }) => {
    postgres(world, "jts");
    world.program("lsblk", "echo '{}'");
    for (const action of ["configs", "postgresql"]) expect(await archive(world, action)).toMatchObject({ status: 0 });
    const database = join(world.cold, "jts/archives/database");
    // Of a time before its name changed, and of a volume.
    const old = join(database, "postgresql-trading-jts-20200101T000000Z.dump");
    world.put(old, "dump of jts");
    await world.must([
      "bash",
      "-c",
      `cd ${database} && sha256sum "$1" >"$1.sha256"`,
      "sum",
      old.slice(database.length + 1),
    ]);
    world.put(join(database, "lv_postgres-20200101T000000Z.tar.zst"), "x");
    world.put(join(database, "notes-2020.dump"));
    interface Report {
      archives: { path: string; kind: string; time: string; bytes: number; hasChecksum: boolean; ok?: boolean }[];
      failed: string[];
    }
    const reportOf = async (action: string) =>
      JSON.parse((await archive(world, action, undefined, "--json")).stdout) as Report;
    expect((await reportOf("list")).archives.map(({ kind, time, hasChecksum }) => [kind, time, hasChecksum])).toEqual([
      ["configs", "2026-06-30T12:00:00Z", true],
      ["volume", "2020-01-01T00:00:00Z", false],
      ["dump", "2020-01-01T00:00:00Z", true],
      ["roles", "2026-06-30T12:00:00Z", true],
      ["dump", "2026-06-30T12:00:00Z", true],
    ]);
    expect((await archive(world, "list")).stdout).toMatch(
      /2020-01-01T00:00:00Z {2}volume {3}1 bytes {2}\S+lv_postgres\S+ {2}WITHOUT A CHECKSUM\n/,
    );
    expect(await archive(world, "verify")).toMatchObject({ status: 0, stdout: text(`ok  ${old}\n`) });
    writeFileSync(world.at(old), "X", { flag: "r+" });
    rmSync(world.at(join(database, `postgresql-trading@jts-${STAMP}.dump.sha256`)));
    const { archives, failed } = await reportOf("verify");
    expect(archives.map(({ kind, ok }) => [kind, ok])).toEqual([
      ["configs", true],
      ["dump", false],
      ["roles", true],
      ["dump", false],
    ]);
    expect(failed).toEqual([text("is damaged"), text("has no checksum beside it")]);
    await world.must(["umount", world.cold]);
    expect(await reportOf("list")).toEqual({ archives: [], failed: [text("nothing is mounted")] });
    expect(await archive(world, "verify")).toMatchObject({ status: 1, stderr: text("nothing is mounted") });
  });

  test("restore makes a new database of the newest dump, or of the newest one before a time", async ({ world }) => {
    const [oldest, , newest] = await server(world, "jts", 2);
    const restore = (...options: string[]) => world.run(restoring(world, "jts", ...options));
    const before = await world.describe();
    expect(await restore()).toMatchObject({
      status: 0,
      stderr: text(`restored ${newest} to the database jts-${STAMP}`),
    });
    const { status, stdout } = await restore("--before", `@${NOW - DAY}`, "--into", "a=b c", "--json");
    expect(status).toBe(0);
    expect(JSON.parse(stdout)).toEqual({
      action: "restore",
      dryRun: false,
      done: [{ did: "restored", what: oldest, path: oldest, to: "a=b c" }],
      failed: [],
    });
    expect(databasesOf(world)).toEqual({
      jts: "in use",
      [`jts-${STAMP}`]: "dump of jts 0",
      "a=b c": "dump of jts 2",
    });
    expect(await world.describe()).toEqual(before);
  });

  test("restore never touches a database that exists", async ({ world }) => {
    await server(world, "jts", 0);
    world.put(join(world.path, "databases/half-unfinished"), "half");
    const databases = databasesOf(world);
    for (const [into, message] of [
      ["jts", /there is a database jts, and a restore never changes one\. Next: --into NAME/],
      ["half", /a database half-unfinished, as an interrupted restore leaves it\. Next: .*dropdb -- half-unfinished/],
    ] as const)
      expect(await world.run(restoring(world, "jts", "--into", into))).toMatchObject({
        status: 1,
        stderr: expect.stringMatching(message) as string,
      });
    // One that is made while the dump is restored.
    const restores = world.read(join(world.programs, "pg_restore"));
    world.program("pg_restore", `${restores}\n[[ $* != *--dbname* ]] || echo new >${world.path}/databases/late`);
    world.program("psql", `${world.read(join(world.programs, "psql"))}\n[[ $command != alter* || ! -e $name ]]`);
    expect(await world.run(restoring(world, "jts", "--into", "late"))).toMatchObject({ status: 1 });
    expect(databasesOf(world)).toEqual({ ...databases, late: "new\n" });
  });

  test("restore leaves nothing of a database that could not be completed, and changes nothing in a dry run", async ({
    world,
  }) => {
    await server(world, "jts", 0);
    const databases = databasesOf(world);
    expect(await world.run(restoring(world, "jts", "--dry-run"))).toMatchObject({
      status: 0,
      stdout: text("would have restored"),
    });
    expect(databasesOf(world)).toEqual(databases);
    world.put(join(world.path, "fails"));
    expect(await world.run(restoring(world, "jts"))).toMatchObject({
      status: 1,
      stderr: text("is not restored: pg_restore failed with status 1"),
    });
    expect(databasesOf(world)).toEqual(databases);
  });

  test("restore ended by a signal leaves nothing of its database", async ({ world }) => {
    await server(world, "jts", 0);
    const databases = databasesOf(world);
    const restores = world.read(join(world.programs, "pg_restore"));
    world.program(
      "pg_restore",
      `${restores}\n[[ $* != *--dbname* ]] || { echo $$ >${world.path}/restoring; exec sleep 1000; }`,
    );
    const { child, ended } = world.start(restoring(world, "jts"));
    await vi.waitFor(() => expect(world.read(join(world.path, "restoring"))).toMatch(/\n/), { timeout: 60_000 });
    expect(Object.keys(databasesOf(world))).toContain(`jts-${STAMP}-unfinished`);
    child.kill("SIGTERM");
    expect(await ended).toMatchObject({ status: 143 });
    await gone(world, "restoring");
    expect(databasesOf(world)).toEqual(databases);
  });

  test("restore refuses a dump that is not whole, and names the one before it", async ({ world }) => {
    const [, older, newest] = await server(world, "jts", 1);
    const databases = databasesOf(world);
    const time = (day: number) => new Date((NOW - day * DAY) * 1000).toISOString().replace(".000", "");
    writeFileSync(world.at(newest!), "X", { flag: "r+" });
    expect(await world.run(restoring(world, "jts"))).toMatchObject({
      status: 1,
      stderr: text(
        `${newest} does not match its checksum: it is damaged. ` +
          `Next: the same command with --before ${time(0)} takes that of ${time(1)}`,
      ),
    });
    // Its checksum is right, but pg_restore can't read it.
    await world.must(["bash", "-c", `cd ${join(newest!, "..")} && sha256sum ${newest} >${newest}.sha256`]);
    expect(await world.run(restoring(world, "jts"))).toMatchObject({ status: 1, stderr: text("cannot be unpacked") });
    rmSync(world.at(`${older}.sha256`));
    expect(await world.run(restoring(world, "jts", "--before", time(0)))).toMatchObject({
      status: 1,
      stderr: text("has no checksum beside it. Next: there is no older one"),
    });
    expect(databasesOf(world)).toEqual(databases);
  });

  test("restore --list prints the dumps of one database, and says whose there are where there is none", async ({
    world,
  }) => {
    const [, older, newest] = await server(world, "jts", 1);
    world.put(join(world.cold, dumpOf("jts-2", 0)));
    const old = world.put(join(world.cold, dumpOf("jts", 9).replace("@", "-")));
    const list = async (...options: string[]) => {
      const { status, stdout } = await world.run(restoring(world, "jts", "--list", "--json", ...options));
      const { archives, failed } = JSON.parse(stdout) as { archives: { path: string }[]; failed: string[] };
      return { status, paths: archives.map(({ path }) => path), failed };
    };
    expect(await list()).toEqual({ status: 0, paths: [old, older, newest], failed: [] });
    expect(await list("--before", `@${NOW}`)).toMatchObject({ paths: [old, older] });
    expect(await list("--before", "2020-01-01")).toEqual({
      status: 1,
      paths: [],
      failed: [text("from before that time; the oldest is of 2026-06-21T12:00:00Z. Next: a later --before")],
    });
    world.program("uname", "echo renamed");
    expect(await list()).toMatchObject({
      failed: ["renamed has no dump of jts on cold. Next: --host NAME, of one that has: trading"],
    });
    expect(await list("--host", "trading")).toMatchObject({ status: 0, paths: [old, older, newest] });
    await world.must(["umount", world.cold]);
    expect(await list()).toMatchObject({ status: 1, failed: [text("nothing is mounted")] });
    expect(await world.run(restoring(world, "jts"))).toMatchObject({ status: 1, stderr: text("nothing is mounted") });
  });

  test("restore does not begin what PostgreSQL has no room for, except with --try", async ({ world }) => {
    await server(world, "jts", 0);
    world.put(join(world.path, "sizes"), JSON.stringify({ jts: 2 ** 60 }));
    expect(await world.run(restoring(world, "jts"))).toMatchObject({
      status: 1,
      stderr: text("the new database needs about 1.3EiB"),
    });
    expect(Object.keys(databasesOf(world))).toEqual(["jts"]);
    expect(await world.run(restoring(world, "jts", "--try"))).toMatchObject({ status: 0 });
  });

  test("extract unpacks one file or folder, or all, of the newest archive before a time, with its owner and mode", async ({
    world,
  }) => {
    world.program("lsblk", "echo '{}'");
    const fstab = join(world.path, "fstab");
    const first = world.read(fstab);
    await world.must(["bash", "-c", `chown 12:34 ${fstab} && chmod 640 ${fstab}`]);
    for (const day of [1, 0]) {
      expect(await archive(world, "configs", undefined, "--now", `@${NOW - day * DAY}`)).toMatchObject({ status: 0 });
      writeFileSync(world.at(fstab), "# changed\n");
    }
    const before = await cold(world);
    const out = (name: string) => join(world.hot, name);
    const extract = (...words: string[]) => world.run(taking(world, "extract", ...words));
    const path = join(world.cold, `jts/archives/configs/configs-trading-${stampOf(NOW - DAY)}.tar.zst`);
    const of = ["--before", `@${NOW}`];
    expect(await extract("/etc/fstab", "--to", out("one"), ...of, "--dry-run")).toMatchObject({
      status: 0,
      stdout: text("would have extracted"),
    });
    expect(await world.files()).not.toContain("hot/one/etc/fstab");
    const { status, stdout } = await extract("/etc/fstab", "--to", out("one"), ...of, "--json");
    expect(status).toBe(0);
    const done = [{ did: "extracted", what: path, path, only: "/etc/fstab", to: out("one") }];
    expect(JSON.parse(stdout)).toEqual({ action: "extract", dryRun: false, done, failed: [] });
    expect(await extract("etc", "--to", out("two"))).toMatchObject({ status: 0 });
    // What is in the archive as ./lsblk.json.
    expect(await extract("lsblk.json", "--to", out("three"))).toMatchObject({ status: 0 });
    expect(await extract("configs", "--to", out("four"))).toMatchObject({ status: 0 });
    expect(world.read(out("one/etc/fstab"))).toBe(first);
    expect((await world.describe())["hot/one/etc/fstab"]).toMatchObject({ mode: 0o640, uid: 12, gid: 34 });
    expect(world.read(out("two/etc/fstab"))).toBe("# changed\n");
    expect(world.read(out("three/lsblk.json"))).toBe("{}\n");
    const files = (await world.files()).filter((name) => name.startsWith("hot/"));
    expect(files.filter((name) => /\/(one|three)\//.test(name))).toEqual(["hot/one/etc/fstab", "hot/three/lsblk.json"]);
    expect(files).toContain("hot/four/lsblk.json");
    expect(files).toContain("hot/four/etc/fstab");
    expect(await cold(world)).toEqual(before);
  });

  test("extract refuses a folder with files, a path that isn't there, and an archive that is not whole", async ({
    world,
  }) => {
    world.program("lsblk", "echo '{}'");
    expect(await archive(world, "configs")).toMatchObject({ status: 0 });
    const kept = world.put(join(world.hot, "used/etc/fstab"), "kept");
    const extract = (path: string, folder: string) =>
      world.run(taking(world, "extract", path, "--to", join(world.hot, folder)));
    expect(await extract("etc/fstab", "used")).toMatchObject({ status: 1, stderr: text("has files in it") });
    expect(world.read(kept)).toBe("kept");
    expect(await extract("etc/nothing", "new")).toMatchObject({
      status: 1,
      stderr: text("has no etc/nothing. Next: zstd"),
    });
    const name = join(world.cold, `jts/archives/configs/configs-trading-${STAMP}.tar.zst`);
    writeFileSync(world.at(name), "x", { flag: "r+" });
    expect(await extract("etc/fstab", "new")).toMatchObject({
      status: 1,
      stderr: text("it is damaged. Next: there is no older one"),
    });
    expect(readdirSync(world.at(world.hot))).toEqual(["used"]);
    world.program("uname", "echo renamed");
    expect(await extract("etc/fstab", "new")).toMatchObject({
      status: 1,
      stderr: text("renamed has no archive of its configuration on cold. Next: --host NAME, of one that has: trading"),
    });
  });

  test("a run prints what it did as JSON", async ({ world }) => {
    world.program("lsblk", "echo '{}'");
    const path = join(world.cold, `jts/archives/configs/configs-trading-${STAMP}.tar.zst`);
    const done = async (...more: string[]) =>
      JSON.parse((await archive(world, "configs", undefined, "--json", ...more)).stdout) as unknown;
    const archived = { did: "archived", what: path, path };
    expect(await done("--dry-run")).toEqual({
      action: "configs",
      dryRun: true,
      done: [{ ...archived, bytes: null }],
      failed: [],
    });
    const bytes = expect.any(Number) as number;
    expect(await done()).toEqual({ action: "configs", dryRun: false, done: [{ ...archived, bytes }], failed: [] });
  });

  test("old dumps go, but for seven, and only with a newer one made", async ({ world }) => {
    postgres(world, "jts");
    const put = (name: string) => {
      world.put(join(world.cold, "jts/archives/database", name));
      world.put(join(world.cold, "jts/archives/database", `${name}.sha256`));
    };
    for (let day = 80; day < 100; day++) put(`postgresql-trading-jts-${stampOf(NOW - day * DAY)}.dump`);
    put(`postgresql-other-jts-${stampOf(NOW - 300 * DAY)}.dump`);
    world.put(join(world.cold, `jts/archives/database/.jts-archive-postgresql-trading-jts-${STAMP}.dump`));
    world.program("pg_dump", "exit 1");
    await archive(world, "postgresql");
    expect((await cold(world)).filter((name) => name.endsWith(".dump"))).toHaveLength(21);
    postgres(world, "jts");
    expect(await archive(world, "postgresql", undefined, "--now", `@${NOW + 1}`)).toMatchObject({ status: 0 });
    const left = (await cold(world)).filter((name) => name.endsWith(".dump"));
    expect(left).toHaveLength(1 + 1 + 10);
    expect(left).toContain(`archives/database/postgresql-other-jts-${stampOf(NOW - 300 * DAY)}.dump`);
  });

  test("old dumps stay where the clock may be wrong", async ({ world }) => {
    postgres(world, "jts");
    const now = Math.floor(Date.now() / 1000);
    for (let day = 91; day < 100; day++) {
      const name = join(world.cold, "jts/archives/database", `postgresql-trading@jts-${stampOf(now - day * DAY)}.dump`);
      for (const ending of ["", ".sha256"]) world.put(`${name}${ending}`);
    }
    const script = [
      join(SCRIPTS, "nas-archival.sh"),
      "postgresql",
      "--settings",
      world.settings(),
      "--lock",
      world.lock,
    ];
    const dumps = async () => (await cold(world)).filter((name) => name.endsWith(".dump")).length;
    expect(await world.run(script)).toMatchObject({ status: 0, stderr: text("stay in this run: it is the first run") });
    expect(await dumps()).toBe(10);
    writeFileSync(join(world.path, "state/removed.last"), `${now - 400 * DAY}\n`);
    world.program("timedatectl", "echo no");
    // Names have the second.
    await setTimeout(1100);
    expect(await world.run(script)).toMatchObject({ status: 1, stderr: text("Next: timedatectl") });
    expect(await dumps()).toBe(11);
    writeFileSync(join(world.path, "state/removed.last"), `${now - DAY}\n`);
    // Names have the second.
    await setTimeout(1100);
    expect(await world.run(script)).toMatchObject({ status: 0 });
    expect(await dumps()).toBeLessThan(10);
  });

  test("development copies folders; what is changed or deleted is kept aside for its time", async ({ world }) => {
    const source = join(world.hot, "dev/note books");
    const copy = "development/note books";
    for (const name of ["kept", "changed", "deleted", "-x\ny"]) world.put(join(source, name), `${name} at first`);
    expect(await archive(world, "development", copying(source))).toMatchObject({ status: 0 });
    const claim = "development/.copies/note books";
    expect(await cold(world)).toEqual([
      claim,
      ...["-x\ny", "changed", "deleted", "kept"].map((name) => `${copy}/${name}`),
    ]);
    rmSync(world.at(join(source, "deleted")));
    world.put(join(source, "changed"), "changed since", 1);
    for (const days of [31, 29])
      world.put(join(world.cold, `jts/development/.removed/${stampOf(NOW - days * DAY)}/old`));
    world.put(join(world.cold, "jts/development/.removed/theirs/old"));
    expect(await archive(world, "development", copying(source), "--dry-run")).toMatchObject({
      status: 0,
      stdout: expect.stringMatching(/deleting +deleted/) as string,
    });
    expect(await cold(world)).toContain(`${copy}/deleted`);
    expect(await archive(world, "development", copying(source))).toMatchObject({ status: 0 });
    const aside = `development/.removed/${STAMP}/note books`;
    expect((await cold(world)).sort()).toEqual(
      [
        claim,
        `${copy}/-x\ny`,
        `${copy}/changed`,
        `${copy}/kept`,
        `${aside}/changed`,
        `${aside}/deleted`,
        `development/.removed/${stampOf(NOW - 29 * DAY)}/old`,
        "development/.removed/theirs/old",
      ].sort(),
    );
    expect([
      world.read(join(world.cold, "jts", copy, "changed")),
      world.read(join(world.cold, "jts", aside, "changed")),
    ]).toEqual(["changed since", "changed at first"]);
  });

  test("what was kept aside stays where the clock may be wrong", async ({ world }) => {
    world.put(join(world.hot, "dev/file"));
    const now = Math.floor(Date.now() / 1000);
    const old = `development/.removed/${stampOf(now - 31 * DAY)}/old`;
    world.put(join(world.cold, "jts", old));
    const development = (...more: string[]) =>
      world.run([
        join(SCRIPTS, "nas-archival.sh"),
        "development",
        "--settings",
        world.settings(copying(join(world.hot, "dev"))),
        "--lock",
        world.lock,
        ...more,
      ]);
    // A dry run before the first run prints what a run after the first would do.
    expect(await development("--dry-run")).toMatchObject({
      status: 0,
      stdout: expect.stringMatching(
        new RegExp(
          `the first one deletes nothing for its age[^]*would have deleted ${world.cold}/jts/${old.slice(0, -"/old".length)},`,
        ),
      ) as string,
    });
    expect(await cold(world)).toContain(old);
    expect(await development()).toMatchObject({ status: 0, stderr: text("stays in this run: it is the first run") });
    writeFileSync(join(world.path, "state/removed.last"), `${now - 400 * DAY}\n`);
    for (const synchronized of ["no", "yes"]) {
      world.program("timedatectl", `echo ${synchronized}`);
      expect(await development()).toMatchObject({ status: 1, stderr: text("Next: timedatectl") });
      expect(await cold(world)).toContain(old);
    }
    expect(await development()).toMatchObject({ status: 0, stderr: text("kept for 30 days") });
    expect(await cold(world)).not.toContain(old);
  });

  test("development takes no folder over that others fill, or that another host or folder is copied to", async ({
    world,
  }) => {
    const settings = copying(join(world.hot, "dev"));
    world.put(join(world.hot, "dev/file"));
    world.put(join(world.cold, "jts/development/dev/theirs"));
    expect(await archive(world, "development", settings)).toMatchObject({
      status: 1,
      stderr: text("has files that we did not copy there, such as theirs"),
    });
    expect(await archive(world, "development", settings, "--dry-run")).toMatchObject({ status: 1 });
    expect(await cold(world)).toEqual(["development/dev/theirs"]);
    rmSync(world.at(join(world.cold, "jts/development/dev/theirs")));
    expect(await archive(world, "development", settings)).toMatchObject({ status: 0 });
    world.put(join(world.hot, "else/dev/other"));
    expect(await archive(world, "development", copying(join(world.hot, "else/dev")))).toMatchObject({
      status: 1,
      stderr: text(`is the copy of trading:${world.hot}/dev`),
    });
    world.program("uname", "echo another");
    expect(await archive(world, "development", settings)).toMatchObject({
      status: 1,
      stderr: text(`is the copy of trading:${world.hot}/dev`),
    });
    expect(await cold(world)).toEqual(["development/.copies/dev", "development/dev/file"]);
    world.put(join(world.hot, ".removed/file"));
    expect(await archive(world, "development", copying(join(world.hot, ".removed")))).toMatchObject({
      status: 1,
      stderr: text("a folder of ours on the cold tier"),
    });
  });

  test.for<[string, string, (world: World) => unknown, string]>([
    ["is empty", "dev", (world) => rmSync(world.at(join(world.hot, "dev/file"))), "is empty"],
    ["is gone", "dev", (world) => rmSync(world.at(join(world.hot, "dev")), { recursive: true }), "there is no folder"],
    [
      "is a link",
      "dev",
      (world) => (
        rmSync(world.at(join(world.hot, "dev")), { recursive: true }),
        symlinkSync("/etc", world.at(join(world.hot, "dev")))
      ),
      "there is no folder",
    ],
    ["is not mounted", "not mounted/dev", () => undefined, "is not mounted"],
    [
      "is not mounted, by a line with another spelling,",
      "not mounted/dev",
      (world) => writeFileSync(world.at("/etc/fstab"), `LABEL=x /${world.hot}//./not\\040mounted/ ext4 noauto\n`),
      "is not mounted",
    ],
    [
      "is not mounted, by a line that goes by a link,",
      "not mounted/dev",
      (world) => {
        symlinkSync(world.hot, world.at(join(world.path, "link")));
        writeFileSync(world.at("/etc/fstab"), `LABEL=x ${world.path}/link/not\\040mounted ext4 noauto\n`);
      },
      "is not mounted",
    ],
  ])("a source that %s empties no copy (%s)", async ([, name, change, message], { world }) => {
    world.put(join(world.hot, name, "file"));
    world.put(join(world.cold, "jts/development/dev/precious"), "here", 1);
    await change(world);
    expect(await archive(world, "development", copying(join(world.hot, name)))).toMatchObject({
      status: 1,
      stderr: text(message),
    });
    expect(await cold(world)).toEqual(["development/dev/precious"]);
  });

  test("development copies a source whose line goes by a link, and is mounted where that leads", async ({ world }) => {
    world.put(join(world.hot, "dev/file"));
    symlinkSync(world.hot, world.at(join(world.path, "link")));
    writeFileSync(world.at("/etc/fstab"), `LABEL=x ${world.path}/link/ ext4 defaults\n`);
    const copied = await archive(world, "development", copying(join(world.path, "link/dev")));
    expect(copied).toMatchObject({ status: 0 });
    expect(await cold(world)).toContain("development/dev/file");
  });

  test("development says which filesystem in a source is not copied with it, until that is a source itself", async ({
    world,
  }) => {
    const [dev, data] = [join(world.hot, "dev"), join(world.hot, "dev/data")];
    world.put(join(dev, "file"));
    await world.must(["mount", "--mkdir", "-t", "tmpfs", "data", data]);
    world.put(join(data, "file"));
    writeFileSync(world.at("/etc/fstab"), `LABEL=x ${data}/ ext4 defaults\nLABEL=y ${dev}-other ext4 noauto\n`);
    expect(await archive(world, "development", copying(dev))).toMatchObject({
      status: 1,
      stderr: text(`${data} is not copied with ${dev}: it is a filesystem of its own. Next: add it to automation.`),
    });
    expect(await cold(world)).toEqual(["development/.copies/dev", "development/dev/file"]);
    expect(await archive(world, "development", copying(dev, data))).toMatchObject({ status: 0 });
    expect(await cold(world)).toContain("development/data/file");
  });

  test("all leaves out what the host doesn't have; asked for by itself, that fails", async ({ world }) => {
    const few = join(world.path, "few");
    await world.must([
      "bash",
      "-c",
      `
mkdir ${few}
for name in bash readlink dirname python3 lsblk tar zstd; do
  ln -s "$(command -v $name)" ${few}/
done
cp ${world.programs}/uname ${few}`,
    ]);
    const settings = world.settings();
    // A host without these programs has none of them in the folders that the script adds to the path either.
    const run = (action: string) =>
      world.run([
        "bash",
        "-c",
        'PATH=$1; shift; exec "$@"',
        "few",
        few,
        join(few, "bash"),
        join(SCRIPTS, "nas-archival.sh"),
        action,
        "--settings",
        settings,
        "--lock",
        world.lock,
      ]);
    expect(await run("all")).toMatchObject({
      stderr: expect.stringMatching(
        /no pg_dump: left out[^]*no folders to copy[^]*no clickhouse-client: left out/,
      ) as string,
    });
    expect(await run("postgresql")).toMatchObject({ status: 1, stderr: text("there is no pg_dump") });
  });

  test.for<[string, string, (world: World) => unknown, string]>([
    ...["configs", "postgresql", "development", "clickhouse"].flatMap(
      (action): [string, string, (world: World) => unknown, string][] => [
        [action, "nothing is mounted", (world) => world.must(["umount", world.cold]), "nothing is mounted"],
        [
          action,
          "another export is mounted",
          (world) => world.must(["mount", "-t", "tmpfs", "other:/volume", world.cold]),
          "other:/volume is mounted",
        ],
        [action, "the NAS does not answer", (world) => world.silence(world.cold), "does not answer"],
      ],
    ),
  ])("%s writes nothing where %s at the cold tier", async ([action, , away, message], { world }) => {
    postgres(world, "jts");
    world.program("clickhouse-client", "exit 0");
    world.put(join(world.hot, "dev/file"));
    await away(world);
    const before = await world.describe();
    expect(
      await archive(world, action, (settings) => {
        settings.probeSeconds = 1;
        settings.automation.developmentFolders = [join(world.hot, "dev")];
      }),
    ).toMatchObject({ status: 1, stderr: text(message) });
    expect(await world.describe()).toEqual(before);
    expect(world.calls().join("\n")).not.toMatch(/pg_dump|clickhouse-client/);
  });

  test("while another run holds the lock it exits 75", async ({ world }) => {
    const { child } = world.start(["flock", "--no-fork", world.lock, "bash", "-c", "echo held; exec sleep 600"]);
    await new Promise((resolve) => child.stdout!.once("data", resolve));
    expect(await archive(world, "configs")).toMatchObject({ status: 75, stderr: text("another run holds") });
    expect(await world.run(restoring(world, "jts"))).toMatchObject({ status: 75 });
  });
});
