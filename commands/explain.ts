/** `npm run explain -- --stack STACK`: what a stack's configuration comes to, before anything reaches a host. */
import { basename } from "node:path";
import { command, WrongUsage } from "../setup/command.ts";
import { planBlankHost } from "../setup/explain/blankHost.ts";
import { explain } from "../setup/explain/explain.ts";
import { renderExplanation } from "../setup/explain/markdown.ts";
import { printScript } from "../setup/explain/script.ts";
import { printExplanation } from "../setup/explain/text.ts";
import { readStack, STACK_OPTIONS, STACK_USAGE, stackFile } from "../setup/stackFile.ts";

const USAGE = `Usage: npm run explain -- --stack STACK [OPTION…] [HOST…]

Explains what Pulumi.STACK.yaml comes to: how much of each device is planned for what, what is risky, and what a
\`destroy\` would take away. Without HOST, all hosts. It reaches no host, and needs neither a state nor the Pulumi CLI.

${STACK_USAGE}
  --json              one JSON document, by host; sizes are bytes
  --markdown          for a document or a pull request
  --shell             instead, of one host: what an \`up\` of the blank host comes to, as a bash script to read, and to run
                      there as root: npm run --silent explain -- --stack STACK --shell HOST >make-storage.sh

Exit status: 0 it can be carried out · 1 it can't; its errors are printed · 2 wrong usage
`;

const FORMATS = {
  json: { type: "boolean" },
  markdown: { type: "boolean" },
  shell: { type: "boolean" },
} as const;

await command(USAGE, { ...STACK_OPTIONS, ...FORMATS }, async ({ values, positionals }) => {
  const chosen = (["json", "markdown", "shell"] as const).filter((format) => values[format] === true);
  if (chosen.length > 1) throw new WrongUsage(`Only one of --${chosen.join(", --")} can be printed.`);
  const file = stackFile(values);
  const hosts = await readStack(file, positionals);
  if (values.shell === true) {
    const [host, ...others] = hosts;
    if (host === undefined || others.length > 0)
      throw new WrongUsage(`A script is for one host; name one of ${hosts.map(({ name }) => name).join(", ")}.`);
    process.stdout.write(printScript({ host: host.name, file: basename(file) }, await planBlankHost(host.resources)));
    return;
  }
  const explanations = await Promise.all(hosts.map(explain));
  if (values.json === true) {
    const byHost = explanations.map(({ host, ...rest }) => [host, rest] as const);
    console.log(JSON.stringify(Object.fromEntries(byHost), null, 2));
  } else if (values.markdown === true) console.log(explanations.flatMap(renderExplanation).join("\n"));
  else console.log(explanations.map((one) => printExplanation(one).join("\n")).join("\n\n"));
});
