/** Go(1), which builds what can't be downloaded: each program from a Go module of its own, setup/MODULE/go.mod. */
import { mkdir, mkdtemp, readFile, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { execa } from "execa";
import { coerce, gte } from "semver";
import { MissingNeed } from "./progress.ts";
import { MADE, ROOT } from "./project.ts";

/** Why the module can't be built here, in one sentence; undefined where there is a Go as new as its go.mod asks for. */
export async function missingGo(module: string): Promise<string | undefined> {
  const needed = /^go (\S+)$/m.exec(await readFile(join(folderOf(module), "go.mod"), "utf8"))?.[1] ?? "";
  // In ROOT, which has no go.mod: inside the module, go(1) may download the release that go.mod asks for.
  const { stdout = "" } = await execa("go", ["env", "GOVERSION"], { cwd: ROOT, stdin: "ignore", reject: false });
  const [found, wanted] = [coerce(stdout), coerce(needed)];
  if (found !== null && wanted !== null && gte(found, wanted)) return undefined;
  return `Go ${needed} or newer must be on the PATH to build it (found: ${stdout === "" ? "none" : stdout}).`;
}

/**
 * Runs a go(1) command in the module, without changing go.mod or go.sum, and gives what it prints. Leaves no temporary
 * files, even when the signal stops it.
 *
 * @throws {MissingNeed} with the last lines of what it said, where it fails
 */
export async function go(
  module: string,
  [command, ...args]: readonly [command: string, ...args: string[]],
  signal = new AbortController().signal,
): Promise<string> {
  await mkdir(MADE, { recursive: true });
  const temporary = await mkdtemp(join(MADE, "go-"));
  try {
    // Nice, since the lab's machines may boot meanwhile, and have time limits to meet.
    const { exitCode, stdout, stderr } = await execa("nice", ["go", command, "-mod=readonly", ...args], {
      cwd: folderOf(module),
      env: { GOTMPDIR: temporary },
      reject: false,
      stdin: "ignore",
      cancelSignal: signal,
    });
    signal.throwIfAborted();
    if (exitCode === 0) return stdout;
    throw new MissingNeed(`go ${command} ${args.at(-1)} failed: ${stderr.trim().split("\n").slice(-3).join(" ")}`);
  } finally {
    // Compilers that it started may still write.
    await rm(temporary, { recursive: true, force: true, maxRetries: 10 });
  }
}

/** Builds a package of the module into the file `to`. */
export async function goBuild(
  module: string,
  { source, to, linkerFlags = "" }: { readonly source: string; readonly to: string; readonly linkerFlags?: string },
  signal?: AbortSignal,
): Promise<void> {
  await mkdir(dirname(to), { recursive: true });
  const flags = ["-buildvcs=false", "-ldflags", `-s -w ${linkerFlags}`.trimEnd()];
  await go(module, ["build", ...flags, "-o", to, source], signal);
}

const folderOf = (module: string): string => join(ROOT, "setup", module);
