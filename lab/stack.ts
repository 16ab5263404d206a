import { existsSync } from "node:fs";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { parseDocument } from "yaml";
import type { Connection } from "../providers/values/connection.ts";
import { initStack, readSalt } from "../setup/initStack.ts";
import { MissingNeed } from "../setup/progress.ts";
import { pulumiEnvironment, ROOT } from "../setup/project.ts";
import { LAB } from "./folders.ts";

/** The lab's own file backend. */
export const STATE = join(LAB, "state");
/** Holds the salts of the lab's stacks. */
const PROJECT = join(LAB, "project");

const STACK = "dev";
/** The host of stack `dev` that the lab stands in for. */
const LAB_HOST = "lab";

/** The environment in which `pulumi` works on the lab's own backend. */
export function pulumiEnv(stack = STACK): Record<string, string> {
  // The passphrase is not a secret: the lab has none.
  return {
    ...pulumiEnvironment(),
    PULUMI_BACKEND_URL: `file://${STATE}`,
    PULUMI_CONFIG_PASSPHRASE: "jts-lab",
    PULUMI_STACK: stack,
  };
}

/**
 * Makes the stack, if it is absent, with the configuration of stack `dev` and this connection. Gives that file's path.
 */
export async function prepareStack(connection: Connection, stack = STACK): Promise<string> {
  await mkdir(STATE, { recursive: true });
  const committed = join(ROOT, `Pulumi.${STACK}.yaml`);
  if (!existsSync(committed))
    throw new MissingNeed(`There is no Pulumi.${STACK}.yaml in ${ROOT}, so the lab has no stack to bring up.`);
  const config = parseDocument(await readFile(committed, "utf8"));
  const at = ["config", "jts-storage:hosts", LAB_HOST];
  if (!config.hasIn(at))
    throw new MissingNeed(
      `Pulumi.${STACK}.yaml has no host "${LAB_HOST}" under jts-storage:hosts, so the lab can't stand in for it.`,
    );
  config.setIn([...at, "connection"], connection);
  const salt = hasStack(stack)
    ? await readSalt(stack, PROJECT)
    : await initStack(stack, { folder: PROJECT, env: pulumiEnv(stack) });
  config.set("encryptionsalt", salt);
  const file = join(LAB, `Pulumi.${stack}.yaml`);
  await writeFile(file, config.toString());
  return file;
}

/** Whether the lab's backend has the stack; it may be empty. */
export function hasStack(stack = STACK): boolean {
  return existsSync(join(STATE, ".pulumi", "stacks", "jts-storage", `${stack}.json`));
}
