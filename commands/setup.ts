/** `npm run setup`: the tools alone. */
import { debianPackages } from "./debian.ts";
import { prepare } from "./prepare.ts";
import { main } from "./progress.ts";
import { PULUMI_HOME } from "./project.ts";
import { tools } from "./tools.ts";

await main(async () => {
  await prepare(debianPackages, tools);
  console.log(`The tools are ready (PULUMI_HOME=${PULUMI_HOME}).`);
});
