/** `npm test` and `npm run test:all`: every check and test, in the order of its cost, up to the first that fails. Usage: see below. */
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

npm test runs lint, typecheck, unit and contract tests, and the end-to-end tests that aren't marked as long; test:all runs
all of them, but not what has passed as the checkout is now: after a failure or Ctrl-C it goes on from there.

  --changed [REV]  then the files with long tests that a change reaches, as \`npm run test:e2e -- --help\` tells; each comes
                   first in turn, by the day. With JTS_STORAGE_E2E_MINUTES, none is begun so long after the run
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
    if (unknown !== undefined) throw new WrongUsage(`What is ${unknown}?`);
    await prepare(tools, lab.image);
    if (fresh) await forget();
    return lab.leftAsFound(() => (all ? runAll() : runShort(changed ? { since: revision } : undefined)));
  },
);

function runAll(): Promise<number> {
  return runParts([...STAGES.map(script), ...E2E_FILES.map(wholeFile)], { skipsPassed: true });
}

/** Without long tests; then, with `changes`, the files with long tests that these reach. */
async function runShort(changes?: { readonly since: string | undefined }): Promise<number> {
  const [long, others] = await Promise.all([testsThatAre("long"), testsThatAre("!long")]);
  const short = E2E_FILES.filter((file) => others.has(file)).map((file) =>
    long.has(file) ? shortTestsOf(file) : wholeFile(file),
  );
  const reached = changes === undefined ? [] : await chooseReached(changes.since);
  const then = rotated(E2E_FILES.filter((file) => long.has(file))).filter((file) => reached.includes(file));
  return runParts([...STAGES.map(script), ...short, ...then.map((file) => ({ ...wholeFile(file), isTimed: true }))]);
}
