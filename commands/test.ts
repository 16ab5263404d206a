/** `npm test` and `npm run test:all`: every check and test, in the order of its cost, up to the first that fails. Usage: see below. */
import { parseArgs } from "node:util";
import * as lab from "../lab/lab.ts";
import { forget } from "./passed.ts";
import { prepare } from "./prepare.ts";
import { main } from "./progress.ts";
import { chooseReached, E2E_FILES, testsThatAre, rotated, runParts, script, shortTestsOf, wholeFile } from "./suite.ts";
import { tools } from "./tools.ts";

const USAGE = `Usage: npm test [-- --changed [REV]]
       npm run test:all [-- --fresh]

npm test runs lint, typecheck, unit and contract tests, and the end-to-end tests that aren't marked as long; test:all runs
all of them, but not what has passed as the checkout is now: after a failure or Ctrl-C it goes on from there.

  --changed [REV]  then the files with long tests that a change reaches, as \`npm run test:e2e -- --help\` tells; each comes
                   first in turn, by the day. With JTS_STORAGE_E2E_MINUTES, none is begun so long after the run
  --fresh          forget what has passed
`;

const STAGES = ["lint", "typecheck", "test:unit", "test:contract"];

await main(async () => {
  const args = readArguments();
  if (args === undefined) return 2;
  if (args.help) {
    console.log(USAGE);
    return 0;
  }
  await prepare(tools, lab.image);
  if (args.fresh) await forget();
  const stages = STAGES.map(script);
  if (args.all) return runParts([...stages, ...E2E_FILES.map(wholeFile)], { skipsPassed: true });
  const [long, others] = await Promise.all([testsThatAre("long"), testsThatAre("!long")]);
  const short = E2E_FILES.filter((file) => others.has(file)).map((file) =>
    long.has(file) ? shortTestsOf(file) : wholeFile(file),
  );
  const reached = args.changed ? await chooseReached(args.revision) : [];
  const then = rotated(E2E_FILES.filter((file) => long.has(file))).filter((file) => reached.includes(file));
  return runParts([...stages, ...short, ...then.map((file) => ({ ...wholeFile(file), isTimed: true }))]);
});

function readArguments() {
  try {
    const { values, positionals } = parseArgs({
      allowPositionals: true,
      options: {
        all: { type: "boolean", default: false },
        changed: { type: "boolean", default: false },
        fresh: { type: "boolean", default: false },
        help: { type: "boolean", short: "h", default: false },
      },
    });
    if (positionals.length > (values.changed ? 1 : 0)) throw new Error(`What is ${positionals.at(-1)}?`);
    return { ...values, revision: positionals[0] };
  } catch (error) {
    console.error(`${(error as Error).message}\n\n${USAGE}`);
    return undefined;
  }
}
