/** Makes what a command needs before it can start, several things at the same time. */
import { MissingNeed } from "./progress.ts";

/** Something that is absent, and in words roughly how long it takes to make. */
export interface Need {
  readonly what: string;
  readonly takes: string;
}

export interface Preparation {
  readonly missing: () => Promise<readonly Need[]>;
  /** Makes what is missing. When the signal comes, it cleans up and throws. */
  readonly make: (signal: AbortSignal) => Promise<unknown>;
}

/**
 * Prints what is missing, and makes it. Ctrl-C stops it, and leaves nothing half made; a second one doesn't wait.
 * @throws {MissingNeed} where it was stopped
 */
export async function prepare(...preparations: readonly Preparation[]): Promise<void> {
  const needs = (await Promise.all(preparations.map(({ missing }) => missing()))).flat();
  if (needs.length > 0)
    console.log(`Missing here, made now:\n${needs.map(({ what, takes }) => `  ${what}: ${takes}`).join("\n")}`);
  const stop = new AbortController();
  const onSignal = () => {
    console.log("Stopping …");
    stop.abort(new MissingNeed("Stopped."));
    // Not at once: execa ends this process at a signal to which nobody else listens.
    setImmediate(unlisten);
  };
  const signals = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
  const unlisten = () => signals.forEach((signal) => process.off(signal, onSignal));
  for (const signal of signals) process.on(signal, onSignal);
  try {
    await together(
      preparations.map(({ make }) => make),
      stop.signal,
    );
  } finally {
    unlisten();
  }
}

/**
 * Runs works at the same time, and gives their results in order. If one fails, the others get the signal to stop, and
 * are waited for.
 *
 * @throws the error of the first that fails, or the reason of the outer signal
 */
export async function together<T>(
  works: readonly ((signal: AbortSignal) => Promise<T>)[],
  outer?: AbortSignal,
): Promise<T[]> {
  const failed = new AbortController();
  const signal = outer === undefined ? failed.signal : AbortSignal.any([failed.signal, outer]);
  let pending = works.length;
  const outcomes = await Promise.allSettled(
    works.map(async (work) => {
      try {
        return await work(signal);
      } catch (error) {
        if (!signal.aborted && pending > 1) console.log("That failed; stopping the other steps first …");
        failed.abort(error);
        throw error;
      } finally {
        pending--;
      }
    }),
  );
  signal.throwIfAborted();
  return outcomes.map((outcome) => (outcome as PromiseFulfilledResult<T>).value);
}
