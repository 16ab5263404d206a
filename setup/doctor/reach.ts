/** How far a host lets us in: from its name to a shell of root. */
import { createHash } from "node:crypto";
import { CommandFailed, HostUnreachable } from "../../providers/errors.ts";
import { cmd, quote } from "../../providers/host/command.ts";
import type { Host } from "../../providers/host/host.ts";
import type { Connection } from "../../providers/values/connection.ts";
import { within } from "../within.ts";
import { failed, ok, unasked, type Row } from "./row.ts";

/** A stage on the way in. */
interface Stage {
  readonly subject: string;
  /** What ssh says where it ends there. English is matched: ssh knows nothing else, and has one exit code for all. */
  readonly said: RegExp;
  readonly passed: (connection: Connection) => string;
  readonly next: (connection: Connection) => string;
}

const STAGES: readonly Stage[] = [
  {
    subject: "name",
    said: /Could not resolve hostname/,
    passed: ({ host }) => `${host} has an address`,
    next: ({ host }) =>
      `getent hosts ${quote(host)}, here; correct connection.host, or add the name to DNS, /etc/hosts or ~/.ssh/config`,
  },
  {
    subject: "port",
    said: /^ssh: connect to host /m,
    passed: ({ port, proxyJump }) => `TCP port ${port} is open${proxyJump === undefined ? "" : `, by ${proxyJump}`}`,
    next: ({ host, port }) =>
      `ping ${quote(host)}, here; on the host's console: systemctl status ssh; ss --listening --tcp --numeric --processes; ` +
      `a firewall in between must let port ${port} through; or correct connection.host, connection.port`,
  },
  {
    subject: "SSH server",
    said: /banner exchange|(kex|ssh)_exchange_identification|Bad remote protocol|Unable to negotiate|^Connection (closed|reset|to) /m,
    passed: () => "greets",
    next: ({ port, proxyJump }) =>
      proxyJump === undefined
        ? `on the host's console: systemctl status ssh; journalctl --unit=ssh --lines=20; is it sshd that listens at port ${port}?`
        : `ssh -J ${quote(proxyJump)} must reach it: first try ssh to ${quote(proxyJump)} itself, which has to let through to port ${port}`,
  },
  {
    subject: "host key",
    said: /Host key verification failed|host key is known/,
    passed: ({ hostKey }) => `is connection.hostKey: ${printKey(hostKey)}`,
    next: ({ host, port }) =>
      `on the host's console: ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub; only where that shows the same fingerprint, ` +
      `write the key into connection.hostKey: ssh-keyscan -p ${port} -t ed25519 ${quote(host)}. Another fingerprint: it is another machine`,
  },
  {
    subject: "login",
    said: /Permission denied|Too many authentication failures|Load key |UNPROTECTED PRIVATE KEY|agent refused/,
    passed: ({ user }) => `as ${user}`,
    next: ({ user, identityFile, host, port }) =>
      `the public key must be in ~${user}/.ssh/authorized_keys on the host: ssh-copy-id -p ${port} ` +
      `${identityFile === undefined ? "" : `-i ${quote(identityFile)} `}${quote(`${user}@${host}`)}; ` +
      (identityFile === undefined
        ? "ssh-add -l, here, lists the keys that the agent offers"
        : "or correct connection.identityFile"),
  },
];
const ROOT_SHELL = "root";

/** The subjects of what {@link reach} tells. */
export const REACH_SUBJECTS = [...STAGES.map(({ subject }) => subject), ROOT_SHELL];

/**
 * Tries to get in. All but the last row are of a way that is passed, if `isIn` is false.
 * @param seconds how long all of it may take
 */
export async function reach(
  host: Host,
  connection: Connection,
  seconds: number,
): Promise<{ readonly rows: readonly Row[]; readonly isIn: boolean }> {
  const call = host.call({ steps: [], questions: [cmd`id --user`] });
  const outcome = await within<string | Error>(
    seconds,
    call.then(
      ({ questions: [output] }) => output?.stdout.trim() ?? "",
      (error: unknown) => (error instanceof Error ? error : new Error(String(error))),
    ),
    () => new Error("late"),
  );
  const passed = STAGES.map(({ subject, passed }) => ok(subject, passed(connection)));
  if (outcome instanceof CommandFailed) {
    const isHere = /this machine has no ssh|can't be written on this machine/.test(outcome.message);
    return { rows: isHere ? [unasked("ssh", outcome)] : [...passed, unasked(ROOT_SHELL, outcome)], isIn: false };
  }
  if (outcome instanceof HostUnreachable) return { rows: notReached(outcome, connection), isIn: false };
  if (outcome instanceof Error) {
    const found = `the login, or sudo, did not come to an end in ${seconds} s`;
    return { rows: [failed("login", found, hangs(connection))], isIn: false };
  }
  if (outcome === "0") return { rows: [...passed, ok(ROOT_SHELL, howRoot(connection))], isIn: true };
  const row = failed(
    ROOT_SHELL,
    `sudo makes ${connection.user} the user with the number ${outcome}, not root`,
    "on the host: sudo --list; a rule must have (root) or (ALL), and no Defaults runas_default",
  );
  return { rows: [...passed, row], isIn: false };
}

function howRoot({ user }: Connection): string {
  return user === "root" ? "a bash of root runs" : `sudo gives ${user} a bash of root without a password`;
}

function hangs({ user, host, port }: Connection): string {
  return (
    `ssh -p ${port} ${quote(`${user}@${host}`)} sudo --non-interactive true, here, hangs as well; on its console: ` +
    "journalctl --unit=ssh --lines=20; dmesg | tail. Often a home folder or name service (LDAP, sssd) that doesn't answer"
  );
}

function notReached(error: HostUnreachable, connection: Connection): Row[] {
  const said = error.what.replace(/^.*? could not be reached: /s, "");
  const at = STAGES.findIndex((stage) => stage.said.test(said));
  const stage = STAGES[at];
  if (stage === undefined) return [unasked("connection", error)];
  return [
    ...STAGES.slice(0, at).map(({ subject, passed }) => ok(subject, passed(connection))),
    failed(stage.subject, stage.subject === "host key" ? otherKey(said, connection) : said, stage.next(connection)),
  ];
}

/** ssh says it in 15 lines. */
function otherKey(said: string, { hostKey }: Connection): string {
  const [, shown] = /^(SHA256:\S+?)\.?$/m.exec(said) ?? [];
  return `the host shows another key${shown === undefined ? "" : `, ${shown}`}, than connection.hostKey: ${printKey(hostKey)}`;
}

/** A public key by its type and fingerprint, as `ssh-keygen -l` has them. */
function printKey(key: string): string {
  const [type = "", base64 = ""] = key.split(" ");
  const sum = createHash("sha256").update(Buffer.from(base64, "base64")).digest("base64").replace(/=+$/, "");
  return `${type} SHA256:${sum}`;
}
