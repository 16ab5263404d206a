/** How `@pulumi/command` reaches a host, for what is an action and no state of the host. */
import { readFileSync } from "node:fs";
import { homedir } from "node:os";
import type { types } from "@pulumi/command";
import * as pulumi from "@pulumi/pulumi";
import { connectionSchema, type Connection } from "../providers/values/connection.ts";
import { quote } from "../providers/values/shellWord.ts";
import { isLater, type ConnectionArgs, type HostArgs } from "./arguments.ts";
import { below, problemsIn, requireNone, type Problem } from "./problem.ts";

export interface Remote {
  readonly connection: pulumi.Input<types.input.remote.ConnectionArgs>;
  /** A shell line that runs as root the program that it gets as {@link programText}; arguments travel as arguments. */
  readonly asRoot: (program: string, ...args: readonly string[]) => pulumi.Input<string>;
}

/** @throws {pulumi.RunError} where the connection is wrong, or neither given nor in the configuration. */
export function remoteTo({ host, connection: given }: HostArgs): Remote {
  const connection = given ?? configured(host);
  const read = (value: unknown): Connection => {
    const parsed = connectionSchema.safeParse(value);
    const problems = parsed.success ? findConnectionProblems(parsed.data) : problemsIn(connectionSchema, value);
    requireNone(below("connection", problems), `The connection to ${host}`);
    return parsed.data!;
  };
  // What the program knows is read at once, so that an error names the line that made it.
  const isKnown = !isLater(connection) && !Object.values(connection ?? {}).some(isLater);
  const known = isKnown ? read(connection) : pulumi.output(connection).apply(read);
  const when = <T>(make: (connection: Connection) => T): pulumi.Input<T> =>
    pulumi.Output.isInstance(known) ? known.apply(make) : make(known);
  return {
    connection: when(connectionArgs),
    asRoot: (program, ...args) => when(({ user }) => lineAsRoot(user, program, ...args)),
  };
}

/** What ssh(1) could do, and `@pulumi/command` could not. */
export function findConnectionProblems({ hostKey, identityFile = "", proxyJump, proxyHostKey }: Connection): Problem[] {
  const ofRsa = Object.entries({ hostKey, proxyHostKey }).flatMap(([key, value]) =>
    value?.startsWith("ssh-rsa ") === true
      ? [
          {
            key,
            message:
              "is an RSA key, for which @pulumi/command asks the server to sign with SHA-1, and servers refuse that; " +
              `write the host's other key: ssh-keyscan -t ed25519 ${key === "hostKey" ? "HOST" : "JUMP-HOST"}`,
          },
        ]
      : [],
  );
  const problems = /^~[^/]|%|\$\{/.test(identityFile)
    ? [
        ...ofRsa,
        {
          key: "identityFile",
          message: `${identityFile} is read in full only by ssh(1); for @pulumi/command write the path itself, or ~/…`,
        },
      ]
    : ofRsa;
  if (!isJump(proxyJump) || proxyHostKey !== undefined) return problems;
  return [
    ...problems,
    {
      key: "proxyHostKey",
      message: "is missing: @pulumi/command, which goes by the same jump host, doesn't read known_hosts",
    },
  ];
}

/** `none` is ssh(1)'s word for no jump host, whatever ~/.ssh/config has. */
function isJump(proxyJump: string | undefined): proxyJump is string {
  return proxyJump !== undefined && proxyJump.toLowerCase() !== "none";
}

/** The connection that the resources read too, when they run. */
function configured(host: string): ConnectionArgs {
  const hosts = new pulumi.Config().getObject<Record<string, { connection?: unknown }>>("hosts");
  return hosts?.[host]?.connection as ConnectionArgs;
}

/**
 * `@pulumi/command` reads neither ~/.ssh/config nor the key's file, so the key travels as a secret; without one, or
 * where the file isn't on this machine, the SSH agent has it.
 */
function connectionArgs({
  host,
  port,
  user,
  hostKey,
  identityFile,
  proxyJump,
  proxyHostKey,
  timeoutSeconds,
}: Connection): types.input.remote.ConnectionArgs {
  const key = identityFile === undefined ? undefined : readKey(identityFile);
  const privateKey = key === undefined ? {} : { privateKey: pulumi.secret(key) };
  const bounds = { perDialTimeout: timeoutSeconds, dialErrorLimit: 3 };
  // The plugin writes brackets around an IPv6 address by itself.
  const proxy = /^(?:([^@]+)@)?(?:\[([^\]]+)\]|([^:]+))(?::(\d+))?$/.exec(isJump(proxyJump) ? proxyJump : "");
  if (proxy === null || proxyHostKey === undefined) return { host, port, user, hostKey, ...bounds, ...privateKey };
  const [, proxyUser = user, address, name = "", proxyPort = "22"] = proxy;
  return {
    host,
    port,
    user,
    hostKey,
    ...bounds,
    ...privateKey,
    proxy: {
      host: address ?? name,
      port: Number(proxyPort),
      user: proxyUser,
      hostKey: proxyHostKey,
      ...bounds,
      ...privateKey,
    },
  };
}

/** {@link Remote.asRoot}, for that user. */
export function lineAsRoot(user: string, program: string, ...args: readonly string[]): string {
  const sudo = user === "root" ? [] : ["sudo", "--non-interactive", "--"];
  return [...sudo, "bash", "-s", "--", program, ...args].map(quote).join(" ");
}

/**
 * What a line of {@link Remote.asRoot} must get on standard input: a program in deploy/, and what that reads. A failed
 * command's error has the whole line, so the program isn't in it.
 * @param data one line; default: the program's standard input is empty
 */
export function programText(program: string, data = ""): string {
  if (/[\n\0]/.test(data)) throw new TypeError("What a program reads must be one line.");
  const text = readFileSync(new URL(`deploy/${program}.sh`, import.meta.url), "utf8").replaceAll(/^ *#.*\n/gm, "");
  // In braces, so that a part of it does nothing.
  return `{\nmain() {\n${text}}\nmain "\${@:2}" <<'END-OF-DATA'\n${data}\nEND-OF-DATA\nexit\n}\n`;
}

function readKey(path: string): string | undefined {
  // It says which of the agent's keys is meant.
  if (path.endsWith(".pub")) return undefined;
  try {
    return readFileSync(path.replace(/^~(?=\/)/, homedir()), "utf8");
  } catch (error) {
    // A preview in a pull request needs no host, hence no key.
    if (!pulumi.runtime.isDryRun())
      throw new pulumi.RunError(`The identity file ${path} can't be read: ${(error as Error).message}`);
    return undefined;
  }
}
