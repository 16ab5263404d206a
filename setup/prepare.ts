/** What must be there before anything else: made where it is absent, side by side. */

/** Something that is absent, and roughly how long it takes to make it, in words. */
export interface Need {
  readonly what: string;
  readonly takes: string;
}

export interface Preparation {
  readonly missing: () => Promise<readonly Need[]>;
  /** Makes what is missing. When the signal comes it ends in good order, and throws. */
  readonly make: (signal: AbortSignal) => Promise<unknown>;
}

/** Says what is missing, and makes it. */
export async function prepare(...preparations: readonly Preparation[]): Promise<void> {
  const needs = (await Promise.all(preparations.map(({ missing }) => missing()))).flat();
  if (needs.length > 0)
    console.log(`Missing here, and made now:\n${needs.map(({ what, takes }) => `  ${what}: ${takes}`).join("\n")}`);
  await together(preparations.map(({ make }) => make));
}

/** Does works at the same time. If one fails, the others are told to end and waited for, and its error is thrown. */
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
        if (!signal.aborted && pending > 1) console.log("That failed; what else goes on is ended first.");
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
