/** `npm test` and `npm run test:all`: checks and tests, the cheapest first, until one fails. USAGE says how. */
import * as lab from "../lab/lab.ts";
import { command, WrongUsage } from "../setup/command.ts";
import { forget } from "../setup/passed.ts";
import { prepare } from "../setup/prepare.ts";
import {
  chooseReached,
  E2E_FILES,
  testsThatAre,
  rotated,
  runParts,
  script,
  shortTestsOf,
  wholeFile,
} from "../setup/suite.ts";
import { tools } from "../setup/tools.ts";

const USAGE = `Usage: npm test [-- --changed [REV]]
       npm run test:all [-- --fresh]

npm test runs lint, typecheck, unit and contract tests, and the end-to-end tests that aren't marked as long. test:all runs
the long ones, too, and skips what has passed in this state of the checkout: after a failure or Ctrl-C it goes on there.

  --changed [REV]  then run the files with long tests that a change reaches. \`npm run test:e2e -- --help\` says what a
                   change is. Each day another file comes first. JTS_STORAGE_E2E_MINUTES=N starts none of these files
                   later than N minutes after the run
  --fresh          forget what has passed
`;

const STAGES = ["lint", "typecheck", "test:unit", "test:contract"];

await command(
  USAGE,
  {
    all: { type: "boolean", default: false },
    changed: { type: "boolean", default: false },
    fresh: { type: "boolean", default: false },
  },
  async ({ values: { all, changed, fresh }, positionals: [revision, ...more] }) => {
    const unknown = changed ? more[0] : revision;
    if (unknown !== undefined) throw new WrongUsage(`Unknown argument: ${unknown}`);
    await prepare(tools, lab.image);
    if (fresh) await forget();
    return lab.leftAsFound(() => (all ? runAll() : runShort(changed ? { since: revision } : undefined)));
  },
);

function runAll(): Promise<number> {
  return runParts([...STAGES.map(script), ...E2E_FILES.map(wholeFile)], { skipsPassed: true });
}

/** Runs all but the long tests, and then, with `changes`, the files with long tests that these changes reach. */
async function runShort(changes?: { readonly since: string | undefined }): Promise<number> {
  const [long, others] = await Promise.all([testsThatAre("long"), testsThatAre("!long")]);
  const short = E2E_FILES.filter((file) => others.has(file)).map((file) =>
    long.has(file) ? shortTestsOf(file) : wholeFile(file),
  );
  const reached = changes === undefined ? [] : await chooseReached(changes.since);
  const then = rotated(E2E_FILES.filter((file) => long.has(file))).filter((file) => reached.includes(file));
  return runParts([...STAGES.map(script), ...short, ...then.map((file) => ({ ...wholeFile(file), isTimed: true }))]);
}
