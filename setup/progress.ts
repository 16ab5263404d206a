/** A need that is missing: one sentence is all that there is to say. */
export class MissingNeed extends Error {}

/** Says what is done and, every 15 seconds, that it goes on; at the end how long it took. */
export async function step<T>(what: string, work: () => Promise<T>): Promise<T> {
  const began = Date.now();
  const seconds = () => Math.round((Date.now() - began) / 1000);
  console.log(`${what} …`);
  const ticker = setInterval(
    () => console.log(`  … ${what[0]?.toLowerCase()}${what.slice(1)}: ${seconds()} s`),
    15_000,
  );
  try {
    const result = await work();
    if (seconds() >= 5) console.log(`  done in ${seconds()} s`);
    return result;
  } finally {
    clearInterval(ticker);
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
