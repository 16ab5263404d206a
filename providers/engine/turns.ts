import type { About, Ask } from "../facts/fact.ts";
import { isSameProgram, joinPrograms, recordsDone, succeeded, type Command, type Output } from "../host/command.ts";
import { deviceLock, HOST_LOCK, type Host } from "../host/host.ts";
import type { Answers, Asked } from "./answers.ts";
import { inBursts } from "./bursts.ts";
import type { Step } from "./plan.ts";
import { OwedReload } from "./reload.ts";
import { guardFailed, stepFailed } from "./remedies.ts";
import { Status } from "./status.ts";

/** What a resource wants done on the host. */
export interface Work<S> {
  /** The resource's kind. */
  readonly kind: string;
  observe(ask: Ask): Promise<S>;
  /** The steps from what was seen to what is wanted. @throws {DataLossRefused} */
  plan(seen: S): readonly Step[];
  readonly changes: readonly About[];
  /** Shows what goes on, while it goes on. */
  readonly show?: ((status: string) => void) | undefined;
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
  readonly show: Work<S>["show"];
  /** For the call that changes the answers to ask again. */
  readonly asked: Asked;
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

/** EX_TEMPFAIL of sysexits.h(3head): our programs' for a file that another writer changed after it was looked at. */
const OVERTAKEN = 75;
/** Two stacks that work at once overtake each other a few times; more often, something writes without end. */
const MAY_BE_OVERTAKEN = 10;

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

/** Who changes a host, one after another. */
export class Turns {
  readonly #host: Host;
  readonly #answers: Answers;
  readonly #reload: OwedReload;
  /** Who waits for the host's turn. */
  readonly #waiting: Waiting[] = [];

  constructor(host: Host, answers: Answers) {
    this.#host = host;
    this.#answers = answers;
    this.#reload = new OwedReload(host, answers);
  }

  /** @param device whose turn is enough; undefined: the host's is needed */
  carryOut<S>(work: Work<S>, device: string | undefined): Promise<S> {
    return this.#reload.during(() => (device === undefined ? this.#join(work) : this.#takeTurn(work, device)));
  }

  async #takeTurn<S>(work: Work<S>, device: string): Promise<S> {
    const turn = await this.#prepare(work);
    try {
      if (turn.steps.length > 0) await this.#run([turn], device);
    } catch (error) {
      throw error instanceof StepFailure ? error.cause : error;
    }
    return turn.seen;
  }

  /** Waits for the host's turn, and shares it with whoever waits for it too. */
  #join<S>(work: Work<S>): Promise<S> {
    const { promise, resolve, reject } = Promise.withResolvers<S>();
    // It looks while others have their turn; what they change it will look at again.
    void work.observe(this.#answers.ask).catch(() => undefined);
    this.#waiting.push({ work, overtaken: 0, resolve, reject } as Waiting);
    void this.#serve();
    return promise;
  }

  readonly #serve = inBursts(
    () => this.#waiting.length,
    () => this.#serveTogether(byKind(this.#waiting.splice(0))),
  );

  /**
   * One turn of the host for all who wait for it. Those after the first that fails get another turn, on a fresh look.
   */
  async #serveTogether(batch: readonly Waiting[]): Promise<void> {
    // What they all want to know travels in one call; whose question isn't answered learns it below.
    await Promise.allSettled(batch.map(({ work }) => work.observe(this.#answers.ask)));
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
          if (foresees !== undefined) this.#answers.foresee(foresees.fact, foresees.value);
      } catch (error) {
        settled.push(() => waiting.reject(error));
      }
    }
    let done = turns.length;
    try {
      if (turns.length > 0) await this.#run(turns, undefined);
    } catch (error) {
      done = error instanceof StepFailure ? error.done : 0;
      settled.push(...this.#afterFailure(error, takers));
    }
    turns.slice(0, done).forEach((turn, index) => settled.push(() => takers[index]!.resolve(turn.seen)));
    for (const settle of settled) settle();
  }

  /** Lets those wait again who have another chance. @returns what is to be said to the others */
  #afterFailure(error: unknown, takers: readonly Waiting[]): readonly (() => void)[] {
    // Of a lost call nobody knows how far its steps came.
    if (!(error instanceof StepFailure)) return takers.map((taker) => () => taker.reject(error));
    const failed = takers[error.turn]!;
    const rest = takers.slice(error.done).filter((taker) => taker !== failed);
    if (error.isOvertaken && failed.overtaken < MAY_BE_OVERTAKEN) {
      this.#waiting.unshift({ ...failed, overtaken: failed.overtaken + 1 }, ...rest);
      return [];
    }
    this.#waiting.unshift(...rest);
    return [() => failed.reject(error.cause)];
  }

  /** Looks and plans. */
  async #prepare<S>(work: Work<S>): Promise<Turn<S>> {
    const { ask, asked } = this.#answers.recorder();
    const seen = await work.observe(ask);
    return { seen, steps: work.plan(seen), changes: work.changes, show: work.show, asked };
  }

  /** @throws {StepFailure} for a turn's failure; anything else is the whole call's. */
  async #run(turns: readonly Turn<unknown>[], device: string | undefined): Promise<void> {
    const parts = partsOf(turns);
    if (turns.some(({ steps }) => steps.some((step) => step.owesReload === true))) this.#reload.owe();
    const stale = new Set(turns.flatMap(({ changes }) => changes));
    const status = new Status(
      parts.map(({ owners }) => owners.map(({ turn, step }) => ({ step, show: turns[turn]?.show }))),
    );
    const outputs = await this.#answers
      .change({
        tell: status.tell,
        steps: parts.map(({ command }) => command),
        lock: device === undefined ? HOST_LOCK : deviceLock(device),
        stale,
        device,
        asked: new Map(turns.flatMap(({ asked }) => [...asked])),
      })
      .finally(() => status.end());
    const output = outputs.at(-1);
    const part = parts[outputs.length - 1];
    if (output === undefined || part === undefined || succeeded(part.command, output)) return;
    this.#answers.forget(stale, device);
    const { command, isGuard, owners } = part;
    const { turn, step } = owners[recordsDone(output)] ?? owners[0];
    const failure = isGuard
      ? guardFailed(this.#host.name, step.summary, output)
      : stepFailed(this.#host.name, step.summary, command, output);
    // Where several share a guard, no step of theirs has run.
    throw new StepFailure(turn, isGuard ? owners[0].turn : turn, failure, output);
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
