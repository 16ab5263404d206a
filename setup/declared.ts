import { fork } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";

/** A resource as a program declares it. */
export interface Declared {
  readonly name: string;
  readonly type: string;
  readonly inputs: Record<string, unknown>;
  readonly parent: string | undefined;
  readonly dependencies: readonly string[];
  readonly protect: boolean;
}

/**
 * What a program, by default this one, declares, by name. It runs on Pulumi's mocks, without engine, state and host, in
 * a process of its own, since mocks and configuration are a whole process's.
 * @param config the project's configuration, without its prefix
 */
export async function declaredBy(
  config: Record<string, unknown>,
  program = join(import.meta.dirname, "../index.ts"),
): Promise<ReadonlyMap<string, Declared>> {
  const child = fork(join(import.meta.dirname, "declaredProcess.ts"), [JSON.stringify(config), program], {
    execArgv: [],
  });
  let declared: Declared[] | undefined;
  child.once("message", (message) => (declared = message as Declared[]));
  // Messages come before it.
  await once(child, "disconnect");
  if (declared === undefined) throw new Error("the program ended early; it printed why above");
  return new Map(declared.map((one) => [one.name, one]));
}
