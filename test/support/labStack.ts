import { execa } from "execa";
import { mkdtempSync, rmSync } from "node:fs";
import { copyFile, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parse, stringify } from "yaml";
import * as lab from "../../lab/lab.ts";
import { prepareStack, STATE } from "../../lab/stack.ts";
import { ROOT } from "../../setup/project.ts";

/** The outcome of an operation: how many resources were created, updated, …, without those that stayed the same. */
export interface Outcome {
  readonly changes: Readonly<Record<string, number>>;
  readonly sshConnections: number;
  readonly said: string;
}

interface RunOptions {
  readonly refresh?: boolean;
  /** The refresh connects as is configured now; else as the last run of the program did. */
  readonly runProgram?: boolean | undefined;
}

/** A host's settings, as the configuration has them. */
export type HostSection = Record<string, unknown>;

/** Leaves out the other sections of the settings, so that an `up` is quicker. */
export function only(...sections: readonly string[]): (host: HostSection) => void {
  return (host) => {
    for (const section of ["hot", "warm", "cold", "automation"]) if (!sections.includes(section)) delete host[section];
    if (!sections.includes("tuning")) host.tuning = false;
  };
}

/** A command after which udev shows what is on the devices. `udevadm settle` can miss what was closed while it read. */
export const seenByUdev = (...devices: readonly string[]) =>
  `udevadm trigger --action=change --settle -- ${devices.join(" ")}`;

/** Only the warm tier: the quickest host that has a device, a filesystem and a mount. */
export function warmOnly(warm: Record<string, unknown> = {}): (host: HostSection) => void {
  return (host) => {
    only("warm")(host);
    host.warm = { ...(host.warm as object), ...warm };
  };
}

/** Only the hot tier, with only these volumes. */
export function hotWith(
  volumes: Record<string, unknown>,
  hot: Record<string, unknown> = {},
): (host: HostSection) => void {
  return (host) => {
    only("hot")(host);
    host.hot = { ...(host.hot as object), volumes, ...hot };
  };
}

/** Without the verification at the end, which takes a while. */
export function unverified(host: HostSection): void {
  host.automation = { ...(host.automation as object), verify: false };
}

/** All of these changes, one after another. */
export function all(...changes: readonly ((host: HostSection) => void)[]): (host: HostSection) => void {
  return (host) => changes.forEach((change) => change(host));
}

/**
 * A stack on the lab, with the settings of stack `dev`. It runs the CLI itself: for one `up`, the Automation API runs
 * the CLI four times, for the history and outputs that no test needs.
 */
export class LabStack {
  readonly #name: string;
  readonly #user: string;
  /** Distinguishes this stack's processes, and their SSH connections, from all others of this machine. */
  readonly #temporary: string;
  #configFile = "";
  #saying: (said: string) => void = () => undefined;

  private constructor(name: string, user: string, temporary: string) {
    this.#name = name;
    this.#user = user;
    this.#temporary = temporary;
  }

  /**
   * The stack as committed, with the lab's connection.
   *
   * @param user connects to the host: `jts`, who has sudo, by default; JTS_STORAGE_LAB_USER takes precedence
   */
  static async select({ name = "dev", user = "jts" } = {}): Promise<LabStack> {
    await prepareStack(await lab.connection(), name);
    const temporary = mkdtempSync(join(tmpdir(), "jts-lab-"));
    process.once("exit", () => rmSync(temporary, { recursive: true, force: true }));
    const made = new LabStack(name, process.env.JTS_STORAGE_LAB_USER ?? user, temporary);
    await made.configure();
    return made;
  }

  /** Changes the host's settings for the operations to come; without a change they are the committed ones. */
  async configure(change: (host: HostSection) => void = () => undefined): Promise<void> {
    this.#configFile = await prepareStack(await lab.connection("storage-host", this.#user), this.#name);
    const committed = parse(await readFile(this.#configFile, "utf8")) as {
      config: { "jts-storage:hosts": { lab: HostSection } };
    };
    change(committed.config["jts-storage:hosts"].lab);
    await writeFile(this.#configFile, stringify(committed));
  }

  /** Gives the operations to come a whole configuration, as it is written in Pulumi.STACK.yaml. */
  async configureAs(text: string): Promise<void> {
    this.#configFile = await prepareStack(await lab.connection("storage-host", this.#user), this.#name);
    const { encryptionsalt } = parse(await readFile(this.#configFile, "utf8")) as { encryptionsalt: string };
    await writeFile(this.#configFile, `${text}\nencryptionsalt: ${encryptionsalt}\n`);
  }

  /** The stack's configuration, as the last {@link configure} left it. */
  get configFile(): string {
    return this.#configFile;
  }

  /** The message of an operation that must fail. */
  async refusal(operation: () => Promise<unknown>): Promise<string> {
    try {
      await operation();
    } catch (error) {
      return (error as Error).message;
    }
    throw new Error("The operation succeeded.");
  }

  preview(options: RunOptions = {}): Promise<Outcome> {
    return this.#operate("preview", ...wordsOf(options));
  }

  up(options: RunOptions = {}): Promise<Outcome> {
    return this.#operate("up", "--yes", "--skip-preview", ...wordsOf(options));
  }

  refresh({ runProgram }: Pick<RunOptions, "runProgram"> = {}): Promise<Outcome> {
    return this.#operate("refresh", "--yes", "--skip-preview", ...wordsOf({ runProgram }));
  }

  destroy(): Promise<Outcome> {
    return this.#operate("destroy", "--yes", "--skip-preview");
  }

  /**
   * An `up` during which a fault happens, once `made` resources are created, not counting components. The fault is told
   * whether the `up` has ended.
   *
   * @returns the error that the `up` ended with; undefined where it succeeded
   */
  async upWithFault(
    made: number,
    fault: (isOver: () => boolean) => Promise<unknown>,
    options: RunOptions = {},
  ): Promise<Error | undefined> {
    let isOver = false;
    let happening: Promise<unknown> | undefined;
    this.#saying = (said) => {
      if (
        happening === undefined &&
        said.split("\n").filter((line) => / created \(/.test(line) && !line.includes(" jts-storage:")).length >= made
      ) {
        happening = fault(() => isOver);
        // Awaited below.
        happening.catch(() => undefined);
      }
    };
    try {
      await this.up(options);
      return undefined;
    } catch (error) {
      return error as Error;
    } finally {
      isOver = true;
      this.#saying = () => undefined;
      await happening;
    }
  }

  /** Sends SIGKILL only to the engine, as the kernel does when memory is short. */
  killEngine(): Promise<void> {
    return this.#kill(/^(\S*\/)?pulumi$/);
  }

  /** Sends SIGKILL to every SSH connection of this stack. */
  killConnections(): Promise<void> {
    return this.#kill(/^(\S*\/)?ssh(:|$)/);
  }

  /** This stack's processes, as their command lines. */
  async running(): Promise<string[]> {
    return (await this.#processes()).map(({ words }) => words.join(" "));
  }

  /**
   * Recovers from an engine that was killed, as the runbook says: ends the processes that it left behind, releases its
   * lock, and puts the backup in place of a state that it left empty.
   */
  async recover(): Promise<void> {
    await this.#kill(/./);
    const file = this.#stateFile();
    if ((await stat(file)).size === 0) await copyFile(`${file}.bak`, file);
    await this.#pulumi("cancel", "--yes");
  }

  async #kill(program: RegExp): Promise<void> {
    for (const { pid, words } of await this.#processes()) {
      try {
        if (program.test(words[0] ?? "")) process.kill(pid, "SIGKILL");
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
      }
    }
  }

  /** Finds them by their environment, or by our folder in the title that a connection's master writes over its own. */
  async #processes(): Promise<readonly { readonly pid: number; readonly words: readonly string[] }[]> {
    const pids = (await readdir("/proc")).filter((name) => /^\d+$/.test(name));
    const found = await Promise.all(
      pids.map(async (pid) => {
        const [environment, words] = await Promise.all(
          ["environ", "cmdline"].map((file) => readFile(`/proc/${pid}/${file}`, "latin1").catch(() => "")),
        );
        const isOurs =
          environment?.split("\0").includes(`TMPDIR=${this.#temporary}`) === true ||
          words?.includes(this.#temporary) === true;
        return isOurs ? [{ pid: Number(pid), words: (words ?? "").split("\0") }] : [];
      }),
    );
    return found.flat();
  }

  async outputs(): Promise<Record<string, unknown>> {
    return JSON.parse(await this.#pulumi("stack", "output", "--json")) as Record<string, unknown>;
  }

  /** The resources as the state holds them. */
  async state(): Promise<readonly StateResource[]> {
    const exported = JSON.parse(await this.#pulumi("stack", "export", "--show-secrets")) as {
      readonly deployment: { readonly resources?: readonly StateResource[] };
    };
    return exported.deployment.resources ?? [];
  }

  /** The state's text in the backend, with its secrets encrypted. */
  stateFile(): Promise<string> {
    return readFile(this.#stateFile(), "utf8");
  }

  #stateFile(): string {
    return join(STATE, ".pulumi", "stacks", "jts-storage", `${this.#name}.json`);
  }

  /** @throws {Error} with all that was said, where the operation fails */
  async #operate(...words: readonly string[]): Promise<Outcome> {
    const before = await lab.sshConnectionsAccepted();
    const events = join(this.#temporary, "events.jsonl");
    await rm(events, { force: true });
    const said = await this.#pulumi(...words, "--config-file", this.#configFile, "--event-log", events);
    const sshConnections = (await lab.sshConnectionsAccepted()) - before;
    const summaries = (await readFile(events, "utf8")).split("\n").flatMap((line) => {
      const { summaryEvent } = line === "" ? {} : (JSON.parse(line) as EngineEvent);
      return summaryEvent === undefined ? [] : [summaryEvent.resourceChanges];
    });
    const { same: _same, ...changes } = summaries.at(-1) ?? {};
    return { changes, sshConnections, said };
  }

  async #pulumi(...words: readonly string[]): Promise<string> {
    const running = execa("pulumi", [...words, "--color", "never"], {
      cwd: ROOT,
      // The event log is a debugging aid of the CLI.
      env: { ...lab.pulumiEnv(this.#name), TMPDIR: this.#temporary, PULUMI_DEBUG_COMMANDS: "true" },
      stdin: "ignore",
      reject: false,
      all: true,
    });
    let said = "";
    running.stdout.on("data", (text: Buffer) => {
      said += text.toString();
      this.#saying(said);
    });
    const { exitCode, stdout, all } = await running;
    if (exitCode !== 0) throw new Error(`pulumi ${words.join(" ")} ended with ${exitCode ?? "a signal"}:\n${all}`);
    return stdout;
  }
}

function wordsOf({ refresh = false, runProgram = false }: RunOptions): string[] {
  return [...(refresh ? ["--refresh"] : []), ...(runProgram ? ["--run-program"] : [])];
}

/** A line of the CLI's event log. */
interface EngineEvent {
  readonly summaryEvent?: { readonly resourceChanges: Readonly<Record<string, number>> };
}

/** Besides these, what the engine keeps of the program's own call stack. */
export interface StateResource {
  readonly urn: string;
  readonly type: string;
  readonly inputs?: Record<string, unknown>;
  readonly outputs?: Record<string, unknown>;
}
