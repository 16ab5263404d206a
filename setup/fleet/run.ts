/** The record of a fleet's run: a folder with the log of each stack, and run.json with what became of each. */
import { mkdir, readdir, readFile, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { MissingNeed } from "../progress.ts";

/** `begun` in a record that nobody works on is a run that was killed. */
export type Result = "not begun" | "begun" | "ok" | "drifted" | "failed" | "refused" | "stopped";

/** What became of a stack. */
export interface StackRun {
  readonly result: Result;
  /** How many resources of each operation: create, update, replace, delete. */
  readonly changes: Readonly<Record<string, number>>;
  readonly seconds: number;
  /** Why it did not succeed, in one line. */
  readonly error?: string;
  /** What `pulumi` printed. */
  readonly log?: string;
}

interface Identity {
  readonly operation: string;
  readonly stacks: readonly string[];
  /** The state of the program and of the stacks' files. */
  readonly version: string;
  readonly backend: string;
}

interface Written extends Identity {
  readonly runs: Readonly<Record<string, StackRun>>;
}

const NOT_BEGUN: StackRun = { result: "not begun", changes: {}, seconds: 0 };
const FILE = "run.json";

/** Looks fine, and nothing is to be done again. */
export function succeeded({ result }: StackRun): boolean {
  return result === "ok" || result === "drifted";
}

/** A run of one operation on many stacks, kept in a file from its begin on. */
export class FleetRun {
  /** Its folder, for logs too. */
  readonly folder: string;
  readonly #identity: Identity;
  readonly #runs: Map<string, StackRun>;
  #written: Promise<void> = Promise.resolve();

  private constructor(folder: string, identity: Identity, runs: ReadonlyMap<string, StackRun>) {
    this.folder = folder;
    this.#identity = identity;
    this.#runs = new Map(runs);
  }

  /**
   * @param folder holds the folders of all runs, by operation and time
   * @param resumes takes over what succeeded in the last run of the operation
   * @throws {MissingNeed} where there is none on this backend, or its stacks or files were others
   */
  static async begin(folder: string, identity: Identity, { resumes = false } = {}): Promise<FleetRun> {
    const ofOperation = join(folder, identity.operation);
    const before = resumes ? resumable(await lastRun(ofOperation, identity.backend), identity) : {};
    const runs = identity.stacks.map((stack) => {
      const earlier = before[stack];
      return [stack, earlier !== undefined && succeeded(earlier) ? earlier : NOT_BEGUN] as const;
    });
    const own = join(ofOperation, new Date().toISOString().replaceAll(":", "-"));
    await mkdir(own, { recursive: true });
    const run = new FleetRun(own, identity, new Map(runs));
    await run.#write();
    return run;
  }

  get all(): ReadonlyMap<string, StackRun> {
    return this.#runs;
  }

  /** The stacks that haven't succeeded. */
  get left(): string[] {
    return [...this.#runs].filter(([, run]) => !succeeded(run)).map(([stack]) => stack);
  }

  async set(stack: string, run: StackRun): Promise<void> {
    this.#runs.set(stack, run);
    // One after another, so that the last one stays.
    await (this.#written = this.#written.then(() => this.#write()));
  }

  async #write(): Promise<void> {
    const written: Written = { ...this.#identity, runs: Object.fromEntries(this.#runs) };
    const file = join(this.folder, FILE);
    await writeFile(`${file}.new`, `${JSON.stringify(written, null, 2)}\n`);
    await rename(`${file}.new`, file);
  }
}

/** On this backend. */
async function lastRun(folder: string, backend: string): Promise<Written | undefined> {
  const runs = (await readdir(folder).catch(() => [])).sort();
  for (const run of runs.reverse()) {
    const text = await readFile(join(folder, run, FILE), "utf8").catch(() => undefined);
    const written = text === undefined ? undefined : (JSON.parse(text) as Written);
    if (written?.backend === backend) return written;
  }
  return undefined;
}

function resumable(last: Written | undefined, { operation, stacks, version, backend }: Identity): Written["runs"] {
  const refuse = (why: string) => new MissingNeed(`There is nothing to resume: ${why}. Next: leave out --resume.`);
  if (last === undefined) throw refuse(`from this checkout there was no ${operation} of a fleet on ${backend}`);
  if (last.stacks.join() !== stacks.join())
    throw refuse(`the last ${operation} was of other stacks: ${last.stacks.join(", ")}`);
  if (last.version !== version) throw refuse(`the program, or a stack's file, has changed since the last ${operation}`);
  return last.runs;
}
