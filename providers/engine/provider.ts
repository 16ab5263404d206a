import type { ConfigureRequest, ResourceProvider } from "@pulumi/pulumi/dynamic/index.js";
import { z } from "zod";
import { InvalidConfig } from "../errors.ts";
import { connectionSchema } from "../host/connection.ts";
import { SshHost } from "../host/sshHost.ts";
import { lifecycle } from "./lifecycle.ts";
import type { CommonInputs, ResourceKind } from "./resource.ts";
import { Session } from "./session.ts";

/** `jts-storage:hosts` as the last provider to be configured was given it; the same for all in one process. */
let hosts: unknown;
const sessions = new Map<string, Session>();

/** A kind as the provider's server wants it. */
export function provider<I extends CommonInputs, S>(kind: ResourceKind<I, S>): ResourceProvider {
  return {
    // Sets what it sets before its first await: the server doesn't wait for it on a second, concurrent call.
    configure({ config }: ConfigureRequest): Promise<void> {
      hosts = JSON.parse(config.get("hosts") ?? "{}");
      return Promise.resolve();
    },
    ...lifecycle(kind, sessionOf),
  };
}

function sessionOf(name: string): Session {
  let session = sessions.get(name);
  if (session === undefined) {
    const parsed = z.record(z.string(), z.looseObject({ connection: connectionSchema })).safeParse(hosts);
    const connection = parsed.data?.[name]?.connection;
    if (connection === undefined) {
      throw new InvalidConfig(
        `The stack's configuration has no connection for the host "${name}".`,
        `pulumi config get jts-storage:hosts — a host's resources must be destroyed before its entry goes.`,
      );
    }
    session = new Session(new SshHost(name, connection));
    sessions.set(name, session);
  }
  return session;
}
