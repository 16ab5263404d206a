/** A need that is missing: one sentence is all that there is to say. */
export class MissingNeed extends Error {}

/** What goes on now; one line tells all of it, every 15 seconds. */
const current = new Set<{ readonly what: string; readonly began: number }>();
let ticker: NodeJS.Timeout | undefined;

const secondsSince = (began: number) => Math.round((Date.now() - began) / 1000);

/** Says what is done and, every 15 seconds, that it goes on; at the end how long it took. Several may go on at once. */
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

/** Runs a command's main function: a missing need is one sentence and exit code 1, not a stack. */
export async function main(work: () => Promise<number | void>): Promise<void> {
  try {
    process.exitCode = (await work()) ?? 0;
  } catch (error) {
    if (!(error instanceof MissingNeed)) throw error;
    console.error(error.message);
    process.exitCode = 1;
  }
}
