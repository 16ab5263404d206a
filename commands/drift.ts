/** `npm run drift -- --stack STACK`: how the hosts of a stack differ from its configuration. It changes nothing. */
import { Session } from "../providers/engine/session.ts";
import { SshHost } from "../providers/host/sshHost.ts";
import { command, writeNamed, WrongUsage } from "../setup/command.ts";
import {
  EXIT_STATUS,
  findDrift,
  problemOf,
  toJson,
  verdictOfAll,
  type DriftReport,
  type HostDrift,
} from "../setup/drift/drift.ts";
import { renderDrift } from "../setup/drift/markdown.ts";
import { printDrift } from "../setup/drift/text.ts";
import { MissingNeed } from "../setup/progress.ts";
import { readStack, STACK_OPTIONS, STACK_USAGE, stackFile, stackOf, type StackHost } from "../setup/stackFile.ts";

const USAGE = `Usage: npm run drift -- --stack STACK [OPTION…] [HOST…]

Looks over SSH at each resource that Pulumi.STACK.yaml declares, and prints those that differ: by the keys of the
configuration, with what an \`up\` would do about it. It changes nothing, and needs neither the backend nor its
passphrase. Without HOST, all hosts. A host that can't be asked doesn't keep the others from being looked at.

  heals itself            \`pulumi up --refresh\` mends it, and interrupts nothing
  interrupts a service    \`pulumi up --refresh\` mends it, and unmounts or stops what it must
  needs a person          \`up\` refuses it, or would make empty what held data; \`Next\` says what to do
  could not be looked at  nothing is known of it: never taken for "no drift"

${STACK_USAGE}
  --json              one JSON document, with the form that docs/ci.md describes; \`npm run --silent\` prints only this
  --markdown FILE     also write it to FILE as the body of an issue on GitHub; may be given more than once

Exit status: 0 no drift · 1 drift that \`pulumi up --refresh\` mends (the output says whether that interrupts a service)
· 2 wrong usage · 3 a host, or something on it, could not be asked · 4 drift that needs a person. If several are true,
the highest.
`;

await command(
  USAGE,
  { ...STACK_OPTIONS, json: { type: "boolean" }, markdown: { type: "string", multiple: true, default: [] } },
  async ({ values, positionals }) => {
    const file = stackFile(values);
    const report = {
      stack: values.stack ?? stackOf(file),
      lookedAt: new Date().toISOString(),
      ...(await lookAtStack(file, positionals)),
    };
    console.log(values.json === true ? JSON.stringify(toJson(report), null, 2) : printDrift(report));
    for (const one of values.markdown) await writeNamed(one, renderDrift(report));
    return EXIT_STATUS[verdictOfAll(report)];
  },
);

/** What can't be read is reported, too: a nightly job must not take it for no drift, nor for drift. */
async function lookAtStack(file: string, wanted: readonly string[]): Promise<Pick<DriftReport, "hosts" | "problem">> {
  let hosts: readonly StackHost[];
  try {
    hosts = await readStack(file, wanted);
  } catch (error) {
    if (error instanceof WrongUsage) throw error;
    return { hosts: [], problem: error instanceof MissingNeed ? error.message : problemOf(error) };
  }
  return { hosts: await Promise.all(hosts.map(lookAtHost)) };
}

/** Whatever goes wrong with one host is that host's. */
async function lookAtHost(host: StackHost): Promise<HostDrift> {
  try {
    return await findDrift(new Session(new SshHost(host.name, host.settings.connection)), host);
  } catch (error) {
    return { name: host.name, compared: 0, drift: [], problem: problemOf(error) };
  }
}
