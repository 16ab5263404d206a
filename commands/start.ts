/** `npm start`: a real `pulumi up` of stack `dev` on the lab. USAGE says how. */
import { dirname, relative } from "node:path";
import { execa } from "execa";
import * as lab from "../lab/lab.ts";
import { hasStack, prepareStack } from "../lab/stack.ts";
import { upByTier } from "../setup/fleet/upByTier.ts";
import { command, refuseWords } from "../setup/command.ts";
import { prepare } from "../setup/prepare.ts";
import { printTree, type Json } from "../setup/printTree.ts";
import { ROOT } from "../setup/project.ts";
import { tools } from "../setup/tools.ts";

const USAGE = `Usage: npm start

Gets the tools, starts the lab's two virtual machines, runs a real \`pulumi up\` of stack dev on them over SSH, and prints
the tiers. It first lists what is missing, and roughly how long that takes: Debian packages (as root, or by sudo), Pulumi,
the machines. All else that it makes is in .jts/ of the checkout. Run again, it changes nothing. For a host of yours,
README.md has a section "A real host".
`;

await command(USAGE, {}, async ({ positionals }) => {
  refuseWords(positionals);
  if (!hasStack()) console.log("The first `pulumi up` takes some 3 min where the lab's machines are emulated.");
  await prepare(tools, lab.machines);
  const configFile = await prepareStack(await lab.connection());
  const pulumi = { cwd: ROOT, env: lab.pulumiEnv() };
  const exitCode =
    process.stdin.isTTY && process.stdout.isTTY
      ? await upOnTerminal(configFile)
      : await upByTier("dev", dirname(configFile), pulumi.env);
  if (exitCode !== 0) return exitCode;
  const { stdout } = await execa("pulumi", ["stack", "output", "--json", "--stack", "dev"], pulumi);
  const { hosts } = JSON.parse(stdout) as { hosts?: Json };
  console.log(`\n${printTree(hosts ?? {}).join("\n")}`);
  console.log(
    "\nThe lab stays up: `npm run lab -- ssh` looks at the storage host, `npm run lab -- down` shuts it down.\n" +
      `A picture of it: \`npm run map -- --config-file ${relative(ROOT, configFile)} --open\`.`,
  );
  return 0;
});

/** Pulumi's own display, which wants a terminal as its input too. */
async function upOnTerminal(configFile: string): Promise<number> {
  process.on("SIGINT", () => {});
  const { exitCode } = await execa(
    "pulumi",
    ["up", "--yes", "--skip-preview", "--suppress-outputs", "--stack", "dev", "--config-file", configFile],
    { cwd: ROOT, env: lab.pulumiEnv(), stdio: "inherit", reject: false },
  );
  return exitCode ?? 1;
}
