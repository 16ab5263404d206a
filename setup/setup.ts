/** `npm run setup`: the tools alone. */
import { installDebianPackages } from "./debian.ts";
import { main } from "./progress.ts";
import { PULUMI_HOME } from "./project.ts";
import { installTools } from "./tools.ts";

await main(async () => {
  await installDebianPackages();
  await installTools();
  console.log(`The tools are ready (PULUMI_HOME=${PULUMI_HOME}).`);
});
