import { CommandFailed, HostUnreachable, type StorageError } from "../errors.ts";
import { quote } from "../values/shellWord.ts";
import type { Connection } from "../values/connection.ts";
import type { Outcome, Refusal } from "./shell.ts";

/** ssh's exit code for its own failures. */
const SSH_FAILED = 255;
/** Of what a start-up file prints, as much as an error can show. */
const SHOWN = 400;

/** sudo reads no file there whose name has a dot, as users' names may, and of several rules the last one counts. */
const VISUDO = "visudo --file=/etc/sudoers.d/zz-jts-storage";
/** A user as sudoers(5) takes it, such as one of a domain, CORP\john. */
const inSudoers = (user: string) => user.replaceAll("\\", String.raw`\\`);

/** The next command to try, of a person who knows the host and its user. */
type Next = (to: { readonly ssh: string; readonly user: string }, match: RegExpExecArray) => string;

/**
 * What keeps a bash from running as root, by what was said. English is matched, as none of them has an exit code of its
 * own: sudo is run in the C locale, the others know no other language.
 */
const CAUSES: readonly (readonly [said: RegExp, what: (user: string) => string, next: Next])[] = [
  [
    /you must have a tty to run sudo/,
    (user) => `sudo lets ${user} in only from a terminal (requiretty)`,
    ({ user }) => `${VISUDO} on the host: Defaults:${inSudoers(user)} !requiretty`,
  ],
  [
    /[Ll]ogin as the user "([^"]+)"/,
    (user) => `the host doesn't let ${user} work, only another user`,
    (_to, [, user]) => `set connection.user to ${user}; it needs sudo without a password.`,
  ],
  [
    /account is (?:currently )?not available/,
    (user) => `${user} has no login shell`,
    ({ user }) => `on the host: usermod --shell /bin/bash ${user}; or set another connection.user.`,
  ],
  [
    /sudo\W*: (?:No such file|(?:command )?not found)/,
    () => "the host has no sudo",
    ({ user }) => `on the host, as root: apt-get install sudo; ${VISUDO}: ${inSudoers(user)} ALL=(ALL) NOPASSWD: ALL`,
  ],
  [
    /bash\W*: (?:No such file|(?:command )?not found)/,
    () => "the host has no bash",
    () => "on the host, as root: apt-get install bash",
  ],
  [
    /No space left on device|Read-only file system/,
    () => "there is no room in /run for what is asked",
    () => "on the host: df --human-readable /run; df --inodes /run; make room, then run the same command again.",
  ],
  [
    /^sudo: (?!unable to resolve host)/m,
    (user) => `${user} can't become root without a password`,
    ({ user }) => `${VISUDO} on the host: ${inSudoers(user)} ALL=(ALL) NOPASSWD: ALL`,
  ],
];

/** Why there was never a bash of ours in a session. */
export function refused(
  name: string,
  connection: Connection,
  { exitCode, isTooLate, printed }: Refusal,
  said: string,
): StorageError {
  const text = readable(`${said}\n${printed}`);
  // ssh's own failures have one exit code; another one is what the host ran.
  if (!isTooLate && (exitCode === undefined || exitCode === SSH_FAILED) && readable(printed) === "")
    return lost(name, connection, text || "the session ended before it began");
  const { user } = connection;
  const to = { ssh: sshTo(connection), user };
  for (const [pattern, what, next] of CAUSES) {
    const match = pattern.exec(text);
    if (match !== null) return new CommandFailed(`${name}: ${what(user)}: ${text}`, next(to, match));
  }
  const how = isTooLate ? "it did not come in time" : `what ran instead ended with ${exitCode ?? "a signal"}`;
  const tried = `${user === "root" ? "" : "sudo --non-interactive "}bash --norc -c ${quote("echo ready")}`;
  return new CommandFailed(
    `${name}: ${user} logs in, but gets no bash there: ${how}${text === "" ? "" : `, and printed: ${text}`}`,
    `${to.ssh} ${quote(tried)} must end with the line "ready". What may be in the way on the host: a start-up file of ` +
      `that user (~/.bashrc, ~/.profile, …) that runs exec, exit or waits; command="…" in ~/.ssh/authorized_keys; ` +
      `ForceCommand in /etc/ssh/sshd_config; the user's login shell.`,
  );
}

/** A connection that could not be made, or that ended while a program ran. */
export function lost(name: string, connection: Connection, said: string): HostUnreachable {
  const { host, port, user } = connection;
  return new HostUnreachable(
    `${name} (${user}@${host}, port ${port}) could not be reached: ${said}`,
    `${sshTo(connection)} true — when that works, run the same command again; nothing is forgotten.`,
  );
}

/** A program that ended, on a connection that holds, without all of its answers. */
export function unfinished(name: string, { exitCode, said }: Outcome): CommandFailed {
  const text = readable(said);
  const why = text || (exitCode === 0 ? "another program printed between them" : "nothing was said");
  const isFull = /No space left on device|Read-only file system/.test(text);
  return new CommandFailed(
    `${name}: the answers are not whole (exit code ${exitCode ?? "none"}): ${why}`,
    isFull
      ? "on the host: df --human-readable /run; df --inodes /run; make room, then: pulumi up --refresh"
      : "pulumi up --refresh; where it comes again: what do root's start-up files on the host leave running (~/.bashrc)?",
  );
}

function sshTo({ host, port, user }: Connection): string {
  return `ssh -p ${port} ${quote(`${user}@${host}`)}`;
}

/** Without what only a terminal shows, and not more than a person reads. */
function readable(text: string): string {
  const plain = text
    // eslint-disable-next-line no-control-regex -- escape sequences are what it is about
    .replaceAll(/\x1b(?:\[[0-9;?]*[A-Za-z]|\][^\x07]*\x07|[()][A-Z0-9])/g, "")
    // eslint-disable-next-line no-control-regex -- the same
    .replaceAll(/[\x00-\x09\x0b-\x1f\x7f]/g, "")
    .trim();
  return plain.length > SHOWN ? `${plain.slice(0, SHOWN)} …` : plain;
}
