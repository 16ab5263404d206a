import { fstatSync } from "node:fs";
import type { ConfigureRequest, ResourceProvider } from "@pulumi/pulumi/dynamic/index.js";
import { z } from "zod";
import { InvalidConfig } from "../errors.ts";
import { SshHost } from "../host/sshHost.ts";
import { connectionSchema, type Connection } from "../values/connection.ts";
import { lifecycle } from "./lifecycle.ts";
import type { AnyKind, CommonInputs } from "./resource.ts";
import { Session } from "./session.ts";
import { knowUrns, statusLineOf } from "./statusLine.ts";

/**
 * `hosts` of the configuration, as the last provider to be configured was given it; the same for all in one process.
 */
let hosts: Readonly<Record<string, { readonly connection: Connection }>> = {};
const sessions = new Map<string, Session>();
knowUrns();

/** A kind as the provider's server wants it. */
export function provider(kind: AnyKind): ResourceProvider {
  return {
    // Sets what it sets before its first await: the server doesn't wait for it on a second, concurrent call.
    configure({ config }: ConfigureRequest): Promise<void> {
      endWithEngine();
      hosts = hostsSchema.safeParse(JSON.parse(config.get("hosts") ?? "{}")).data ?? {};
      return Promise.resolve();
    },
    ...lifecycle(kind, sessionOf, statusLineOf),
  };
}

let endsWithEngine = false;

/**
 * An engine that is killed ends nobody. Its end of our standard input is then closed, whatever processes are between
 * us and it; so this process ends as if the engine had asked for it: what a host was sent is carried out there, nothing
 * else is begun, and the connections are closed. A provider that somebody started by hand has no such pipe.
 */
function endWithEngine(): void {
  const input = fstatSync(0);
  if (endsWithEngine || !(input.isFIFO() || input.isSocket())) return;
  endsWithEngine = true;
  process.stdin.once("end", () => process.exit()).once("error", () => process.exit());
  process.stdin.resume();
}

const hostsSchema = z.record(z.string(), z.looseObject({ connection: connectionSchema }));

/** One session for each host and way to it. */
function sessionOf({ host, connection = hosts[host]?.connection }: CommonInputs): Session {
  if (connection === undefined) {
    throw new InvalidConfig(
      `The stack's configuration has no connection for the host "${host}", and the resource was given none.`,
      `write the host "${host}" with its connection into jts-storage:hosts, under that key: its resources must be ` +
        "destroyed before its entry goes. Where its key was changed: docs/troubleshooting.md#access",
    );
  }
  const key = JSON.stringify([host, connection]);
  const session = sessions.get(key) ?? new Session(new SshHost(host, connection));
  sessions.set(key, session);
  return session;
}
