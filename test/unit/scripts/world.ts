/** A world of tiers for the scripts: tmpfs mounts in a mount namespace that ends with the test. */
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, mkdirSync, rmSync, writeFileSync, utimesSync, chmodSync } from "node:fs";
import { dirname, join } from "node:path";
import { test as withoutWorld } from "vitest";

export const SCRIPTS = join(import.meta.dirname, "../../../scripts");
export const MOVER = ["/usr/bin/python3", "-I", "-B", join(SCRIPTS, "lib/move-aged-files.py")] as const;

/** Mounts need root; elsewhere the tests say that they were skipped. */
export const IS_ROOT = process.getuid?.() === 0;

export interface Ended {
  readonly status: number | null;
  readonly signal: string | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Entry {
  readonly type: "file" | "folder" | "other";
  readonly sha256?: string;
  /** Of what zstd compressed; else the same. */
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

/** Prints what is below some folders; names that aren't UTF-8 come out as lone surrogates, as Python has them. */
const DESCRIBE = `
import hashlib, json, os, stat, subprocess, sys
found = {}
def content(path):
    with open(path, "rb") as file: return hashlib.file_digest(file, "sha256").hexdigest()
for top in sys.argv[1:]:
    for path, folders, files in os.walk(top):
        for name in folders + files:
            one = os.path.join(path, name)
            seen = os.lstat(one)
            regular, folder = stat.S_ISREG(seen.st_mode), stat.S_ISDIR(seen.st_mode)
            found[one] = {"type": "file" if regular else "folder" if folder else "other", "bytes": seen.st_size,
                "allocatedBytes": seen.st_blocks * 512, "mode": stat.S_IMODE(seen.st_mode), "uid": seen.st_uid, "gid": seen.st_gid,
                "mtime": seen.st_mtime, "links": seen.st_nlink, "inode": seen.st_ino,
                "xattrs": {x: os.getxattr(one, x, follow_symlinks=False).hex() for x in os.listxattr(one, follow_symlinks=False)}}
            if regular:
                plain = content(one)
                found[one] |= {"sha256": plain, "contentSha256": plain}
            if regular and one.endswith(".zst"):
                unpacked = subprocess.run(["zstd", "--quiet", "--decompress", "--stdout", "--", one], capture_output=True)
                if unpacked.returncode == 0: found[one]["contentSha256"] = hashlib.sha256(unpacked.stdout).hexdigest()
print(json.dumps(found))`;

export class World {
  readonly path = mkdtempSync("/tmp/jts-tiers-");
  readonly hot = join(this.path, "hot");
  readonly warm = join(this.path, "warm");
  readonly cold = join(this.path, "cold");
  /** Programs in here are found before the real ones. */
  readonly programs = join(this.path, "programs");
  readonly lock = join(this.path, "lock");
  readonly #began = Date.now() / 1000;
  readonly #children = new Set<ChildProcess>();
  #namespace: ChildProcess | undefined;

  private constructor() {}

  /** With hot, warm and cold mounted; cold has the NAS's source. */
  static async make({ warmBytes = 64 * 2 ** 20 }: { warmBytes?: number } = {}): Promise<World> {
    const world = new World();
    for (const folder of [world.hot, world.warm, world.cold, world.programs]) mkdirSync(folder);
    // It ends with its standard input, so that even a killed test leaves no mounts.
    const program = `mount -t tmpfs hot "$1/hot" && mount -t tmpfs -o size=${warmBytes} warm "$1/warm" && mount -t tmpfs nas:/volume "$1/cold" && echo mounted && read -r _`;
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
    const path = `${this.programs}:${process.env.PATH}`;
    const env = { PATH: path, ...environment };
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
      const told = () => resolve({ status: child.exitCode, signal: child.signalCode, stdout, stderr });
      child.on("close", told);
      child.on("exit", () => {
        this.#children.delete(child);
        // What a killed program leaves behind may hold its output open.
        setTimeout(told, 500);
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

  python(program: string, ...values: string[]) {
    return this.must(["/usr/bin/python3", "-c", program, ...values]);
  }

  /** Moves what is older than a day from hot to warm/logs, unless told otherwise. */
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
    const when = this.#began - days * 86400;
    utimesSync(this.at(path), when, when);
    return path;
  }

  read(path: string): string {
    return readFileSync(this.at(path), "utf8");
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

  /** Settings of the JTS host in this world; returns the file's path. */
  settings(values: Readonly<Record<string, string>> = {}): string {
    const settings = {
      HOT_MOUNTS: this.hot,
      LOG_SOURCES: `${this.hot}/postgresql/logs:${this.hot}/kafka/logs`,
      LOG_SOURCES_ROOT: this.hot,
      WARM_MOUNT: this.warm,
      COLD_MOUNT: this.cold,
      COLD_SOURCE: "nas:/volume",
      COLD_ROOT: `${this.cold}/jts`,
      DOCKER_PRUNE: "no",
      MOVES_JOURNAL: join(this.path, "moves.jsonl"),
      STATE_FOLDER: join(this.path, "state"),
      ...values,
    };
    const path = join(this.path, "tiers.env");
    writeFileSync(
      path,
      Object.entries(settings)
        .map(([name, value]) => `${name}='${value}'\n`)
        .join(""),
    );
    return path;
  }

  /** All that is below hot, warm and cold, by path from there: `hot/postgresql/logs/a`. */
  async describe(): Promise<Record<string, Entry>> {
    const found = JSON.parse(await this.python(DESCRIBE, this.hot, this.warm, this.cold)) as Record<string, Entry>;
    return Object.fromEntries(Object.entries(found).map(([path, entry]) => [path.slice(this.path.length + 1), entry]));
  }

  /** The paths of all that is no folder. */
  async files(): Promise<string[]> {
    return Object.entries(await this.describe())
      .filter(([, { type }]) => type !== "folder")
      .map(([path]) => path)
      .sort();
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
