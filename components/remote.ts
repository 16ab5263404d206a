import { readFileSync } from "node:fs";
import { homedir } from "node:os";
import type { types } from "@pulumi/command";
import * as pulumi from "@pulumi/pulumi";
import type { HostSettings } from "../config.ts";
import { quote } from "../providers/values/shellWord.ts";

type Connection = HostSettings["connection"];

/**
 * A host's connection as `@pulumi/command` takes it. It reads neither ~/.ssh/config nor the key's file, so the key
 * travels as a secret; without one, or where the file isn't on this machine, the SSH agent has it.
 */
export function connectionArgs({
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
  const proxy = /^(?:([^@]+)@)?(\[[^\]]+\]|[^:]+)(?::(\d+))?$/.exec(proxyJump ?? "");
  if (proxy === null || proxyHostKey === undefined) return { host, port, user, hostKey, ...bounds, ...privateKey };
  const [, proxyUser = user, proxyHost = "", proxyPort = "22"] = proxy;
  return {
    host,
    port,
    user,
    hostKey,
    ...bounds,
    ...privateKey,
    proxy: {
      host: proxyHost,
      port: Number(proxyPort),
      user: proxyUser,
      hostKey: proxyHostKey,
      ...bounds,
      ...privateKey,
    },
  };
}

/** A shell line that runs one of the programs in deploy/ as root; arguments travel as arguments. */
export function asRoot({ user }: Connection, program: string, ...args: readonly string[]): string {
  const text = readFileSync(new URL(`deploy/${program}.sh`, import.meta.url), "utf8").replaceAll(/^ *#.*\n/gm, "");
  const sudo = user === "root" ? [] : ["sudo", "--non-interactive", "--"];
  return [...sudo, "bash", "-c", text, program, ...args].map(quote).join(" ");
}

function readKey(path: string): string | undefined {
  try {
    return readFileSync(path.replace(/^~(?=\/)/, homedir()), "utf8");
  } catch (error) {
    // A preview in a pull request needs no host, hence no key.
    if (!pulumi.runtime.isDryRun())
      throw new pulumi.RunError(`The identity file ${path} can't be read: ${(error as Error).message}`);
    return undefined;
  }
}
