import { cp, mkdir } from "node:fs/promises";
import { join } from "node:path";
import { execa } from "execa";
import { pulumiEnvironment, ROOT } from "../../setup/project.ts";

/**
 * A program of examples/, installed away from this checkout as somebody else would install it, with its own backend.
 */
export interface Example {
  readonly folder: string;
  pulumi(...args: readonly string[]): Promise<{ readonly exitCode: number | undefined; readonly said: string }>;
}

/** Packs this project, and installs the package beside a copy of the example in `folder`. */
export async function installExample(name: string, folder: string, stack: string): Promise<Example> {
  const program = join(folder, name);
  const state = join(folder, "state");
  await mkdir(state, { recursive: true });
  await cp(join(ROOT, "examples", name), program, { recursive: true });
  const npm = (...args: readonly string[]) =>
    execa("npm", [...args, "--no-audit", "--no-fund", "--loglevel=error"], { cwd: program, stdin: "ignore" });
  const { stdout } = await execa("npm", ["pack", "--silent", "--pack-destination", folder], { cwd: ROOT });
  await npm("install", "--prefer-offline", "--fetch-retries=5", join(folder, stdout.trim().split("\n").at(-1)!));

  const env = { ...pulumiEnvironment(), PULUMI_BACKEND_URL: `file://${state}`, PULUMI_CONFIG_PASSPHRASE: "test" };
  const pulumi = async (...args: readonly string[]) => {
    const { exitCode, all } = await execa("pulumi", [...args, "--stack", stack, "--non-interactive"], {
      cwd: program,
      env,
      stdin: "ignore",
      reject: false,
      all: true,
    });
    return { exitCode, said: all };
  };
  const { exitCode, said } = await pulumi("stack", "init");
  if (exitCode !== 0) throw new Error(said);
  return { folder: program, pulumi };
}
