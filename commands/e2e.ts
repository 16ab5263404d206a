/** `npm run test:e2e`: end-to-end tests on the lab. Usage: see below. */
import { parseArgs } from "node:util";
import * as lab from "../lab/lab.ts";
import { forget } from "./passed.ts";
import { prepare } from "./prepare.ts";
import { main } from "./progress.ts";
import { chooseReached, e2e, E2E_FILES, runParts, wholeFile } from "./suite.ts";
import { tools } from "./tools.ts";

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

await main(async () => {
  const words = process.argv.slice(2);
  if (words.includes("--help")) {
    console.log(USAGE);
    return 0;
  }
  await prepare(tools, lab.image);
  if (words.includes("--changed")) {
    const { values, positionals } = parseArgs({
      args: words,
      allowPositionals: true,
      options: { changed: { type: "boolean" }, fresh: { type: "boolean" } },
    });
    if (values.fresh) await forget();
    const reached = await chooseReached(positionals[0]);
    return runParts(
      reached.map((file) => ({ ...wholeFile(file), isTimed: true })),
      { skipsPassed: true },
    );
  }
  const isOfFiles = words.every((word) => E2E_FILES.includes(word));
  if (isOfFiles) return runParts((words.length === 0 ? E2E_FILES : words).map(wholeFile));
  return runParts([e2e(`e2e ${words.join(" ")}`, ...words)]);
});
