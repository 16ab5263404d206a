/** `npm run doctor -- --stack STACK`: what stands in the way of an `up` on the hosts of a stack. USAGE says how. */
import { SshHost } from "../providers/host/sshHost.ts";
import { printColumns } from "../setup/columns.ts";
import { command } from "../setup/command.ts";
import type { BoundedHost } from "../setup/doctor/boundedHost.ts";
import { examine } from "../setup/doctor/examine.ts";
import type { Row } from "../setup/doctor/row.ts";
import { readStack, STACK_OPTIONS, STACK_USAGE, stackFile, type StackHost } from "../setup/stackFile.ts";

const USAGE = `Usage: npm run doctor -- --stack STACK [OPTION…] [HOST…]

Looks over SSH at what may stand in the way of an \`up\` to each host that Pulumi.STACK.yaml declares, in the order in
which it must be mended: the connection, host key, login and sudo; release, systemd, clock, room, fstab, apt; then the
declared devices, mount points and NAS, and all resources, each compared as an \`up\` compares it. Without HOST, all
hosts, side by side. It changes nothing, here or there, and ends within minutes whatever hangs: what hangs is named.

${STACK_USAGE}
  --json              one JSON document, by host: { "HOST": { "ok": true, "rows": [ { "state", "subject", "found",
                      "next" } ] } }. state: "ok"; "advice", an \`up\` works, but look at it; "FAILED", it stands in
                      the way; "not asked", as what comes before it failed. next: what to do, in rows of the second
                      and the third kind. ok: no row is FAILED

Exit status: 0 nothing stands in the way · 1 something does, or a host could not be asked · 2 wrong usage
`;

/** A sound host that is slow takes up to 15 s for apt; the whole look takes some seconds elsewhere. */
const LIMITS = { questionSeconds: 30, allSeconds: 180 };
/** Less than an `up` allows, as somebody waits for the answer. */
const DIAL_SECONDS = 10;
const PROGRESS_MILLISECONDS = 5000;

await command(USAGE, { ...STACK_OPTIONS, json: { type: "boolean" } }, async ({ values, positionals }) => {
  const hosts = await readStack(stackFile(values), positionals);
  const asked = new Map<string, BoundedHost | undefined>(hosts.map(({ name }) => [name, undefined]));
  const progress = setInterval(() => printProgress(asked), PROGRESS_MILLISECONDS);
  const found = await Promise.all(
    hosts.map(async (host) => {
      const rows = await examine(sshTo(host), host, LIMITS, (bounded) => asked.set(host.name, bounded));
      asked.delete(host.name);
      return { name: host.name, ok: rows.every(({ state }) => state !== "FAILED"), rows };
    }),
  );
  clearInterval(progress);
  if (values.json === true)
    console.log(JSON.stringify(Object.fromEntries(found.map(({ name, ...rest }) => [name, rest])), null, 2));
  else for (const { name, rows } of found) console.log(printRows(name, rows).join("\n"));
  return found.every(({ ok }) => ok) ? 0 : 1;
});
// What hangs would keep this process.
process.exit();

function sshTo({ name, settings: { connection } }: StackHost): SshHost {
  return new SshHost(name, { ...connection, timeoutSeconds: Math.min(connection.timeoutSeconds, DIAL_SECONDS) });
}

function printProgress(asked: ReadonlyMap<string, BoundedHost | undefined>): void {
  for (const [name, host] of asked) {
    const [first = "", ...rest] = host?.asked ?? [];
    const more = rest.length === 0 ? "" : ` and ${rest.length} more`;
    console.error(`${name}: waits for ${host === undefined ? "the connection" : first.slice(0, 80) + more} …`);
  }
}

function printRows(name: string, rows: readonly Row[]): string[] {
  const count = (state: Row["state"]) => rows.filter((row) => row.state === state).length;
  const lines = rows.flatMap(({ state, subject, found, next }) => [
    [state, subject, found.replaceAll(/\s*\n\s*/g, "; ")],
    ...(next === undefined ? [] : [["", "", `Next: ${next}`]]),
  ]);
  const [failures, advices] = [count("FAILED"), count("advice")];
  const first = rows.find(({ state }) => state === "FAILED");
  const sum =
    first === undefined
      ? `nothing stands in the way of an \`up\`${advices === 0 ? "" : `; ${advices} to look at`}`
      : `${failures} ${failures === 1 ? "stands" : "stand"} in the way; first: ${first.subject}`;
  return [`${name}:`, ...[...printColumns(lines), sum].map((line) => `  ${line}`)];
}
