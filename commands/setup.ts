/** `npm run setup`: only the tools. USAGE says which. */
import { command, refuseWords } from "../setup/command.ts";
import { debianPackages } from "../setup/debian.ts";
import { prepare } from "../setup/prepare.ts";
import { PULUMI_HOME } from "../setup/project.ts";
import { tools } from "../setup/tools.ts";

const USAGE = `Usage: npm run setup

Installs what npm start and the tests need, and starts nothing: Debian packages (as root, or by sudo), and the Pulumi CLI
with its command plugin, in .jts/ of the checkout. What can't be downloaded is built, or has a stand-in.
`;

await command(USAGE, {}, async ({ positionals }) => {
  refuseWords(positionals);
  await prepare(debianPackages, tools);
  console.log(`The tools are ready (PULUMI_HOME=${PULUMI_HOME}).`);
});
