/** `npm run verify -- --stack STACK`: whether the hosts of a stack are as its configuration declares, and work. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { parse } from "yaml";
import { INSTALLED } from "../components/automation/scripts.ts";
import { PARTS } from "../components/tiers.ts";
import { trialOf } from "../components/verification.ts";
import { parseHosts, type HostSettings } from "../config.ts";
import { checkInputs } from "../providers/engine/check.ts";
import { look } from "../providers/engine/lifecycle.ts";
import type { AnyKind } from "../providers/engine/resource.ts";
import { Session } from "../providers/engine/session.ts";
import { StorageError } from "../providers/errors.ts";
import { SshHost } from "../providers/host/sshHost.ts";
import { kinds } from "../providers/kinds.ts";
import { printColumns } from "../setup/columns.ts";
import { command, WrongUsage } from "../setup/command.ts";
import { declaredBy, type Declared } from "../setup/declared.ts";
import { MissingNeed } from "../setup/progress.ts";
import { kindOf } from "../setup/preview/describe.ts";
import { ROOT } from "../setup/project.ts";

const USAGE = `Usage: npm run verify -- --stack STACK [OPTION…] [HOST…]

Verifies over SSH that each host is as Pulumi.STACK.yaml declares: each resource is looked at, and compared as an \`up\`
compares it. Where the host has automation, its scripts then try what no resource can compare: that each service's
account can write to its own folders and to no others', and that a file goes from hot to warm to cold with the same
SHA-256. Without HOST, all hosts. It changes nothing that stays.

  --config-file FILE  in place of Pulumi.STACK.yaml; --stack is not needed then
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

const KINDS = new Map<string, AnyKind>(Object.entries(kinds));

await command(
  USAGE,
  { stack: { type: "string" }, "config-file": { type: "string" }, json: { type: "boolean" } },
  async ({ values, positionals }) => {
    const file = values["config-file"] ?? (values.stack && join(ROOT, `Pulumi.${values.stack}.yaml`));
    if (file === undefined || file === "") throw new WrongUsage("A stack is missing: --stack STACK");
    const hosts = await readHosts(file, positionals);
    const declared = [...(await declaredBy({ hosts: withoutKeys(hosts.sections) })).values()];
    const verdicts = await Promise.all(
      Object.entries(hosts.chosen).map(async ([name, settings]) => {
        // In the order of the host's parts, whatever was declared side by side.
        const part = ({ parent = "" }: Declared) => PARTS.indexOf(parent.slice(name.length + 1));
        const resources = declared
          .filter(({ type, inputs }) => kindFor(type) !== undefined && inputs.host === name)
          .sort((one, other) => part(one) - part(other));
        return [name, await verify(name, settings, resources)] as const;
      }),
    );
    if (values.json === true) console.log(JSON.stringify(Object.fromEntries(verdicts), null, 2));
    else for (const [name, verdict] of verdicts) console.log(printVerdict(name, verdict).join("\n"));
    return verdicts.every(([, { ok }]) => ok) ? 0 : 1;
  },
);

interface Hosts {
  readonly chosen: Readonly<Record<string, HostSettings>>;
  /** All hosts, as they are written. */
  readonly sections: Readonly<Record<string, { readonly connection: object }>>;
}

async function readHosts(file: string, wanted: readonly string[]): Promise<Hosts> {
  const text = await readFile(file, "utf8").catch((error: unknown) => {
    throw new MissingNeed(`The stack's configuration can't be read: ${(error as Error).message}`);
  });
  const written = (parse(text) as { config?: Record<string, unknown> } | null)?.config?.["jts-storage:hosts"];
  const sections = inEngineOrder(written);
  const { hosts, problems } = parseHosts(sections);
  if (problems.length > 0) {
    const lines = problems.map(({ key, message }) => `  ${key}: ${message}`);
    throw new MissingNeed(`${file} can't be carried out:\n${lines.join("\n")}`);
  }
  const absent = wanted.filter((name) => hosts[name] === undefined);
  if (absent.length > 0)
    throw new MissingNeed(`${file} has no host ${absent.join(", ")}; it has ${Object.keys(hosts).join(", ")}.`);
  const chosen = Object.entries(hosts).filter(([name]) => wanted.length === 0 || wanted.includes(name));
  return { chosen: Object.fromEntries(chosen), sections: sections as Hosts["sections"] };
}

/** As the engine gives it to the program: keys sorted, which is the order in which lists are made of maps. */
function inEngineOrder(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(inEngineOrder);
  if (typeof value !== "object" || value === null) return value;
  const entries = Object.entries(value).sort(([one], [other]) => (one < other ? -1 : 1));
  return Object.fromEntries(entries.map(([key, item]) => [key, inEngineOrder(item)]));
}

/** What is declared needs no keys, and their files need not be on this machine where the SSH agent has them. */
function withoutKeys(sections: Hosts["sections"]): Hosts["sections"] {
  return Object.fromEntries(
    Object.entries(sections).map(([name, section]) => [
      name,
      { ...section, connection: { ...section.connection, identityFile: undefined } },
    ]),
  );
}

/** Undefined for components, and for the actions of @pulumi/command. */
function kindFor(type: string): AnyKind | undefined {
  return KINDS.get(kindOf(type));
}

async function verify(name: string, settings: HostSettings, resources: readonly Declared[]): Promise<Verdict> {
  const host = new SshHost(name, settings.connection);
  const session = new Session(host);
  try {
    const [compared, tried] = await Promise.all([
      Promise.all(resources.map((resource) => compare(session, resource))),
      settings.automation === undefined ? [] : tryOut(host, settings),
    ]);
    const checks = [...compared, ...tried];
    return { ok: checks.every(({ ok }) => ok), checks };
  } catch (error) {
    if (error instanceof StorageError) return { ok: false, problem: error.message };
    throw error;
  }
}

/** By the resource's own comparison: the one that `up` and `refresh` use. */
async function compare(session: Session, { name, type, inputs: declared }: Declared): Promise<Check> {
  const kind = kindFor(type)!;
  // As previews show them, without the host's name.
  const subject = name.startsWith(`${session.host.name}-`) ? name.slice(session.host.name.length + 1) : name;
  const differs = (found: readonly string[], next: string) => ({
    ok: false,
    subject,
    fact: `${found.join("; ")}. Next: ${next}`,
  });
  const { inputs = {}, failures = [] } = checkInputs(kind, {}, declared);
  if (failures.length > 0)
    return differs(
      failures.map(({ reason }) => reason),
      "correct the configuration",
    );
  const { steps, refusals = [] } = await look(kind, session, inputs);
  // No `up` heals what it refuses: what would allow it comes first.
  if (refusals.length > 0)
    return differs(
      refusals.map(({ found }) => found),
      refusals.map(({ next }) => next).join(" Or: "),
    );
  if (steps.length > 0)
    return differs(
      steps.map(({ summary }) => summary),
      "pulumi up --refresh",
    );
  return { ok: true, subject, fact: kind.describe(inputs) };
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
