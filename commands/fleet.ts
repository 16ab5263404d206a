/** `npm run fleet`: one operation on many stacks. USAGE says how. */
import { appendFile, readFile } from "node:fs/promises";
import { join, matchesGlob, resolve } from "node:path";
import { createInterface } from "node:readline/promises";
import { sha256 } from "../providers/values/sha256.ts";
import { command, WrongUsage } from "../setup/command.ts";
import { operate, OPERATION_NAMES, type Operation } from "../setup/fleet/operate.ts";
import { Fleet, type Work } from "../setup/fleet/fleet.ts";
import { FleetRun, succeeded, type StackRun } from "../setup/fleet/run.ts";
import { countDone, printRuns, type Screen } from "../setup/fleet/show.ts";
import { readLimit, selectCanaries, selectStacks } from "../setup/fleet/stacks.ts";
import { stopOnSignals } from "../setup/fleet/stop.ts";
import { prepare } from "../setup/prepare.ts";
import { MissingNeed } from "../setup/progress.ts";
import { MADE, pulumiEnvironment, ROOT } from "../setup/project.ts";
import { stateOf } from "../setup/sources.ts";
import { stacksIn } from "../setup/stackFile.ts";
import { tools } from "../setup/tools.ts";

const USAGE = `Usage: npm run fleet -- OPERATION [OPTION…]

Does the same to many stacks, some at a time. One stack that fails leaves the others alone. docs/scale.md says more.

  preview     what \`pulumi up\` would do to each; reaches no host
  up          previews all, asks, and brings up those that may be
  refresh     reads the hosts into the states
  drift       reads the hosts and says what an \`up\` would repair; changes nothing, the states neither
  list        prints the chosen stacks, and reaches nothing

  --stacks PATTERN          names of stacks, such as 'prod-*'; '!PATTERN' takes some out; may be given more than once.
                            Default: each Pulumi.STACK.yaml
  --config-dir DIR          where these files are; default: the checkout
  --backend URL             default: $PULUMI_BACKEND_URL, or with $PULUMI_ACCESS_TOKEN Pulumi Cloud
  --parallel N              stacks at the same time; default: 4
  --canary STACK|N          this stack, or the first N, go first; nothing else begins until they succeeded. STACK may be
                            given more than once
  --max-failures N|P%       begin nothing more once so many have failed; default: 10% for up, else no limit
  --resume                  go on with the stacks that did not succeed in the last run of the operation. The stacks, the
                            backend, the program and the stacks' files must be the same
  --yes                     don't ask before an up
  --allow-data-loss STACK   bring STACK up, too, if its preview destroys data; may be given more than once
  --json                    print one JSON document at the end, and progress on standard error
  --github-output FILE      list: append \`stacks=[…]\`, and \`canaries=[…]\`, which are not among the stacks then

The log of each stack is in .jts/fleet/OPERATION/TIME/. Ctrl-C lets what runs finish what it has begun; a second one
kills it.

Exit status: 0 all succeeded · 1 a stack failed, was refused or was not begun · 2 wrong usage · 3 drift: all could be
read, and some differ · 130 stopped
`;

/** What a stack's program is made of. */
const PROGRAM = ["{index,config}.ts", "{components,providers,scripts}/**", "package-lock.json", "Pulumi.yaml"];

await command(
  USAGE,
  {
    stacks: { type: "string", multiple: true, default: [] },
    "config-dir": { type: "string", default: ROOT },
    backend: { type: "string" },
    parallel: { type: "string", default: "4" },
    canary: { type: "string", multiple: true, default: [] },
    "max-failures": { type: "string" },
    resume: { type: "boolean", default: false },
    yes: { type: "boolean", default: false },
    "allow-data-loss": { type: "string", multiple: true, default: [] },
    json: { type: "boolean", default: false },
    "github-output": { type: "string" },
  },
  async ({ values, positionals: [operation = "", ...more] }) => {
    const isKnown = (name: string): name is Operation => (OPERATION_NAMES as readonly string[]).includes(name);
    if (!(isKnown(operation) || operation === "list") || more.length > 0)
      throw new WrongUsage(
        operation === "" ? "An operation is missing." : `Not an operation: ${[operation, ...more].join(" ")}`,
      );
    const configFolder = resolve(values["config-dir"]);
    // Variables that a workflow leaves unset arrive as empty ones.
    const given = (words: readonly string[]) => words.filter((word) => word !== "");
    const stacks = selectStacks(await stacksIn(configFolder), given(values.stacks));
    const canaries = selectCanaries(stacks, given(values.canary));
    if (operation === "list") return list(stacks, canaries, values);
    const parallel = Number(values.parallel);
    if (!(Number.isInteger(parallel) && parallel > 0))
      throw new WrongUsage(`--parallel ${values.parallel} is not a number of at least 1.`);
    const limit = values["max-failures"] ?? (operation === "up" ? "10%" : undefined);
    const maxFailures = limit === undefined ? Number.POSITIVE_INFINITY : readLimit(limit, stacks.length);
    if (operation === "up" && !values.yes && !process.stdin.isTTY)
      throw new MissingNeed("Without a terminal nobody can be asked. Next: read `preview`, then `up --yes`.");
    // What set-up prints would stand before the document.
    if (values.json) console.log = console.error;
    const backend = useBackend(values.backend);
    const version = await versionOf(configFolder, stacks);
    await prepare(tools);
    const identity = { operation, stacks, version, backend };
    const run = await FleetRun.begin(join(MADE, "fleet"), identity, { resumes: values.resume });
    const screen: Screen = values.json ? process.stderr : process.stdout;
    const signal = stopOnSignals(screen);
    const work: Work = (todo, stack, onProgress) =>
      operate(todo, stack, { configFolder, folder: run.folder, signal, onEvent: countDone(onProgress) });
    const fleet = new Fleet({ run, work, screen, signal });
    const left = run.left;
    const limits = { parallel, maxFailures, canaries: canaries.filter((stack) => left.includes(stack)) };
    const why =
      operation === "up"
        ? await fleet.up(left, limits, {
            lossAllowed: values["allow-data-loss"],
            mayGoOn: values.yes ? () => Promise.resolve(true) : confirm,
          })
        : await fleet.run(operation, left, limits);
    if (values.json)
      process.stdout.write(
        `${JSON.stringify({ operation, folder: run.folder, stacks: entriesOf(run.all) }, null, 2)}\n`,
      );
    else console.log(printRuns(run.all).join("\n"));
    if (why !== undefined) screen.write(`Not all were begun: ${why}. Next: \`--resume\` goes on with those.\n`);
    screen.write(`Logs: ${run.folder}\n`);
    return signal.aborted ? 130 : exitCodeOf([...run.all.values()]);
  },
);

function entriesOf(runs: ReadonlyMap<string, StackRun>) {
  return [...runs].map(([stack, run]) => ({ stack, ...run }));
}

function exitCodeOf(runs: readonly StackRun[]): number {
  if (!runs.every(succeeded)) return 1;
  return runs.some(({ result }) => result === "drifted") ? 3 : 0;
}

async function list(
  stacks: readonly string[],
  canaries: readonly string[],
  { json, ...values }: { readonly json: boolean; readonly "github-output"?: string },
): Promise<void> {
  const file = values["github-output"];
  const others = stacks.filter((stack) => !canaries.includes(stack));
  if (file !== undefined)
    await appendFile(file, `stacks=${JSON.stringify(others)}\ncanaries=${JSON.stringify(canaries)}\n`);
  console.log(json ? JSON.stringify(stacks) : stacks.join("\n"));
}

/** Makes `pulumi` this project's, on the backend. @returns the backend's URL */
function useBackend(wanted: string | undefined): string {
  const given = wanted || process.env.PULUMI_BACKEND_URL;
  const backend = given || (process.env.PULUMI_ACCESS_TOKEN ? "https://api.pulumi.com" : undefined);
  if (backend === undefined)
    throw new MissingNeed(
      "There is no backend with the states. Next: --backend URL, or set PULUMI_BACKEND_URL, or PULUMI_ACCESS_TOKEN for Pulumi Cloud.",
    );
  Object.assign(process.env, pulumiEnvironment(), { PULUMI_BACKEND_URL: backend });
  return backend;
}

/** Of the program and of the stacks' files. */
async function versionOf(configFolder: string, stacks: readonly string[]): Promise<string> {
  const program = await stateOf((file) => PROGRAM.some((pattern) => matchesGlob(file, pattern)));
  const files = stacks.map((stack) => readFile(join(configFolder, `Pulumi.${stack}.yaml`), "utf8"));
  return sha256(JSON.stringify([program, ...(await Promise.all(files))]));
}

async function confirm(question: string): Promise<boolean> {
  const lines = createInterface({ input: process.stdin, output: process.stderr });
  try {
    return /^y(es)?$/i.test(await lines.question(`${question} [y/N] `));
  } finally {
    lines.close();
  }
}
