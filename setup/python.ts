/** Python packages from PyPI, for the checkout's own commands and tests: each set in an environment of its own. */
import { existsSync } from "node:fs";
import { mkdir, readFile, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { execa } from "execa";
import { sha256 } from "../providers/values/sha256.ts";
import { MissingNeed } from "./progress.ts";
import { MADE } from "./project.ts";

/**
 * Installs in .jts/, once a version, the packages that a requirements.txt pins by their hashes: those, and no others.
 *
 * @returns the path of the Python that has them
 * @throws {MissingNeed} with what pip said, where they can't be installed
 */
export async function pythonWith(requirements: string): Promise<string> {
  const installed = join(MADE, `python-${sha256(await readFile(requirements)).slice(0, 12)}`);
  const python = join(installed, "bin", "python");
  if (existsSync(installed)) return python;
  await mkdir(MADE, { recursive: true });
  // Programs that hold their own path, such as bin/mypy, don't run after the rename: hence `python -m`.
  const made = `${installed}.${process.pid}`;
  // Only wheels: to build some of the packages takes a compiler, and minutes.
  const pip = ["-m", "pip", "install", "--quiet", "--no-input", "--disable-pip-version-check", "--only-binary=:all:"];
  try {
    await run("python3", "-m", "venv", "--clear", made);
    await run(join(made, "bin", "python"), ...pip, "--no-deps", "--require-hashes", "--requirement", requirements);
    // Another run may have been first.
    await rename(made, installed).catch((error: unknown) => {
      if (!existsSync(installed)) throw error;
    });
  } finally {
    await rm(made, { recursive: true, force: true });
  }
  return python;
}

async function run(program: string, ...args: readonly string[]): Promise<void> {
  const { failed, all, message } = await execa(program, args, { stdin: "ignore", reject: false, all: true });
  if (failed) throw new MissingNeed(`they can't be installed: ${all?.trim() || message}`);
}
