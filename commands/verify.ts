/** `npm run verify -- --stack STACK`: whether the hosts of a stack are as its configuration declares, and work. */
import { INSTALLED } from "../components/automation/scripts.ts";
import { trialOf } from "../components/verification.ts";
import type { HostSettings } from "../config.ts";
import { Session } from "../providers/engine/session.ts";
import { StorageError } from "../providers/errors.ts";
import { SshHost } from "../providers/host/sshHost.ts";
import { printColumns } from "../setup/columns.ts";
import { command } from "../setup/command.ts";
import {
  compare,
  readStack,
  STACK_OPTIONS,
  STACK_USAGE,
  stackFile,
  type Comparison,
  type StackHost,
} from "../setup/stackFile.ts";

const USAGE = `Usage: npm run verify -- --stack STACK [OPTION…] [HOST…]

Verifies over SSH that each host is as Pulumi.STACK.yaml declares: each resource is looked at, and compared as an \`up\`
compares it. Where the host has automation, its scripts then try what no resource can compare: that each service's
account can write to its own folders and to no others', and that a file goes from hot to warm to cold with the same
SHA-256. Without HOST, all hosts. It changes nothing that stays.

${STACK_USAGE}
  --json              one JSON document, by host

Exit status: 0 all is as declared · 1 something isn't, or a host could not be reached · 2 wrong usage
`;

interface Check {
  readonly ok: boolean;
  readonly subject: string;
  readonly fact: string;
}

/** What was found on a host, or why it could not be verified. */
type Verdict =
  { readonly ok: boolean; readonly checks: readonly Check[] } | { readonly ok: false; readonly problem: string };

await command(USAGE, { ...STACK_OPTIONS, json: { type: "boolean" } }, async ({ values, positionals }) => {
  const hosts = await readStack(stackFile(values), positionals);
  const verdicts = await Promise.all(hosts.map(async (host) => [host.name, await verify(host)] as const));
  if (values.json === true) console.log(JSON.stringify(Object.fromEntries(verdicts), null, 2));
  else for (const [name, verdict] of verdicts) console.log(printVerdict(name, verdict).join("\n"));
  return verdicts.every(([, { ok }]) => ok) ? 0 : 1;
});

async function verify({ name, settings, resources }: StackHost): Promise<Verdict> {
  const host = new SshHost(name, settings.connection);
  const session = new Session(host);
  try {
    const [compared, tried] = await Promise.all([
      Promise.all(resources.map(async (resource) => checkOf(await compare(session, resource)))),
      settings.automation === undefined ? [] : tryOut(host, settings),
    ]);
    const checks = [...compared, ...tried];
    return { ok: checks.every(({ ok }) => ok), checks };
  } catch (error) {
    if (error instanceof StorageError) return { ok: false, problem: error.message };
    throw error;
  }
}

function checkOf({ resource: { kind, subject }, inputs, steps, refusals }: Comparison): Check {
  const differs = (found: readonly string[], next: string) => ({
    ok: false,
    subject,
    fact: `${found.join("; ")}. Next: ${next}`,
  });
  // No `up` heals what it refuses: what would allow it comes first.
  if (refusals.length > 0)
    return differs(
      refusals.map(({ found }) => found),
      [...new Set(refusals.map(({ next }) => next))].join(" Or: "),
    );
  if (steps.length > 0)
    return differs(
      steps.map(({ summary }) => summary),
      "pulumi up --refresh",
    );
  return { ok: true, subject, fact: kind.describe(inputs ?? {}) };
}

/** What the host's own scripts find. */
async function tryOut(host: SshHost, settings: HostSettings): Promise<readonly Check[]> {
  const question = { argv: [`${INSTALLED}/verify-tiers.py`, "--json"], stdin: JSON.stringify(trialOf(settings)) };
  const { questions } = await host.call({ steps: [], questions: [question] });
  const [{ stdout, stderr, exitCode } = { stdout: "", stderr: "", exitCode: undefined }] = questions;
  if (exitCode === 0 || exitCode === 1) return (JSON.parse(stdout) as { readonly checks: readonly Check[] }).checks;
  // Where there is no such script, the resource that holds the scripts says so.
  return exitCode === 127 ? [] : [{ ok: false, subject: "access", fact: stderr.trim() }];
}

function printVerdict(name: string, verdict: Verdict): string[] {
  if ("problem" in verdict) return [`${name}: could not be verified: ${verdict.problem}`];
  const { checks } = verdict;
  const failed = checks.filter(({ ok }) => !ok).length;
  const rows = checks.map(({ ok, subject, fact }) => [ok ? "ok" : "FAILED", subject, fact]);
  const sum = failed === 0 ? `all ${checks.length} checks passed` : `${failed} of ${checks.length} checks failed`;
  return [`${name}:`, ...[...printColumns(rows), sum].map((line) => `  ${line}`)];
}
