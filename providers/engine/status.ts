import type { Running } from "../host/host.ts";
import type { Step } from "./plan.ts";

/** Who is to see how far a step is. */
interface Viewer {
  readonly step: Step;
  readonly show: ((status: string) => void) | undefined;
}

const EVERY_MILLISECONDS = 2000;

/** Shows what a call with steps is doing, again and again while it takes long. What is quick is not shown. */
export class Status {
  readonly #viewers: readonly (readonly Viewer[])[];
  readonly #ticker: NodeJS.Timeout | undefined;
  #running: Running | undefined;
  #began = 0;
  readonly #shown = new Set<(status: string) => void>();

  /** @param viewers of each command of the call, in order */
  constructor(viewers: readonly (readonly Viewer[])[]) {
    this.#viewers = viewers;
    if (viewers.flat().some(({ show }) => show !== undefined))
      this.#ticker = setInterval(() => this.#show(), EVERY_MILLISECONDS).unref();
  }

  /** For {@link Program.tell}; undefined: nobody is to see it. */
  get tell(): ((running: Running) => void) | undefined {
    return this.#ticker === undefined ? undefined : (running) => this.#take(running);
  }

  /** Takes back what is still shown. */
  end(): void {
    clearInterval(this.#ticker);
    for (const show of this.#shown) show("");
  }

  #take(running: Running): void {
    if (running.line === undefined) this.#began = Date.now();
    // The last words of a step before this one.
    else if (running.at !== this.#running?.at) return;
    this.#running = running;
  }

  #show(): void {
    if (this.#running === undefined || Date.now() - this.#began < EVERY_MILLISECONDS) return;
    const { at, line } = this.#running;
    const seconds = `${Math.round((Date.now() - this.#began) / 1000)} s`;
    const viewers = at === "lock" ? this.#viewers.flat() : (this.#viewers[at] ?? []);
    for (const { step, show } of viewers) {
      if (show === undefined) continue;
      const far = line === undefined ? undefined : step.readProgress?.(line);
      const doing = far === undefined ? step.summary : `${step.summary}: ${far}`;
      show(`${at === "lock" ? "waits for another writer on the host" : doing}, ${seconds}`);
      this.#shown.add(show);
    }
  }
}
