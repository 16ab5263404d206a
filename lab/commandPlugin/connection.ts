import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { setTimeout } from "node:timers/promises";
import { z } from "zod";
import { logStatus } from "./engineLog.ts";
import { Failed } from "./failed.ts";

export const CONNECTION_DEFAULTS = { port: 22, user: "root", perDialTimeout: 15, dialErrorLimit: 10 } as const;

const refused = (why: string) =>
  z.undefined({ error: `isn't taken by this stand-in for Pulumi's command plugin: ${why}` }).optional();
/** Needs no quoting in ssh_config(5), and can't be read as an option. */
const word = z.string().regex(/^[A-Za-z0-9_.:@][A-Za-z0-9_.:@-]*$/, {
  error: "must hold only letters, digits and _ . : @ -, and not start with -",
});

const endpoint = z.strictObject({
  host: word,
  port: z.int().min(1).max(65535).default(CONNECTION_DEFAULTS.port),
  user: word.default(CONNECTION_DEFAULTS.user),
  hostKey: z
    .string({
      error:
        "is missing: this stand-in for Pulumi's command plugin refuses hosts whose key it can't check (the real one doesn't)",
    })
    .regex(/^(ssh|ecdsa|sk-ssh|sk-ecdsa)-[a-z0-9@.-]+ [A-Za-z0-9+/]{40,}={0,2}( [^\r\n]*)?\s*$/, {
      error: "is not a public key: ssh-ed25519 AAAA…",
    }),
  privateKey: z.string().optional(),
  agentSocketPath: z
    .string()
    .regex(/^[^"\\%$\r\n]+$/, { error: 'must not hold " \\ % $ and line ends' })
    .optional(),
  perDialTimeout: z.int().min(0).default(CONNECTION_DEFAULTS.perDialTimeout),
  dialErrorLimit: z.int().min(-1).default(CONNECTION_DEFAULTS.dialErrorLimit),
  password: refused("use a key, or the SSH agent"),
  privateKeyPassword: refused("put the key into the SSH agent, or use one without a passphrase"),
});
type Endpoint = z.infer<typeof endpoint>;

export const connectionSchema = endpoint.extend({ proxy: endpoint.optional() });
export type Connection = z.infer<typeof connectionSchema>;

/** Variables that ssh sends to the host. Those that ssh itself reads are refused. */
export const environmentSchema = z.record(
  z
    .string()
    .regex(/^[A-Za-z_][A-Za-z0-9_]*$/, { error: "is not a valid name of a variable" })
    .regex(/^(?!(PATH|HOME|SHELL|SSH_.*|LD_.*)$)/, {
      error: "can't be sent by this stand-in for Pulumi's command plugin",
    }),
  z.string(),
);

/** Folders with keys in them. They are removed when this process ends, unless it is killed with SIGKILL. */
const folders = new Set<string>();
process.once("exit", () => folders.forEach((folder) => rmSync(folder, { recursive: true, force: true })));
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.once(signal, () => process.exit(1));

export interface SshOptions {
  readonly cwd: string;
  readonly env: Readonly<Record<string, string>>;
  readonly reject: false;
}

/** An ssh that was started. `done` is its result, if it reached the host. */
export interface SshRun<T> {
  readonly ended: PromiseLike<{
    readonly exitCode?: number | undefined;
    readonly originalMessage?: string | undefined;
    readonly stderr: string | Uint8Array;
  }>;
  readonly done: Promise<T>;
}

/**
 * Runs ssh(1) to the host, on a connection of its own. Where it doesn't reach the host, it dials again, with growing
 * pauses, at most `dialErrorLimit` times; -1 is without limit.
 *
 * @param what ssh's arguments around the destination: options and command
 * @param start starts ssh with these arguments and options; `isThere` says whether ssh has reached the host
 */
export async function overSsh<T>(
  urn: string,
  connection: Connection,
  what: {
    readonly options?: readonly string[];
    readonly command: string;
    readonly environment?: Readonly<Record<string, string>>;
  },
  start: (args: readonly string[], options: SshOptions, isThere: () => boolean) => SshRun<T>,
): Promise<T> {
  const { environment = {}, options = [], command } = what;
  const { user, host, port, dialErrorLimit } = connection;
  const folder = mkdtempSync(join(tmpdir(), "jts-command-plugin-"));
  folders.add(folder);
  try {
    writeConfiguration(folder, connection, Object.keys(environment));
    const isThere = () => existsSync(join(folder, "dialled"));
    const args = ["-F", "config", "-T", ...options, "--", "target", command];
    for (let dials = 1; ; dials++) {
      const { ended, done } = start(
        args,
        { cwd: folder, env: { ...environment, SHELL: "/bin/sh" /* for LocalCommand */ }, reject: false },
        isThere,
      );
      done.catch(() => undefined); // awaited below, where the host was reached
      const { exitCode, originalMessage, stderr } = await ended;
      const said = Buffer.from(stderr as Uint8Array)
        .toString("utf8")
        .trim();
      if (isThere()) {
        return await done.catch((error: unknown) => {
          throw said === "" ? error : new Failed(`${String(error)}: ${said}`);
        });
      }
      if (exitCode === undefined) throw new Failed(`ssh could not run: ${originalMessage ?? "it was ended"}`);
      if (dialErrorLimit >= 0 && dials > dialErrorLimit) {
        const why = said.split("\n").slice(-2).join(" ") || `ssh ended with ${exitCode}`;
        throw new Failed(`${user}@${host}, port ${port} could not be reached, after ${dials} failed attempts: ${why}`);
      }
      logStatus(urn, `Dial ${dials}/${dialErrorLimit < 0 ? "inf" : dialErrorLimit} failed: retrying`);
      await setTimeout(Math.min(100 * 1.5 ** (dials - 1), 5000));
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
    folders.delete(folder);
  }
}

/** ssh runs in the folder, so that names in its configuration need no quoting. */
function writeConfiguration(folder: string, { proxy, ...target }: Connection, variables: readonly string[]): void {
  const write = (name: string, text: string) => writeFileSync(join(folder, name), text, { mode: 0o600 });
  const hosts = { target, ...(proxy === undefined ? {} : { proxy }) };
  for (const [name, { host, hostKey, privateKey }] of Object.entries(hosts)) {
    write(`${name}.known_hosts`, `${host.toLowerCase()} ${hostKey.trim()}\n`);
    if (privateKey !== undefined) write(`${name}.key`, `${privateKey.trimEnd()}\n`);
  }
  write(
    "config",
    [
      "Host target",
      // This file proves that ssh reached the host: by the exit code, a failure could be ssh's or the command's.
      "PermitLocalCommand yes",
      "LocalCommand touch dialled",
      ...(proxy === undefined ? [] : ["ProxyJump proxy"]),
      ...variables.map((name) => `SendEnv ${name}`),
      ...Object.entries(hosts).flatMap(([name, one]) => [`Host ${name}`, ...hostLines(name, one)]),
      "Host *",
      "BatchMode yes",
      "StrictHostKeyChecking yes",
      "GlobalKnownHostsFile /dev/null",
      "IdentitiesOnly yes",
      "ServerAliveInterval 15",
      "ServerAliveCountMax 6",
      "LogLevel ERROR",
      "",
    ].join("\n"),
  );
}

function hostLines(
  name: string,
  { host, port, user, privateKey, agentSocketPath, perDialTimeout }: Endpoint,
): string[] {
  const agent = agentSocketPath === undefined ? "SSH_AUTH_SOCK" : `"${resolve(agentSocketPath)}"`;
  return [
    `HostName ${host}`,
    `Port ${port}`,
    `User ${user}`,
    `HostKeyAlias ${host.toLowerCase()}`,
    `UserKnownHostsFile ${name}.known_hosts`,
    ...(perDialTimeout === 0 ? [] : [`ConnectTimeout ${perDialTimeout}`]),
    ...(privateKey === undefined
      ? ["IdentityFile none", `IdentityAgent ${agent}`, "IdentitiesOnly no"]
      : [`IdentityFile ${name}.key`, "IdentityAgent none"]),
  ];
}
