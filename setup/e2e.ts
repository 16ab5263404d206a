/** `npm run test:e2e [VITEST ARGUMENT…]`: the end-to-end tests on the lab, which is taken down again if it was not up. */
import { execa } from "execa";
import * as lab from "../lab/lab.ts";
import { main } from "./progress.ts";
import { pulumiEnvironment, ROOT } from "./project.ts";
import { installTools } from "./tools.ts";

await main(async () => {
  await installTools();
  const started = await lab.up();
  try {
    process.on("SIGINT", () => {});
    const { exitCode } = await execa("vitest", ["run", "--project", "e2e", "--reporter", "verbose", ...process.argv.slice(2)], { cwd: ROOT, env: pulumiEnvironment(), stdio: "inherit", reject: false });
    return exitCode ?? 1;
  } finally {
    if (started) await lab.down({ hard: true });
  }
});
