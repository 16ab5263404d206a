/**
 * `npm run build`: the npm package's JavaScript and types, in dist/, from the same files that the program runs as
 * TypeScript. `npm pack` runs it first.
 */
import { cp, rm } from "node:fs/promises";
import { join } from "node:path";
import { execa } from "execa";
import { command, refuseWords } from "../setup/command.ts";
import { ROOT } from "../setup/project.ts";

const DIST = join(ROOT, "dist");

/** What the code reads at run time: programs that it sends to hosts. */
const READ = ["components/deploy", "providers/programs", "scripts"];

const USAGE = `Usage: npm run build

Makes dist/, the JavaScript and the types of the npm package. \`npm pack\` does it, too.
`;

await command(USAGE, {}, async ({ positionals }) => {
  refuseWords(positionals);
  await rm(DIST, { recursive: true, force: true });
  await execa("tsc", ["--project", "tsconfig.build.json"], {
    cwd: ROOT,
    preferLocal: true,
    stdout: "inherit",
    stderr: "inherit",
  });
  for (const folder of READ)
    await cp(join(ROOT, folder), join(DIST, folder), {
      recursive: true,
      filter: (path) => !/\.ts$|__pycache__|\.mypy_cache|\.ruff_cache/.test(path),
    });
  return 0;
});
