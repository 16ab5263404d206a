/** `npm run adopt -- --host user@address`: a stack's configuration for a host that is there already. */
import { access } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { execa } from "execa";
import { Session } from "../providers/engine/session.ts";
import { StorageError } from "../providers/errors.ts";
import { SshHost } from "../providers/host/sshHost.ts";
import { connectionSchema } from "../providers/values/connection.ts";
import { draft } from "../setup/adopt/draft.ts";
import { readHost } from "../setup/adopt/found.ts";
import { printNotes, printOutcome, printStack } from "../setup/adopt/print.ts";
import { settle } from "../setup/adopt/settle.ts";
import { command, refuseWords, writeNamed, WrongUsage } from "../setup/command.ts";
import { MissingNeed, step } from "../setup/progress.ts";
import { ROOT } from "../setup/project.ts";

const USAGE = `Usage: npm run adopt -- --host [USER@]ADDRESS[:PORT] [OPTION…]

Reads a host that is in use, and writes a Pulumi.STACK.yaml with which \`pulumi up\` only enters what is there into the
state: it changes nothing on the host, and neither does this command. What could not be taken over is in the file's
comments, and printed: what is in the way, in the order in which to go about it; what stays outside; and what works, and
could be better.

  --stack STACK         the stack's name; default: the host's own name
  --host-key KEY        the host's public key, "ssh-ed25519 AAAA…"; default: as ~/.ssh/known_hosts has it
  --identity-file FILE  the private key; default: the SSH agent and ~/.ssh/config decide
  --proxy-jump HOP      as ProxyJump of ssh_config(5), of one hop
  --output FILE         in place of Pulumi.STACK.yaml; - prints it, and nothing else, on standard output
  --force               overwrite the file

Exit status: 0 written · 1 written, and something is in the way; or the host could not be read · 2 wrong usage
`;

await command(
  USAGE,
  {
    host: { type: "string" },
    stack: { type: "string" },
    "host-key": { type: "string" },
    "identity-file": { type: "string" },
    "proxy-jump": { type: "string" },
    output: { type: "string" },
    force: { type: "boolean", default: false },
  },
  async ({ values, positionals }) => {
    refuseWords(positionals);
    if (!values.host) throw new WrongUsage("A host is missing: --host USER@ADDRESS");
    const fileOf = (stack: string) => values.output ?? join(ROOT, `Pulumi.${stack}.yaml`);
    const mustBeNew = values.output !== "-" && !values.force;
    // To read a host takes a while.
    if (mustBeNew && (values.output ?? values.stack) !== undefined) await refuseToOverwrite(fileOf(values.stack ?? ""));
    const connection = await connectionOf(values.host, values);
    const { data, error } = connectionSchema.safeParse(connection);
    if (data === undefined)
      throw new WrongUsage(error.issues.map(({ path, message }) => `${path.join(".")} ${message}`).join("\n"));
    const say = values.output === "-" ? <T>(_what: string, work: () => Promise<T>) => work() : step;
    try {
      const reader = new Session(new SshHost(connection.host, data));
      const found = await say(`Reading ${connection.host}`, () => readHost(reader));
      const name =
        found.hostName
          .split(".")[0]!
          .replaceAll(/[^A-Za-z0-9-]/g, "-")
          .replace(/^-+/, "") || "host";
      // By the name that it has in the configuration, which resources and messages go by.
      const session = new Session(new SshHost(name, data));
      const settled = await say("Comparing it with what would be declared", () =>
        settle(session, connection, draft(found)),
      );
      const text = printStack(name, settled);
      const isClear = settled.resources > 0 && settled.notes.every(({ kind }) => kind !== "obstacle");
      if (values.output === "-") process.stdout.write(text);
      else {
        const stack = values.stack ?? name;
        const file = fileOf(stack);
        if (mustBeNew) await refuseToOverwrite(file);
        await writeNamed(file, text);
        console.log(["", ...printNotes(settled.notes), `Written: ${file}`, printOutcome(settled)].join("\n"));
        if (settled.resources > 0)
          console.log(
            `Next: read it; npm run preview -- ${stack}; npx pulumi stack init ${stack}; npx pulumi up --stack ${stack}`,
          );
      }
      return isClear ? 0 : 1;
    } catch (error) {
      if (error instanceof StorageError) throw new MissingNeed(error.message);
      throw error;
    }
  },
);

/** As the stack's configuration has it; unchecked. */
async function connectionOf(
  to: string,
  given: { readonly "host-key"?: string; readonly "identity-file"?: string; readonly "proxy-jump"?: string },
) {
  const [, user, address = "", port] =
    /^(?:([^@]+)@)?(\[[^\]]+\]|[^:@]*|[^@]*:[^@]*:[^@]*?)(?::(\d+))?$/.exec(to) ?? [];
  const host = address.replace(/^\[(.*)\]$/, "$1");
  if (host === "") throw new WrongUsage(`--host ${to} has no address: --host USER@ADDRESS`);
  return {
    host,
    port: port === undefined ? undefined : Number(port),
    user,
    hostKey: given["host-key"] ?? (await knownKey(host, port)),
    identityFile: given["identity-file"],
    proxyJump: given["proxy-jump"],
  };
}

/** @throws {MissingNeed} where the file is there already */
async function refuseToOverwrite(file: string): Promise<void> {
  const isThere = await access(file).then(
    () => true,
    () => false,
  );
  if (isThere)
    throw new MissingNeed(`${file} exists already. Next: --output FILE for another file, or --force to overwrite it.`);
}

/** The host's key that this machine's user has accepted before, ed25519 where there are several. */
async function knownKey(address: string, port: string | undefined): Promise<string> {
  const name = port === undefined || port === "22" ? address : `[${address}]:${port}`;
  const { stdout } = await execa("ssh-keygen", ["-F", name, "-f", join(homedir(), ".ssh/known_hosts")], {
    reject: false,
  });
  const keys = stdout.split("\n").flatMap((line) => /^\S+ ((?:ssh|ecdsa)-\S+ \S+)/.exec(line)?.[1] ?? []);
  const key = keys.find((one) => one.startsWith("ssh-ed25519 ")) ?? keys[0];
  if (key !== undefined) return key;
  const scan = `ssh-keyscan -t ed25519${port === undefined ? "" : ` -p ${port}`} ${address}`;
  throw new MissingNeed(
    `The key of ${name} isn't known on this machine. Next: \`${scan}\` prints it; compare it with what \`cat /etc/ssh/ssh_host_ed25519_key.pub\` prints on the host itself; then --host-key 'ssh-ed25519 AAAA…'.`,
  );
}
