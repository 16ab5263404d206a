import { HostUnreachable } from "../../providers/errors.ts";
import { printCommand, type Command, type Output } from "../../providers/host/command.ts";
import type { Answers, Host, Program } from "../../providers/host/host.ts";
import { program } from "../../providers/programs/program.ts";
import { within } from "../within.ts";

/** As timeout(1) ends. */
const TIMED_OUT: Output = { stdout: "", stderr: "", exitCode: 124 };
/** A command that hangs is given up on the host by then; this much later it is here. */
const GRACE_SECONDS = 10;
/** A host's services have better things to do. */
const AT_ONCE = 4;

/** How long a host may take, in seconds. */
export interface Limits {
  /** For each question. */
  readonly questionSeconds: number;
  /** For all of them: later ones count as hanging. */
  readonly allSeconds: number;
}

/**
 * A host that is only asked, and whose questions end in time whatever hangs: each travels by itself, and one that
 * doesn't answer ends as timeout(1) ends it. What hung once is not asked again.
 */
export class BoundedHost implements Host {
  readonly name: string;
  readonly #host: Host;
  readonly #limits: Limits;
  readonly #began = Date.now();
  readonly #hung = new Set<string>();
  readonly #asked = new Map<symbol, string>();
  readonly #waiting: (() => void)[] = [];
  #free = AT_ONCE;
  #lost: HostUnreachable | undefined;

  constructor(host: Host, limits: Limits) {
    this.name = host.name;
    this.#host = host;
    this.#limits = limits;
  }

  /** What it waits for now, as a person would type it. */
  get asked(): readonly string[] {
    return [...this.#asked.values()];
  }

  async call({ steps, questions }: Program): Promise<Answers> {
    if (steps.length > 0) throw new TypeError("This host is only asked.");
    return { steps: [], questions: await Promise.all(questions.map((question) => this.#ask(question))) };
  }

  async #ask(question: Command): Promise<Output> {
    const key = JSON.stringify(question.argv);
    const asked = Symbol();
    await this.#take();
    try {
      if (this.#lost !== undefined) throw this.#lost;
      const isLate = Date.now() - this.#began > this.#limits.allSeconds * 1000;
      if (isLate || this.#hung.has(key)) return TIMED_OUT;
      this.#asked.set(asked, printCommand(question));
      const output = await this.#inTime(question);
      if (output.exitCode === TIMED_OUT.exitCode) this.#hung.add(key);
      return output;
    } catch (error) {
      if (error instanceof HostUnreachable) this.#lost = error;
      throw error;
    } finally {
      this.#asked.delete(asked);
      this.#release();
    }
  }

  async #inTime(question: Command): Promise<Output> {
    const { questionSeconds } = this.#limits;
    const { argv, stdin } = question;
    const bounded = {
      ...program("bounded", String(questionSeconds), ...argv),
      ...(stdin === undefined ? {} : { stdin }),
    };
    const answer = this.#host.call({ steps: [], questions: [bounded] }).then(({ questions: [output] }) => output!);
    return within(questionSeconds + GRACE_SECONDS, answer, () => TIMED_OUT);
  }

  async #take(): Promise<void> {
    if (this.#free > 0) this.#free--;
    else await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  #release(): void {
    const next = this.#waiting.shift();
    if (next === undefined) this.#free++;
    else next();
  }
}
