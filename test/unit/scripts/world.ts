/** A world of tiers for the scripts: tmpfs mounts in a mount namespace that ends with the test. */
import { spawn, type ChildProcess } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { mkdtempSync, readFileSync, mkdirSync, rmSync, writeFileSync, utimesSync, chmodSync } from "node:fs";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { zstdDecompressSync } from "node:zlib";
import { test as withoutWorld } from "vitest";
import { scriptSettings, type ScriptSettings } from "../../../components/automation/scriptSettings.ts";
import { parseHosts } from "../../../config.ts";

export const SCRIPTS = join(import.meta.dirname, "../../../scripts");
export const MOVER = ["/usr/bin/python3", "-I", "-B", join(SCRIPTS, "jts_storage"), "move"] as const;

/** Mounts need root; elsewhere the tests say that they were skipped. */
export const IS_ROOT = process.getuid?.() === 0;

/** What the configuration makes of an `automation` that sets nothing. */
function automationDefaults() {
  const connection = { host: "h", hostKey: `ssh-ed25519 ${"A".repeat(68)}` };
  const { hosts, problems } = parseHosts({
    host: { connection, warm: { device: { path: "/dev/sda2" } }, automation: {} },
  });
  if (hosts.host?.automation === undefined) throw new Error(JSON.stringify(problems));
  return scriptSettings(hosts.host, hosts.host.automation, []).automation;
}

/** What the scripts read, as a test may change it. */
export type Settings = Mutable<ScriptSettings>;
type Mutable<T> = T extends readonly (infer U)[]
  ? Mutable<U>[]
  : T extends object
    ? { -readonly [K in keyof T]: Mutable<T[K]> }
    : T;

/** Settings of a host with its tiers in that folder. */
export function settingsIn(path: string): Settings {
  const [hot, warm, cold] = ["hot", "warm", "cold"].map((tier) => join(path, tier)) as [string, string, string];
  return {
    hot: {
      mountPoints: [hot],
      logRoot: hot,
      logFolders: [join(hot, "postgresql/logs"), join(hot, "kafka/logs")],
      volumeGroup: null,
      snapshotReserveBytes: 0,
    },
    warm: { mountPoint: warm, label: "" },
    cold: { mountPoint: cold, source: "nas:/volume", root: join(cold, "jts") },
    automation: { ...automationDefaults(), dockerPrune: false, systemLogs: null },
    timers: [],
    movesJournal: join(path, "moves.jsonl"),
    stateFolder: join(path, "state"),
    probeSeconds: 5,
    budgetSeconds: 180,
  };
}

export interface Ended {
  readonly status: number | null;
  readonly signal: string | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Entry {
  readonly type: "file" | "folder" | "other";
  readonly sha256?: string;
  /** The hash of the decompressed content; of a file that zstd did not compress, the same as `sha256`. */
  readonly contentSha256?: string;
  readonly bytes: number;
  readonly allocatedBytes: number;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly mtime: number;
  readonly links: number;
  readonly inode: number;
  readonly xattrs: Readonly<Record<string, string>>;
}

/** As describeTree.py prints it: of a compressed file it has the content, in base64. */
type PrintedEntry = Omit<Entry, "contentSha256"> & { readonly packed?: string };

/**
 * Runs describeTree.py in a process that all tests of this one share, since it takes longer to start than to describe a
 * tree. It ends with its standard input.
 */
class Looker {
  static #shared: Looker | undefined;
  readonly #process = spawn("/usr/bin/python3", ["-I", join(import.meta.dirname, "describeTree.py")], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  readonly #answers = createInterface({ input: this.#process.stdout })[Symbol.asyncIterator]();

  static get shared(): Looker {
    return (Looker.#shared ??= new Looker());
  }

  async look(tops: readonly string[], closely: boolean): Promise<Record<string, PrintedEntry>> {
    this.#process.stdin.write(`${JSON.stringify({ tops, closely })}\n`);
    // Answers come in the order of the requests.
    const answer = await this.#answers.next();
    if (answer.done) {
      Looker.#shared = undefined;
      throw new Error("describeTree.py has ended; its message is above");
    }
    return JSON.parse(answer.value) as Record<string, PrintedEntry>;
  }
}

function entryOf({ packed, ...entry }: PrintedEntry): Entry {
  return entry.sha256 === undefined ? entry : { ...entry, contentSha256: unpackedSha256(packed) ?? entry.sha256 };
}

/** The hash of the decompressed content; undefined where zstd did not compress it. */
function unpackedSha256(packed: string | undefined): string | undefined {
  if (packed === undefined) return undefined;
  try {
    const content = zstdDecompressSync(Buffer.from(packed, "base64"));
    return createHash("sha256").update(content).digest("hex");
  } catch {
    return undefined;
  }
}

/** A host's PATH; that of whoever runs the tests may differ. */
const HOST_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

export class World {
  readonly path = mkdtempSync("/tmp/jts-tiers-");
  readonly hot = join(this.path, "hot");
  readonly warm = join(this.path, "warm");
  readonly cold = join(this.path, "cold");
  /** Programs in here are found before the real ones. */
  readonly programs = join(this.path, "programs");
  readonly lock = join(this.path, "lock");
  /** Seconds since 1970 from which {@link put} counts. */
  readonly began = Math.floor(Date.now() / 1000);
  #aheadDays = 0;
  readonly #silent = new Set<string>();
  readonly #children = new Set<ChildProcess>();
  #namespace: ChildProcess | undefined;

  private constructor() {}

  /**
   * With hot, warm and cold mounted; cold has the NAS's source.
   *
   * @param warmImage  makes the file that warm is mounted from, a btrfs, and says its path; default: warm is a tmpfs
   */
  static async make({
    warmBytes = 64 * 2 ** 20,
    warmImage,
  }: { warmBytes?: number; warmImage?: (world: World) => string } = {}): Promise<World> {
    const world = new World();
    for (const folder of [world.hot, world.warm, world.cold, world.programs]) mkdirSync(folder);
    const warm =
      warmImage === undefined
        ? `warm ${world.warm} tmpfs size=${warmBytes}`
        : `${warmImage(world)} ${world.warm} btrfs loop,noatime,compress=zstd:3,autodefrag`;
    writeFileSync(join(world.path, "mounts"), `hot ${world.hot} tmpfs\n${warm}\nnas:/volume ${world.cold} tmpfs\n`);
    // It ends with its standard input, so that even a killed test leaves no mounts.
    const program = `mount --all --fstab "$1/mounts" && echo mounted && read -r _`;
    const namespace = spawn("unshare", ["--mount", "bash", "-c", program, "namespace", world.path], {
      stdio: ["pipe", "pipe", "inherit"],
    });
    world.#namespace = namespace;
    await once(namespace.stdout, "data");
    return world;
  }

  async [Symbol.asyncDispose]() {
    for (const child of this.#children) child.kill("SIGKILL");
    if (this.#namespace !== undefined) {
      const ended = once(this.#namespace, "exit");
      this.#namespace.stdin?.end();
      await ended;
    }
    rmSync(this.path, { recursive: true, force: true });
  }

  /** A path of the world as this process, which isn't in the namespace, reaches it. */
  at(path: string) {
    return `/proc/${this.#namespace?.pid}/root${path}`;
  }

  start(argv: readonly string[], environment: NodeJS.ProcessEnv = {}): { child: ChildProcess; ended: Promise<Ended> } {
    const env = { PATH: `${this.programs}:${HOST_PATH}`, ...environment };
    const child = spawn("nsenter", [`--mount=/proc/${this.#namespace?.pid}/ns/mnt`, "--", ...argv], {
      env,
      stdio: ["ignore", "pipe", "pipe"],
    });
    this.#children.add(child);
    let stdout = "";
    let stderr = "";
    child.stdout.on("data", (data: Buffer) => (stdout += data.toString()));
    child.stderr.on("data", (data: Buffer) => (stderr += data.toString()));
    const ended = new Promise<Ended>((resolve, reject) => {
      child.on("error", reject);
      const end = () => resolve({ status: child.exitCode, signal: child.signalCode, stdout, stderr });
      child.on("close", end);
      child.on("exit", () => {
        this.#children.delete(child);
        // A process that a killed program has started may hold its output open.
        setTimeout(end, 500);
      });
    });
    return { child, ended };
  }

  run(argv: readonly string[], environment?: NodeJS.ProcessEnv): Promise<Ended> {
    return this.start(argv, environment).ended;
  }

  async must(argv: readonly string[]): Promise<string> {
    const { status, stdout, stderr } = await this.run(argv);
    if (status !== 0) throw new Error(`${argv.join(" ")}: ${status}: ${stderr}`);
    return stdout;
  }

  /** Has a mount point wait for the first access, as systemd does, in place of what is mounted there. */
  async automount(point: string, source = "nas:/volume") {
    await this.must(["umount", point]);
    const program = join(import.meta.dirname, "automount.py");
    const { child } = this.start(["/usr/bin/python3", "-I", program, point, source, "jts/archives/database"]);
    await once(child.stdout!, "data");
  }

  python(program: string, ...values: string[]) {
    return this.must(["/usr/bin/python3", "-c", program, ...values]);
  }

  /** Moves files that are older than a day from hot to warm/logs, unless the options say otherwise. */
  move(...options: string[]): Promise<Ended> {
    return this.run(this.moveArguments(...options));
  }

  moveArguments(...options: string[]): string[] {
    const source = options.includes("--source") ? [] : ["--source", this.hot];
    const destination = options.includes("--destination")
      ? []
      : ["--destination", join(this.warm, "logs"), "--destination-mount", this.warm];
    return [...MOVER, ...source, ...destination, "--older-than-days", "1", "--lock", this.lock, ...options];
  }

  /** Writes a file that was last changed `days` ago. */
  put(path: string, content: string | Buffer = path, days = 40): string {
    mkdirSync(this.at(dirname(path)), { recursive: true });
    writeFileSync(this.at(path), content);
    const when = this.began + (this.#aheadDays - days) * 86400;
    utimesSync(this.at(path), when, when);
    return path;
  }

  read(path: string): string {
    return readFileSync(this.at(path), "utf8");
  }

  /**
   * Sets the clock ahead for what the scripts start, and for {@link put}. A file's time of change can't be set, so only
   * this makes a file one that has been there for days.
   */
  clockAhead(days: number) {
    this.#aheadDays = days;
    const program = `#!/bin/bash
if [[ $1 == +%s ]]; then exec /usr/bin/date --date="${days * 86400} seconds" +%s; fi
exec /usr/bin/date "$@"
`;
    writeFileSync(join(this.programs, "date"), program, { mode: 0o755 });
    this.#changePython();
  }

  /** Makes statvfs(3) of this path hang, as with a NAS that is away. */
  silence(path: string) {
    this.#silent.add(path);
    this.#changePython();
  }

  /** Runs the scripts' Python with another clock, and with filesystems that don't answer. */
  #changePython() {
    const program = `
import os, runpy, sys, time
now, statvfs = time.time, os.statvfs
silent = ${JSON.stringify([...this.#silent])}
time.time = lambda: now() + ${this.#aheadDays * 86400}
os.statvfs = lambda path: time.sleep(3600) if path in silent else statvfs(path)
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
`;
    // The launchers run: python3 -I -B PACKAGE PROGRAM…
    const launcher = `#!/bin/bash\nexec /usr/bin/python3 "$1" "$2" -c '${program}' "\${@:3}"\n`;
    writeFileSync(join(this.programs, "python3"), launcher, { mode: 0o755 });
  }

  /** Seconds since 1970, by that clock. */
  get now() {
    return Date.now() / 1000 + this.#aheadDays * 86400;
  }

  /** Stands in for a program; what it was called with is in {@link calls}. */
  program(name: string, body: string) {
    writeFileSync(
      join(this.programs, name),
      `#!/bin/bash\nprintf '%s\\n' "\${0##*/} $*" >>"${this.path}/calls"\n${body}\n`,
    );
    chmodSync(join(this.programs, name), 0o755);
  }

  calls(): string[] {
    try {
      return readFileSync(join(this.path, "calls"), "utf8").trimEnd().split("\n");
    } catch {
      return [];
    }
  }

  /** Settings of the JTS host in this world, with what `change` does to them; returns the file's path. */
  settings(change: (settings: Settings) => unknown = () => undefined): string {
    const settings = settingsIn(this.path);
    change(settings);
    const path = join(this.path, "settings.json");
    writeFileSync(path, JSON.stringify(settings));
    return path;
  }

  /** All that is below hot, warm and cold, by path from there: `hot/postgresql/logs/a`. */
  async describe(): Promise<Record<string, Entry>> {
    const found = Object.entries(await this.#look(true));
    return Object.fromEntries(found.map(([path, entry]) => [path, entryOf(entry)]));
  }

  /** The paths of everything that is not a folder. */
  async files(): Promise<string[]> {
    return Object.entries(await this.#look(false))
      .filter(([, { type }]) => type !== "folder")
      .map(([path]) => path)
      .sort();
  }

  async #look(closely: boolean): Promise<Record<string, PrintedEntry>> {
    const tops = [this.hot, this.warm, this.cold].map((top) => this.at(top));
    const found = await Looker.shared.look(tops, closely);
    return Object.fromEntries(
      Object.entries(found).map(([path, entry]) => [path.slice(this.at(this.path).length + 1), entry]),
    );
  }
}

/** A test with a world of its own. */
export const test = withoutWorld.extend<{ readonly world: World }>({
  // eslint-disable-next-line no-empty-pattern -- vitest reads which fixtures this one needs off its parameter
  world: async ({}, use) => {
    await using world = await World.make();
    await use(world);
  },
});
