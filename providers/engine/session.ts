import { setTimeout as sleep } from "node:timers/promises";
import { z } from "zod";
import type { About, Ask, Fact } from "../facts/fact.ts";
import { HOST_WIDE } from "../facts/hostWide.ts";
import {
  cmd,
  isProgram,
  isSameProgram,
  joinPrograms,
  printCommand,
  recordsDone,
  saidBy,
  succeeded,
  type Command,
  type Output,
} from "../host/command.ts";
import { deviceLock, HOST_LOCK, type Host } from "../host/host.ts";
import { CommandFailed, DataLossRefused, UnexpectedOutput } from "../errors.ts";
import type { Step } from "./plan.ts";

interface Question {
  readonly key: string;
  readonly fact: Fact<unknown, unknown>;
  readonly args: unknown;
  readonly command: Command;
  settle(output: Output): void;
  fail(error: unknown): void;
  /** A command that it shared with others failed: it is asked by itself. */
  isAlone: boolean;
}

/** A command that answers questions, one or several. */
interface Inquiry {
  readonly command: Command;
  readonly questions: readonly Question[];
}

interface Answer {
  readonly about: readonly About[];
  /** The question whose answer this is, while it is on its way or after. */
  readonly question?: Question;
  readonly value: Promise<unknown>;
  /** When it came; undefined: it is on its way. */
  settledAt?: number;
}

/** What a resource wants done on the host. */
export interface Work<S> {
  /** The resource's kind. */
  readonly kind: string;
  observe(ask: Ask): Promise<S>;
  /** The steps from what was seen to what is wanted. @throws {DataLossRefused} */
  plan(seen: S): readonly Step[];
  readonly changes: readonly About[];
}

interface Waiting {
  readonly work: Work<unknown>;
  /** How often it was planned on what another writer then changed. */
  readonly overtaken: number;
  readonly resolve: (seen: unknown) => void;
  readonly reject: (error: unknown) => void;
}

interface Turn<S> {
  readonly seen: S;
  readonly steps: readonly Step[];
  readonly changes: readonly About[];
  readonly asked: ReadonlyMap<string, () => Question>;
}

/** A step, and whose it is. */
interface Owner {
  readonly turn: number;
  readonly step: Step;
}

/** A command of a call: a step's, or of several steps that are one program's, each of which is a record to it. */
interface Part {
  readonly command: Command;
  readonly isGuard: boolean;
  readonly owners: readonly [Owner, ...Owner[]];
}

/** A step or guard of the turn with this number failed. */
class StepFailure extends Error {
  readonly turn: number;
  /** The turns before this one are done, those after it are not. */
  readonly done: number;
  /** What the step was planned on was changed meanwhile: it did nothing, and another look may do. */
  readonly isOvertaken: boolean;
  constructor(turn: number, done: number, cause: Error, { exitCode }: Output) {
    super(cause.message, { cause });
    this.turn = turn;
    this.done = done;
    this.isOvertaken = exitCode === OVERTAKEN;
  }
}

/** The engine sends what may go side by side one after another, some milliseconds apart: a pause as long as this ends it. */
const GATHER_MILLISECONDS = 40;
/** An engine that never pauses. */
const GATHER_AT_MOST_MILLISECONDS = 400;

/** A pause in which the engine would have sent what waited for the last to end. */
const IDLE_MILLISECONDS = 5000;

/** The shell's exit code for a command that isn't there. */
const NOT_FOUND = 127;
/** As timeout(1) ends, with SIGTERM or SIGKILL. */
const TIMED_OUT = [124, 137];

/** EX_TEMPFAIL of sysexits.h(3head): our programs' for a file that another writer changed after it was looked at. */
const OVERTAKEN = 75;
/** Two stacks that work at once overtake each other a few times; more often, something writes without end. */
const MAY_BE_OVERTAKEN = 10;

const RELOAD = cmd`systemctl daemon-reload`;
/** It goes on by itself, so that nobody waits for it at the end of a process. */
const RELOAD_ALONE = cmd`setsid --fork systemctl daemon-reload`;

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
  #hasAsked = false;
  /** Who waits for the host's turn. */
  readonly #waiting: Waiting[] = [];
  #serving = false;
  /** Works that came and have not ended. */
  #underWay = 0;
  /** systemd must still read its files. */
  #owesReload = false;
  #idle: NodeJS.Timeout | undefined;

  constructor(host: Host) {
    this.host = host;
    // The engine ends its providers as soon as it needs them no more.
    host.beforeEnd?.(() => (this.#owesReload ? { steps: [RELOAD_ALONE], questions: [], lock: HOST_LOCK } : undefined));
  }

  readonly ask: Ask = (fact, args) => {
    const { question, value } = this.#open(fact, args);
    if (question !== undefined) {
      this.#pending.push(question);
      void this.#flush();
    }
    return value;
  };

  /**
   * Carries out one work: looks, plans, and runs the steps, each after its guard, in one call that also asks again what
   * they made stale. Works that want the host's turn at the same time share it: each is planned on what those before
   * it will leave, and all their steps travel in one call. Works with a device of their own go side by side.
   * @param device whose turn alone is needed; undefined: the host's
   * @returns what was seen before
   * @throws {DataLossRefused} when a guard failed, {CommandFailed} when a step did; the steps before it are done.
   */
  async carryOut<S>(work: Work<S>, device: string | undefined): Promise<S> {
    this.#underWay++;
    clearTimeout(this.#idle);
    try {
      if (device === undefined) {
        const { promise, resolve, reject } = Promise.withResolvers<S>();
        // It looks while others have their turn; what they change it will look at again.
        void work.observe(this.ask).catch(() => undefined);
        this.#waiting.push({ work, overtaken: 0, resolve, reject } as Waiting);
        void this.#serve();
        return await promise;
      }
      const turn = await this.#prepare(work);
      if (turn.steps.length > 0) await this.#run([turn], device);
      return turn.seen;
    } catch (error) {
      throw error instanceof StepFailure ? error.cause : error;
    } finally {
      this.#underWay--;
      this.#payWhenIdle();
    }
  }

  /** systemd's reading takes seconds on a slow host: it is paid once for all, when nothing more comes. */
  #payWhenIdle(): void {
    if (!this.#owesReload || this.#underWay > 0) return;
    clearTimeout(this.#idle);
    this.#idle = setTimeout(() => {
      if (this.#owesReload && this.#underWay === 0) void this.#reload();
    }, IDLE_MILLISECONDS).unref();
  }

  /** Nobody waits for it, so that what goes wrong is told by itself. */
  async #reload(): Promise<void> {
    this.#owesReload = false;
    this.#forget(new Set(["units"]), undefined);
    try {
      const { steps } = await this.host.call({ steps: [RELOAD], questions: [], lock: HOST_LOCK });
      this.#forget(new Set(["units"]), undefined);
      if (!succeeded(RELOAD, steps[0]!)) throw this.#stepFailed("let systemd read its files", RELOAD, steps[0]!);
    } catch (error) {
      // The end of the process pays it then, or the next that is idle.
      this.#owesReload = true;
      console.log((error as Error).message);
    }
  }

  async #serve(): Promise<void> {
    if (this.#serving) return;
    this.#serving = true;
    try {
      await gather(() => this.#waiting.length);
      while (this.#waiting.length > 0) await this.#serveTogether(byKind(this.#waiting.splice(0)));
    } finally {
      this.#serving = false;
    }
  }

  /** One turn of the host for all who wait for it. Those after the first that fails get another turn, on a fresh look. */
  async #serveTogether(batch: readonly Waiting[]): Promise<void> {
    // What they all want to know travels in one call; who can't be answered is told below.
    await Promise.allSettled(batch.map(({ work }) => work.observe(this.ask)));
    const turns: Turn<unknown>[] = [];
    const takers: Waiting[] = [];
    const settled: (() => void)[] = [];
    for (const waiting of batch) {
      try {
        const turn = await this.#prepare(waiting.work);
        if (turn.steps.length === 0) {
          settled.push(() => waiting.resolve(turn.seen));
          continue;
        }
        turns.push(turn);
        takers.push(waiting);
        for (const { foresees } of turn.steps)
          if (foresees !== undefined)
            this.#answers.set(keyOf(foresees.fact, undefined), {
              about: foresees.fact.about,
              value: Promise.resolve(foresees.value),
              settledAt: Date.now(),
            });
      } catch (error) {
        settled.push(() => waiting.reject(error));
      }
    }
    let done = turns.length;
    try {
      if (turns.length > 0) await this.#run(turns, undefined);
    } catch (error) {
      done = error instanceof StepFailure ? error.done : 0;
      const cause = error instanceof StepFailure ? error.cause : error;
      if (error instanceof StepFailure) {
        const failed = takers[error.turn];
        const rest = takers.slice(done).filter((taker) => taker !== failed);
        const isAgain = failed !== undefined && error.isOvertaken && failed.overtaken < MAY_BE_OVERTAKEN;
        this.#waiting.unshift(...(isAgain ? [{ ...failed, overtaken: failed.overtaken + 1 }] : []), ...rest);
        if (!isAgain) settled.push(() => failed?.reject(cause));
      } else {
        // Nobody knows how far the steps came.
        settled.push(() => takers.forEach((taker) => taker.reject(cause)));
      }
    }
    turns.slice(0, done).forEach((turn, index) => settled.push(() => takers[index]!.resolve(turn.seen)));
    for (const settle of settled) settle();
  }

  /** Looks and plans. The questions are kept, for the call that changes their answers to ask them again. */
  async #prepare<S>(work: Work<S>): Promise<Turn<S>> {
    const asked = new Map<string, () => Question>();
    const seen = await work.observe((fact, args) => {
      if (fact.isProofBefore !== true) asked.set(keyOf(fact, args), () => this.#open(fact, args).question!);
      return this.ask(fact, args);
    });
    return { seen, steps: work.plan(seen), changes: work.changes, asked };
  }

  /** @throws {StepFailure} for a turn's failure; anything else is the whole call's. */
  async #run(turns: readonly Turn<unknown>[], device: string | undefined): Promise<void> {
    const parts = partsOf(turns);
    this.#owesReload ||= turns.some(({ steps }) => steps.some((step) => step.owesReload === true));
    const stale = new Set(turns.flatMap(({ changes }) => changes));
    this.#forget(stale, device);
    const again = new Map(turns.flatMap(({ asked }) => [...asked]));
    const questions = [...again].flatMap(([key, open]) => (this.#answers.has(key) ? [] : [open()]));
    const inquiries = inquiriesFor(questions);
    try {
      const answers = await this.host.call({
        steps: parts.map(({ command }) => command),
        questions: inquiries.map(({ command }) => command),
        lock: device === undefined ? HOST_LOCK : deviceLock(device),
      });
      // Others may have asked while the steps ran: their answers are of neither before nor after.
      this.#forget(stale, device, new Set(questions));
      this.#settle(inquiries, answers.questions);
      const last = answers.steps.length - 1;
      const output = answers.steps[last];
      const part = parts[last];
      if (output === undefined || part === undefined || succeeded(part.command, output)) return;
      const { command, isGuard, owners } = part;
      const { turn, step } = owners[recordsDone(output)] ?? owners[0];
      const failure = isGuard
        ? this.#guardFailed(step.summary, output)
        : this.#stepFailed(step.summary, command, output);
      // Of a guard that several share, none of theirs has run.
      throw new StepFailure(turn, isGuard ? owners[0].turn : turn, failure, output);
    } catch (error) {
      for (const question of questions) question.fail(error);
      this.#forget(stale, device);
      throw error;
    }
  }

  #guardFailed(summary: string, output: Output): DataLossRefused {
    return new DataLossRefused(
      `${this.host.name}: refused to ${summary}: ${saidBy(output)}`,
      "make sure nothing there is needed, then follow the runbook docs/runbooks/clear-a-device.md.",
    );
  }

  #stepFailed(summary: string, command: Command, output: Output): CommandFailed {
    return new CommandFailed(
      `${this.host.name}: could not ${summary}: ${saidBy(output)} (exit code ${output.exitCode})`,
      nextAfter(command, output),
    );
  }

  /** The known answer, or a question still to be put. */
  #open<A, T>(fact: Fact<A, T>, args: A): { readonly question?: Question; readonly value: Promise<T> } {
    const key = keyOf(fact, args);
    const known = this.#answers.get(key);
    if (known !== undefined && (known.settledAt === undefined || Date.now() - known.settledAt < FRESH_MILLISECONDS))
      return { value: known.value as Promise<T> };
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    const command = fact.command(args);
    const question: Question = {
      key,
      fact: fact,
      args,
      command,
      isAlone: false,
      settle: (output) => {
        try {
          if (!succeeded(command, output))
            throw new Error(
              TIMED_OUT.includes(output.exitCode)
                ? "no answer in time"
                : `exit code ${output.exitCode}: ${output.stderr.trim()}`,
            );
          resolve(fact.parse(output, args));
        } catch (error) {
          const said =
            error instanceof z.ZodError
              ? z.prettifyError(error)
              : error instanceof Error
                ? error.message
                : String(error);
          reject(
            new UnexpectedOutput(`${this.host.name}: could not read ${fact.name}: ${said}`, nextAfter(command, output)),
          );
        }
      },
      fail: reject,
    };
    const answer: Answer = { about: fact.about, question, value: promise };
    promise.then(
      () => (answer.settledAt = Date.now()),
      // An error is told once to each who asked, and asked anew after.
      () => this.#answers.get(key) === answer && this.#answers.delete(key),
    );
    this.#answers.set(key, answer);
    return { question, value: promise };
  }

  async #flush(): Promise<void> {
    if (this.#flushing) return;
    this.#flushing = true;
    try {
      await gather(() => this.#pending.length);
      while (this.#pending.length > 0) {
        if (!this.#hasAsked) {
          this.#hasAsked = true;
          for (const fact of HOST_WIDE) {
            const { question } = this.#open(fact, undefined);
            if (question !== undefined) this.#pending.push(question);
          }
        }
        const questions = this.#pending;
        this.#pending = [];
        const inquiries = inquiriesFor(questions);
        try {
          const answers = await this.host.call({ steps: [], questions: inquiries.map(({ command }) => command) });
          this.#settle(inquiries, answers.questions);
        } catch (error) {
          for (const question of questions) question.fail(error);
        }
      }
    } finally {
      this.#flushing = false;
    }
  }

  /** Who shared a command that failed is asked by itself. */
  #settle(inquiries: readonly Inquiry[], outputs: readonly Output[]): void {
    for (const [index, { command, questions }] of inquiries.entries()) {
      const output = outputs[index]!;
      const [first] = questions;
      if (questions.length === 1) first!.settle(output);
      else if (succeeded(command, output)) {
        for (const [at, question] of questions.entries()) {
          question.settle(question.fact.together!.part(output, question.args, at));
        }
      } else {
        for (const question of questions) question.isAlone = true;
        this.#pending.push(...questions);
        void this.#flush();
      }
    }
  }

  /** @param device what a work with a device's turn changed, so that answers about other devices are still good */
  #forget(stale: ReadonlySet<About>, device: string | undefined, except: ReadonlySet<Question> = new Set()): void {
    for (const [key, { about, question }] of this.#answers) {
      if (question !== undefined && except.has(question)) continue;
      // A label or UUID may have come or gone with any device.
      const isOfAnother = device !== undefined && /"\/dev\//.test(key) && !key.includes(JSON.stringify(device));
      if (!isOfAnother && about.some((one) => stale.has(one))) this.#answers.delete(key);
    }
  }
}

/** Waits until no more come, by how many there are. */
async function gather(count: () => number): Promise<void> {
  const end = Date.now() + GATHER_AT_MOST_MILLISECONDS;
  for (let before = -1; before !== count() && Date.now() < end;) {
    before = count();
    await sleep(GATHER_MILLISECONDS);
  }
}

/** Works of one kind after one another, in the order in which the kinds came, so that they are carried out together. */
function byKind(batch: readonly Waiting[]): readonly Waiting[] {
  return [...Map.groupBy(batch, ({ work }) => work.kind).values()].flat();
}

/** The commands of all turns; steps of one program that follow one another are one command, and so are their guards. */
function partsOf(turns: readonly Turn<unknown>[]): readonly Part[] {
  const groups: [Owner, ...Owner[]][] = [];
  for (const [turn, { steps }] of turns.entries()) {
    for (const step of steps) {
      const last = groups.at(-1);
      if (last !== undefined && canJoin(last[0].step, step)) last.push({ turn, step });
      else groups.push([{ turn, step }]);
    }
  }
  return groups.flatMap((owners) => {
    const join = (commands: readonly Command[]) => joinPrograms(commands as [Command, ...Command[]]);
    const guards = owners.flatMap(({ step }) => step.guard ?? []);
    const command = join(owners.map(({ step }) => step.command));
    return [
      ...(guards.length > 0 ? [{ command: join(guards), isGuard: true, owners }] : []),
      { command, isGuard: false, owners },
    ];
  });
}

function canJoin(one: Step, other: Step): boolean {
  if (!isSameProgram(one.command, other.command)) return false;
  if (one.guard === undefined || other.guard === undefined) return one.guard === other.guard;
  return isSameProgram(one.guard, other.guard);
}

/** The questions' commands: one for all that can be asked together. */
function inquiriesFor(questions: readonly Question[]): readonly Inquiry[] {
  const groups = Map.groupBy(questions, (question) =>
    question.fact.together === undefined || question.isAlone ? question : question.fact,
  );
  return [...groups.values()].map((group) => {
    const [{ fact, command }] = group as [Question];
    return {
      questions: group,
      command: group.length === 1 ? command : fact.together!.command(group.map(({ args }) => args)),
    };
  });
}

/** What to try after a command that failed, by what it said. */
function nextAfter(command: Command, output: Output): string {
  const said = saidBy(output);
  if (output.exitCode === NOT_FOUND) {
    const [, tool = command.argv[0] ?? ""] = /(\S+): command not found/.exec(said) ?? [];
    return `install on the host what has ${tool}: apt-get install --reinstall, with the packages that this stack needs.`;
  }
  if (said.includes("Read-only file system"))
    return "on the host: findmnt --output TARGET,OPTIONS; dmesg --level=err,crit; where its disk is sound: mount -o remount,rw /";
  if (said.includes("No space left on device"))
    return "on the host: df --human-readable --local; make room, then: pulumi up --refresh";
  if (TIMED_OUT.includes(output.exitCode) || said.includes("doesn't answer"))
    return "on the host: dmesg | tail; for a NAS, showmount --exports SERVER and docs/runbooks/nas-replaced.md; once it answers: pulumi up --refresh";
  return isProgram(command) ? "mend what it says, then: pulumi up --refresh" : `on the host: ${printCommand(command)}`;
}

function keyOf(fact: Fact<never, unknown>, args: unknown): string {
  return `${fact.name} ${JSON.stringify(args)}`;
}
