import { z } from "zod";
import type { About, Ask, Fact } from "../facts/fact.ts";
import { HOST_WIDE } from "../facts/hostWide.ts";
import { cmd, printCommand, succeeded, type Command, type Output } from "../host/command.ts";
import { HOST_LOCK, type Host } from "../host/host.ts";
import { CommandFailed, DataLossRefused, UnexpectedOutput } from "../errors.ts";
import type { Step } from "./plan.ts";

interface Question {
  readonly key: string;
  readonly about: readonly About[];
  readonly command: Command;
  settle(output: Output): void;
  fail(error: unknown): void;
}

interface Answer {
  readonly question: Question;
  readonly value: Promise<unknown>;
  readonly askedAt: number;
}

const RELOAD = cmd`systemctl daemon-reload`;

/** Long enough for a run to share what it read, short enough that a person's pause before "yes" is noticed. */
const FRESH_MILLISECONDS = 20_000;

/**
 * What one provider process knows of one host. Questions asked while another call is on its way travel together in
 * the next; answers are kept until something they are about changes.
 */
export class Session {
  readonly host: Host;
  readonly #answers = new Map<string, Answer>();
  #pending: Question[] = [];
  #flushing = false;
  #turn: Promise<unknown> = Promise.resolve();
  #waitingTurns = 0;
  #owesReload = false;

  constructor(host: Host) {
    this.host = host;
  }

  readonly ask: Ask = (fact, args) => {
    const { question, value } = this.#open(fact, args);
    if (question !== undefined) {
      this.#pending.push(question);
      void this.#flush();
    }
    return value;
  };

  /** Runs `work` when every earlier one on this host has ended: a plan is made from what the last writer left. */
  inTurn<T>(work: () => Promise<T>): Promise<T> {
    this.#waitingTurns++;
    const result = this.#turn.then(async () => {
      this.#waitingTurns--;
      try {
        return await work();
      } finally {
        if (this.#owesReload && this.#waitingTurns === 0) await this.change([], undefined, ["units"], new Map());
      }
    });
    this.#turn = result.catch(() => undefined);
    return result;
  }

  /** An `ask` that remembers its questions, for {@link change} to ask again in the call that changes their answers. */
  recorder(): { readonly ask: Ask; readonly asked: ReadonlyMap<string, () => Question> } {
    const asked = new Map<string, () => Question>();
    const ask: Ask = (fact, args) => {
      asked.set(keyOf(fact, args), () => {
        const { question } = this.#open(fact, args);
        if (question === undefined) throw new Error("A stale answer was kept.");
        return question;
      });
      return this.ask(fact, args);
    };
    return { ask, asked };
  }

  /**
   * Runs the steps in one call, each after its guard, and asks again what they made stale.
   * @throws {DataLossRefused} when a guard failed, {CommandFailed} when a step did; the steps before it are done.
   */
  async change(steps: readonly Step[], device: string | undefined, stale: readonly About[], again: ReadonlyMap<string, () => Question>): Promise<void> {
    const commands = steps.flatMap((step) => (step.guard === undefined ? [step.command] : [step.guard, step.command]));
    this.#owesReload ||= steps.some((step) => step.owesReload === true);
    const reloads = this.#owesReload && this.#waitingTurns === 0 && device === undefined;
    if (reloads) {
      commands.push(RELOAD);
      this.#owesReload = false;
    }
    this.#forget(stale);
    const questions: Question[] = [];
    for (const [key, reopen] of again) if (!this.#answers.has(key)) questions.push(reopen());
    try {
      const answers = await this.host.call({ steps: commands, questions: questions.map(({ command }) => command), lock: device ?? HOST_LOCK });
      // Others may have asked while the steps ran: their answers are of neither before nor after.
      this.#forget(stale, new Set(questions));
      questions.forEach((question, index) => question.settle(answers.questions[index]!));
      const last = answers.steps.length - 1;
      if (!succeeded(commands[last]!, answers.steps[last]!)) this.#throwFailure(steps, commands[last]!, answers.steps[last]!);
    } catch (error) {
      for (const question of questions) question.fail(error);
      this.#forget(stale);
      throw error;
    }
  }

  #throwFailure(steps: readonly Step[], command: Command, output: Output): never {
    const said = output.stderr.trim() || output.stdout.trim() || "nothing was said";
    const guarded = steps.find(({ guard }) => guard === command);
    if (guarded !== undefined) {
      throw new DataLossRefused(`${this.host.name}: refused to ${guarded.summary}: ${said}`, "make sure nothing there is needed, then follow the runbook docs/runbooks/clear-a-device.md.");
    }
    const step = steps.find((candidate) => candidate.command === command);
    throw new CommandFailed(`${this.host.name}: could not ${step?.summary ?? "let systemd read its files"}: ${said} (exit code ${output.exitCode})`, `on the host: ${printCommand(command)}`);
  }

  /** The known answer, or a question still to be put. */
  #open<A, T>(fact: Fact<A, T>, args: A): { readonly question?: Question; readonly value: Promise<T> } {
    const key = keyOf(fact, args);
    const known = this.#answers.get(key);
    if (known !== undefined && Date.now() - known.askedAt < FRESH_MILLISECONDS) return { value: known.value as Promise<T> };
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    promise.catch(() => this.#answers.delete(key)); // an error is told once to each who asked, and asked anew after
    const command = fact.command(args);
    const question: Question = {
      key,
      about: fact.about,
      command,
      settle: (output) => {
        try {
          if (!succeeded(command, output)) throw new Error(`exit code ${output.exitCode}: ${output.stderr.trim()}`);
          resolve(fact.parse(output, args));
        } catch (error) {
          const said = error instanceof z.ZodError ? z.prettifyError(error) : error instanceof Error ? error.message : String(error);
          reject(new UnexpectedOutput(`${this.host.name}: could not read ${fact.name}: ${said}`, `on the host: ${printCommand(command)}`));
        }
      },
      fail: reject,
    };
    this.#answers.set(key, { question, value: promise, askedAt: Date.now() });
    return { question, value: promise };
  }

  async #flush(): Promise<void> {
    if (this.#flushing) return;
    this.#flushing = true;
    try {
      // The engine sends what may go side by side within a few milliseconds.
      await new Promise((resolve) => setTimeout(resolve, 5));
      while (this.#pending.length > 0) {
        for (const fact of HOST_WIDE) {
          const { question } = this.#open(fact, undefined);
          if (question !== undefined) this.#pending.push(question);
        }
        const questions = this.#pending;
        this.#pending = [];
        try {
          const answers = await this.host.call({ steps: [], questions: questions.map(({ command }) => command) });
          questions.forEach((question, index) => question.settle(answers.questions[index]!));
        } catch (error) {
          for (const question of questions) question.fail(error);
        }
      }
    } finally {
      this.#flushing = false;
    }
  }

  #forget(stale: readonly About[], except: ReadonlySet<Question> = new Set()): void {
    for (const [key, { question }] of this.#answers) {
      if (!except.has(question) && question.about.some((about) => stale.includes(about))) this.#answers.delete(key);
    }
  }
}

function keyOf(fact: Fact<never, unknown>, args: unknown): string {
  return `${fact.name} ${JSON.stringify(args)}`;
}
