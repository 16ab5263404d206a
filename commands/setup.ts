/** `npm run setup`: only the tools. */
import { debianPackages } from "../setup/debian.ts";
import { prepare } from "../setup/prepare.ts";
import { main } from "../setup/progress.ts";
import { PULUMI_HOME } from "../setup/project.ts";
import { tools } from "../setup/tools.ts";

await main(async () => {
  await prepare(debianPackages, tools);
  console.log(`The tools are ready (PULUMI_HOME=${PULUMI_HOME}).`);
});
