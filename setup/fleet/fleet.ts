import type { Plan } from "../preview/plan.ts";
import type { Operation } from "./operate.ts";
import { succeeded, type FleetRun, type StackRun } from "./run.ts";
import { schedule, type Limits } from "./schedule.ts";
import { printSum, Progress, type Screen } from "./show.ts";

/** Does an operation to a stack; what goes wrong is in the result. */
export type Work = (
  operation: Operation,
  stack: string,
  onProgress: (text: string) => void,
) => Promise<{ readonly run: StackRun; readonly plan: Plan }>;

/** What all stacks of a run share. */
export class Fleet {
  readonly #run: FleetRun;
  readonly #work: Work;
  readonly #screen: Screen;
  readonly #signal: AbortSignal;

  /** @param shared `signal` begins nothing more; to end what runs is up to `work` */
  constructor(shared: {
    readonly run: FleetRun;
    readonly work: Work;
    readonly screen: Screen;
    readonly signal: AbortSignal;
  }) {
    this.#run = shared.run;
    this.#work = shared.work;
    this.#screen = shared.screen;
    this.#signal = shared.signal;
  }

  /**
   * @param before gives what decides on a stack before it is begun; undefined: it is begun
   * @returns why not all were begun
   */
  async run(
    operation: Operation,
    stacks: readonly string[],
    limits: Limits,
    before: (stack: string) => StackRun | undefined = () => undefined,
  ): Promise<string | undefined> {
    const progress = new Progress(this.#screen, operation, stacks.length);
    const work = async (stack: string) => {
      const decided = before(stack);
      if (decided !== undefined) {
        await this.#run.set(stack, decided);
        return false;
      }
      await this.#run.set(stack, { result: "begun", changes: {}, seconds: 0 });
      const { run } = await this.#operate(operation, stack, progress);
      await this.#run.set(stack, run);
      return succeeded(run);
    };
    try {
      return await schedule(stacks, limits, work, this.#signal);
    } finally {
      progress.close();
    }
  }

  /** Previews all, asks, and brings up those whose preview neither failed nor destroys data that it may not. */
  async up(
    stacks: readonly string[],
    limits: Limits,
    {
      lossAllowed,
      mayGoOn,
    }: { readonly lossAllowed: readonly string[]; readonly mayGoOn: (question: string) => Promise<boolean> },
  ): Promise<string | undefined> {
    const previews = new Map<string, { readonly run: StackRun; readonly plan: Plan }>();
    const progress = new Progress(this.#screen, "preview", stacks.length);
    const preview = async (stack: string) => {
      const one = await this.#operate("preview", stack, progress);
      previews.set(stack, one);
      return succeeded(one.run);
    };
    const all = { ...limits, canaries: [], maxFailures: Number.POSITIVE_INFINITY };
    const unseen = await schedule(stacks, all, preview, this.#signal).finally(() => progress.close());
    if (unseen !== undefined || this.#signal.aborted) return "stopped";
    const decided = (stack: string): StackRun | undefined => {
      const { run, plan } = previews.get(stack)!;
      if (!succeeded(run)) return run;
      if (lossAllowed.includes(stack) || !plan.changes.some(({ destroysData }) => destroysData)) return undefined;
      const error = `it would destroy data. Next: read its preview; --allow-data-loss ${stack}`;
      return { ...run, result: "refused", error };
    };
    const able = stacks.filter((stack) => decided(stack) === undefined);
    this.#screen.write(`${printSum([...previews.values()].map(({ plan }) => plan)).join("\n")}\n`);
    if (able.length > 0 && !(await mayGoOn(`Bring up ${able.length} of ${stacks.length} stacks?`)))
      return "the question was answered with no";
    return this.run("up", stacks, limits, decided);
  }

  async #operate(operation: Operation, stack: string, progress: Progress) {
    progress.begin(stack);
    const outcome = await this.#work(operation, stack, (text) => progress.tell(stack, text));
    progress.end(stack, outcome.run);
    return outcome;
  }
}
