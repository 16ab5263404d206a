import { join, relative } from "node:path";
import { declaredOf } from "../stackFile.ts";
import { operate } from "./operate.ts";
import { printChanges } from "./show.ts";
import { stopOnSignals } from "./stop.ts";
import { TierProgress } from "./tierProgress.ts";

/** Between two lines on how far all is. */
const QUIET_SECONDS = 15;

/**
 * Brings up a stack and prints how far it is, tier by tier: for who reads the lines later, such as those of a CI job.
 * @param folder holds its Pulumi.STACK.yaml, and gets the whole log
 * @param env in which `pulumi` works
 * @returns the exit code
 */
export async function upByTier(stack: string, folder: string, env: Readonly<Record<string, string>>): Promise<number> {
  // What the providers say of what takes long arrives as events.
  Object.assign(process.env, env, { JTS_STORAGE_STATUS: "1" });
  const signal = stopOnSignals(process.stdout);
  const file = relative(process.cwd(), join(folder, `${stack}.up.log`));
  const seconds = () => Date.now() / 1000;
  const began = seconds();
  const progress = new TierProgress();
  const print = (lines: readonly string[]) => lines.forEach((line) => console.log(line));
  console.log(`Bringing up stack ${stack} … The whole log: ${file}`);
  const ticker = setInterval(() => print([progress.print(began, seconds())]), QUIET_SECONDS * 1000);
  try {
    // Counts are all that is lost without it.
    void declaredOf(join(folder, `Pulumi.${stack}.yaml`)).then((all) => progress.expect(all), ignore);
    const { run } = await operate("up", stack, {
      configFolder: folder,
      folder,
      signal,
      onEvent: (event) => print(progress.take(event)),
    });
    print(progress.printRest());
    const why = run.error === undefined ? "" : `: ${run.error}`;
    console.log(`${stack}: up ${run.result}, changes: ${printChanges(run.changes)}, ${run.seconds} s${why}`);
    console.log(`The whole log: ${file}`);
    return signal.aborted ? 130 : run.result === "ok" ? 0 : 1;
  } finally {
    clearInterval(ticker);
  }
}

function ignore(): void {}
