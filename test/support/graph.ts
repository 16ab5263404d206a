import { fork } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";

/** A resource as the program registers it. */
export interface Registered {
  readonly name: string;
  readonly type: string;
  readonly inputs: Record<string, unknown>;
  readonly parent: string | undefined;
  readonly dependencies: readonly string[];
  readonly protect: boolean;
}

/**
 * Runs a program, by default this one, on Pulumi's mocks, and gives what it registered, by name. In a process of its own, since Pulumi's
 * mocks and configuration are the whole process's, which other tests share.
 */
export async function graphOf(
  config: Record<string, unknown>,
  program = join(import.meta.dirname, "../../index.ts"),
): Promise<ReadonlyMap<string, Registered>> {
  const child = fork(join(import.meta.dirname, "graphProcess.ts"), [JSON.stringify(config), program], { execArgv: [] });
  let registered: Registered[] | undefined;
  child.once("message", (message) => (registered = message as Registered[]));
  // Messages come before it.
  await once(child, "disconnect");
  if (registered === undefined) throw new Error("the program ended early; it printed why above");
  return new Map(registered.map((one) => [one.name, one]));
}
