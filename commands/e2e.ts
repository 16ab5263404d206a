/** `npm run test:e2e`: end-to-end tests on the lab. Usage: see below. */
import * as lab from "../lab/lab.ts";
import { command } from "../setup/command.ts";
import { forget } from "../setup/passed.ts";
import { prepare } from "../setup/prepare.ts";
import { main } from "../setup/progress.ts";
import { chooseReached, e2e, E2E_FILES, runParts, wholeFile } from "../setup/suite.ts";
import { tools } from "../setup/tools.ts";

const USAGE = `Usage: npm run test:e2e [-- WORD…]

Runs the end-to-end tests on the lab, file by file, up to the first that fails. Words choose some of them:

  FILE…                     these files: ${E2E_FILES.join(", ")}
  --changed [REV] [--fresh] the files that a change reaches and that have not passed as the checkout is now: what was
                            committed since REV, and what isn't committed yet. Without REV, since the branch left
                            origin/main; with nothing changed since then, or no origin/main, since HEAD~1.
                            --fresh forgets what has passed. With JTS_STORAGE_E2E_MINUTES, none is begun so long after the
                            run
  anything else             is vitest's: -t NAME, …
`;

const words = process.argv.slice(2);
// Any other word may be vitest's.
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
