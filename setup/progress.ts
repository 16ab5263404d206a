/** Something that a command needs is missing. The message says all; a stack trace would not help. */
export class MissingNeed extends Error {}

/** The steps that run now. Every 15 seconds, one line names all of them. */
const current = new Set<{ readonly what: string; readonly began: number }>();
let ticker: NodeJS.Timeout | undefined;

const secondsSince = (began: number) => Math.round((Date.now() - began) / 1000);

/**
 * Prints what is done, every 15 seconds that it still runs, and at the end how long it took, if that was 5 seconds or
 * more. Several steps may run at once.
 */
export async function step<T>(what: string, work: () => Promise<T>): Promise<T> {
  const own = { what: `${what[0]?.toLowerCase()}${what.slice(1)}`, began: Date.now() };
  console.log(`${what} …`);
  current.add(own);
  ticker ??= setInterval(() => {
    const all = [...current].map(({ what, began }) => `${what}: ${secondsSince(began)} s`);
    console.log(`  … ${all.join("; ")}`);
  }, 15_000);
  try {
    const result = await work();
    if (secondsSince(own.began) >= 5) console.log(`  done in ${secondsSince(own.began)} s: ${own.what}`);
    return result;
  } finally {
    current.delete(own);
    if (current.size === 0) {
      clearInterval(ticker);
      ticker = undefined;
    }
  }
}

/** Runs a command's main function and sets the exit code. A {@link MissingNeed} is printed without a stack, with 1. */
export async function main(work: () => Promise<number | void>): Promise<void> {
  try {
    process.exitCode = (await work()) ?? 0;
  } catch (error) {
    if (!(error instanceof MissingNeed)) throw error;
    console.error(error.message);
    process.exitCode = 1;
  }
}
