/** `npm run test:e2e [VITEST ARGUMENT…]`: the end-to-end tests on the lab, which they start, and which is taken down again if it was not up. */
import { execa } from "execa";
import * as lab from "../lab/lab.ts";
import { main } from "./progress.ts";
import { pulumiEnvironment, ROOT } from "./project.ts";
import { installTools } from "./tools.ts";

await main(async () => {
  await installTools();
  const wasUp = (await lab.status()).some(({ pid }) => pid !== undefined);
  try {
    process.on("SIGINT", () => {});
    const { exitCode } = await execa("vitest", ["run", "--project", "e2e", "--reporter", "verbose", ...process.argv.slice(2)], { cwd: ROOT, env: pulumiEnvironment(), stdio: "inherit", reject: false });
    return exitCode ?? 1;
  } finally {
    if (!wasUp) await lab.down({ hard: true });
  }
});
