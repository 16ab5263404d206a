import { copyFile, mkdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { execa } from "execa";
import { parseDocument } from "yaml";
import { ROOT } from "./project.ts";

export interface InitOptions {
  /** Gets a Pulumi.yaml and the new Pulumi.STACK.yaml; made where it is absent. */
  readonly folder: string;
  /** Names the backend, which must not have the stack yet, and the passphrase. */
  readonly env: Readonly<Record<string, string>>;
  /** The folder of the project's Pulumi.yaml; this project's by default. */
  readonly project?: string;
  /** Stops it. */
  readonly signal?: AbortSignal;
}

/**
 * Makes an empty stack with `pulumi stack init`, and gives the salt of its passphrase: `encryptionsalt` in a stack's
 * configuration. Pulumi writes the salt beside the Pulumi.yaml that it finds. Hence the copy in `folder`: the committed
 * configuration stays as it is.
 */
export async function initStack(
  stack: string,
  { folder, env, project = ROOT, signal = new AbortController().signal }: InitOptions,
): Promise<string> {
  await mkdir(folder, { recursive: true });
  await copyFile(join(project, "Pulumi.yaml"), join(folder, "Pulumi.yaml"));
  await rm(join(folder, `Pulumi.${stack}.yaml`), { force: true });
  await execa("pulumi", ["stack", "init", "--no-select", "--stack", stack], {
    cwd: folder,
    env,
    stdin: "ignore",
    cancelSignal: signal,
  });
  return readSalt(stack, folder);
}

/** The salt of a stack that {@link initStack} made in the folder. */
export async function readSalt(stack: string, folder: string): Promise<string> {
  return String(parseDocument(await readFile(join(folder, `Pulumi.${stack}.yaml`), "utf8")).get("encryptionsalt"));
}
