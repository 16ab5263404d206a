/** `npm run test:e2e`: end-to-end tests on the lab. USAGE says how. */
import * as lab from "../lab/lab.ts";
import { command } from "../setup/command.ts";
import { forget } from "../setup/passed.ts";
import { prepare } from "../setup/prepare.ts";
import { main } from "../setup/progress.ts";
import { chooseReached, e2e, E2E_FILES, runParts, wholeFile } from "../setup/suite.ts";
import { tools } from "../setup/tools.ts";

const USAGE = `Usage: npm run test:e2e [-- WORD…]

Runs the end-to-end tests on the lab, file by file, until one fails. Words choose some of them:

  FILE…                      these files: ${E2E_FILES.join(", ")}
  --changed [REV] [--fresh]  the files that a change reaches and that have not passed in this state of the checkout.
                             A change is what was committed since REV, and what isn't committed yet. Without REV: since
                             the branch left origin/main; where nothing changed since then, or without origin/main,
                             since HEAD~1. --fresh forgets what has passed. JTS_STORAGE_E2E_MINUTES=N starts no file
                             later than N minutes after the run
  any other words            go to vitest: -t NAME, …
`;

const words = process.argv.slice(2);
// Other words may be for vitest.
if (words.some((word) => ["--changed", "--help", "-h"].includes(word)))
  await command(
    USAGE,
    { changed: { type: "boolean" }, fresh: { type: "boolean", default: false } },
    async ({ values: { fresh }, positionals: [since] }) => {
      await prepare(tools, lab.image);
      if (fresh) await forget();
      const parts = (await chooseReached(since)).map((file) => ({ ...wholeFile(file), isTimed: true }));
      return lab.leftAsFound(() => runParts(parts, { skipsPassed: true }));
    },
  );
else
  await main(async () => {
    await prepare(tools, lab.image);
    const isOfFiles = words.every((word) => E2E_FILES.includes(word));
    const files = words.length === 0 ? E2E_FILES : words;
    const parts = isOfFiles ? files.map(wholeFile) : [e2e(`e2e ${words.join(" ")}`, ...words)];
    return lab.leftAsFound(() => runParts(parts));
  });
