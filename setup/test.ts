/** `npm test`: every check and test, in the order of their cost, up to the first that fails. */
import { execa } from "execa";
import { installDebianPackages } from "./debian.ts";
import { main } from "./progress.ts";
import { ROOT } from "./project.ts";
import { installTools } from "./tools.ts";

const STAGES = ["lint", "typecheck", "test:unit", "test:contract", "test:e2e"];

await main(async () => {
  await installDebianPackages();
  await installTools();
  const summary: string[] = [];
  let failed: string | undefined;
  for (const stage of STAGES) {
    console.log(`\n── ${stage}`);
    const began = Date.now();
    const { exitCode } = await execa("npm", ["run", "--silent", stage], {
      cwd: ROOT,
      stdio: ["ignore", "inherit", "inherit"],
      reject: false,
    });
    summary.push(`${exitCode === 0 ? "passed" : "FAILED"}  ${stage}  ${((Date.now() - began) / 1000).toFixed(1)} s`);
    if (exitCode === 0) continue;
    failed = stage;
    break;
  }
  console.log(`\n${summary.join("\n")}`);
  if (failed === undefined) return 0;
  const left = STAGES.slice(STAGES.indexOf(failed) + 1);
  if (left.length > 0) console.log(`not run: ${left.join(", ")}`);
  return 1;
});
