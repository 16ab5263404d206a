/**
 * `npm run test:e2e [-- VITEST ARGUMENT…]`: the end-to-end tests on the lab, which they start, and which is taken down again if
 * it was not up. Without arguments file by file, the whole path first, then what data rests on; where JTS_STORAGE_E2E_MINUTES
 * is set, none is begun later than so many minutes after the start, and those that were not are named.
 */
import { execa } from "execa";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import * as lab from "../lab/lab.ts";
import { main, MissingNeed } from "./progress.ts";
import { pulumiEnvironment, ROOT } from "./project.ts";
import { installTools } from "./tools.ts";

const FOLDER = "test/e2e";
/** By what would cost most if it were broken; files that are not named come between. */
const FIRST = ["tiers", "safety", "volumes", "mounts", "mover", "backup"];
/** Takes longest, so that what follows would never be begun on a slow machine. */
const LAST = "survival";

/** @returns vitest's exit code */
async function vitest(words: readonly string[]): Promise<number> {
  const { exitCode } = await execa("vitest", ["run", "--project", "e2e", "--reporter", "verbose", ...words], {
    cwd: ROOT,
    env: pulumiEnvironment(),
    stdio: "inherit",
    reject: false,
  });
  return exitCode ?? 1;
}

/** All files, up to the first that fails. */
async function everything(): Promise<number> {
  const minutes = Number(process.env.JTS_STORAGE_E2E_MINUTES ?? Infinity);
  if (!(minutes > 0)) throw new MissingNeed("JTS_STORAGE_E2E_MINUTES must be a number of minutes.");
  const others = readdirSync(join(ROOT, FOLDER))
    .flatMap((name) => (name.endsWith(".test.ts") ? [name.replace(".test.ts", "")] : []))
    .filter((name) => ![...FIRST, LAST].includes(name));
  const files = [...FIRST, ...others.sort(), LAST];
  const end = Date.now() + minutes * 60_000;
  while (files[0] !== undefined && Date.now() < end) {
    const exitCode = await vitest([`${FOLDER}/${files[0]}.test.ts`]);
    if (exitCode !== 0) return exitCode;
    files.shift();
  }
  if (files.length > 0)
    console.log(
      `NOT RUN, since JTS_STORAGE_E2E_MINUTES=${minutes} were over: ${files.join(", ")}. To run them: npm run test:e2e -- ${files.join(" ")}`,
    );
  return 0;
}

await main(async () => {
  await installTools();
  const wasUp = (await lab.status()).some(({ pid }) => pid !== undefined);
  const words = process.argv.slice(2);
  try {
    process.on("SIGINT", () => {});
    return await (words.length > 0 ? vitest(words) : everything());
  } finally {
    if (!wasUp) await lab.down({ hard: true });
  }
});
