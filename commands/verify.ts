/** `npm run verify -- --stack STACK`: whether the hosts of a stack are as its configuration declares, and work. Usage: see below. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { parse } from "yaml";
import { INSTALLED } from "../components/automation/scripts.ts";
import { declarationOf } from "../components/verification.ts";
import { parseHosts, type HostSettings } from "../config.ts";
import { StorageError } from "../providers/errors.ts";
import { SshHost } from "../providers/host/sshHost.ts";
import { main, MissingNeed } from "../setup/progress.ts";
import { ROOT } from "../setup/project.ts";

const USAGE = `Usage: npm run verify -- --stack STACK [OPTION…] [HOST…]

Verifies over SSH that each host with automation is as Pulumi.STACK.yaml declares, and works: mounts, folders, accounts that
can write where they must and nowhere else, timers and their next runs, and a file that goes from hot to warm to cold with
the same SHA-256. Without HOST, all of them. It changes nothing that stays.

  --config-file FILE  in place of Pulumi.STACK.yaml; --stack is not needed then
  --json              one JSON document, by host

Exit status: 0 all is as declared · 1 something isn't, or a host could not be reached · 2 wrong usage
`;

/** What verify-tiers.py prints of a host, or why it could not. */
type Verdict =
  | {
      readonly ok: boolean;
      readonly checks: readonly { readonly ok: boolean; readonly subject: string; readonly fact: string }[];
    }
  | { readonly ok: false; readonly problem: string };

await main(async () => {
  const args = readArguments();
  if (args === undefined) return 2;
  if (args.help) {
    console.log(USAGE);
    return 0;
  }
  const hosts = await readHosts(args.file, args.hosts);
  const verdicts = await Promise.all(
    hosts.map(async ([name, settings]) => [name, await verify(name, settings)] as const),
  );
  if (args.json) console.log(JSON.stringify(Object.fromEntries(verdicts), null, 2));
  else for (const [name, verdict] of verdicts) console.log(printVerdict(name, verdict).join("\n"));
  return verdicts.every(([, { ok }]) => ok) ? 0 : 1;
});

function readArguments() {
  try {
    const { values, positionals } = parseArgs({
      allowPositionals: true,
      options: {
        stack: { type: "string" },
        "config-file": { type: "string" },
        json: { type: "boolean", default: false },
        help: { type: "boolean", short: "h", default: false },
      },
    });
    const file =
      values["config-file"] ?? (values.stack === undefined ? undefined : join(ROOT, `Pulumi.${values.stack}.yaml`));
    if (file === undefined && !values.help) throw new Error("Which stack? --stack STACK");
    return { file: file ?? "", json: values.json, help: values.help, hosts: positionals };
  } catch (error) {
    console.error(`${(error as Error).message}\n\n${USAGE}`);
    return undefined;
  }
}

/** The hosts that have scripts to verify with. */
async function readHosts(
  file: string,
  wanted: readonly string[],
): Promise<readonly (readonly [string, HostSettings])[]> {
  const text = await readFile(file, "utf8").catch((error: unknown) => {
    throw new MissingNeed(`The stack's configuration can't be read: ${(error as Error).message}`);
  });
  const { hosts, problems } = parseHosts(
    (parse(text) as { config?: Record<string, unknown> } | null)?.config?.["jts-storage:hosts"],
  );
  if (problems.length > 0)
    throw new MissingNeed(
      `${file} can't be carried out:\n${problems.map(({ key, message }) => `  ${key}: ${message}`).join("\n")}`,
    );
  const absent = wanted.filter((name) => hosts[name] === undefined);
  if (absent.length > 0)
    throw new MissingNeed(`${file} has no host ${absent.join(", ")}; it has ${Object.keys(hosts).join(", ")}.`);
  const chosen = Object.entries(hosts).filter(([name]) => wanted.length === 0 || wanted.includes(name));
  const without = chosen.filter(([, { automation }]) => automation === undefined).map(([name]) => name);
  if (without.length > 0)
    console.error(`Not verified, for want of the scripts that automation delivers: ${without.join(", ")}`);
  return chosen.filter(([, { automation }]) => automation !== undefined);
}

async function verify(name: string, settings: HostSettings): Promise<Verdict> {
  try {
    const { questions } = await new SshHost(name, settings.connection).call({
      steps: [],
      questions: [{ argv: [`${INSTALLED}/verify-tiers.py`, "--json"], stdin: JSON.stringify(declarationOf(settings)) }],
    });
    const [{ stdout, stderr, exitCode } = { stdout: "", stderr: "", exitCode: undefined }] = questions;
    if (exitCode === 0 || exitCode === 1) return JSON.parse(stdout) as Verdict;
    return {
      ok: false,
      problem:
        exitCode === 127 ? `There is no ${INSTALLED}/verify-tiers.py; \`pulumi up\` delivers it.` : stderr.trim(),
    };
  } catch (error) {
    if (error instanceof StorageError) return { ok: false, problem: error.message };
    throw error;
  }
}

function printVerdict(name: string, verdict: Verdict): string[] {
  if ("problem" in verdict) return [`${name}: could not be verified: ${verdict.problem}`];
  const failed = verdict.checks.filter(({ ok }) => !ok).length;
  return [
    `${name}:`,
    ...verdict.checks.map(
      ({ ok, subject, fact }) => `  ${(ok ? "ok" : "FAILED").padEnd(6)}  ${subject.padEnd(7)}  ${fact}`,
    ),
    failed === 0
      ? `  all ${verdict.checks.length} checks passed`
      : `  ${failed} of ${verdict.checks.length} checks failed`,
  ];
}
