import { existsSync } from "node:fs";
import { chmod, copyFile, mkdir, mkdtemp, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { execa } from "execa";
import { together, type Need, type Preparation } from "./prepare.ts";
import { MissingNeed, step } from "./progress.ts";
import {
  COMMAND_PLUGIN_VERSION,
  MADE,
  PULUMI_BIN,
  PULUMI_HOME,
  PULUMI_VERSION,
  pulumiEnvironment,
  ROOT,
} from "./project.ts";

/** A download that has not come in this time will not come: it is some 100 MB. */
const DOWNLOAD_SECONDS = 180;
/** Its presence says that all is there that belongs to it. */
const CLI = join(PULUMI_BIN, "pulumi");
/** The Go release that the CLI's modules ask for. */
const NEEDED_GO = [1, 26] as const;

export const tools: Preparation = { missing: () => Promise.resolve(missingTools()), make: installTools };

function missingTools(): Need[] {
  if (existsSync(CLI)) return [];
  return [
    {
      what: `Pulumi ${PULUMI_VERSION}`,
      takes: "as long as its download, or some 6 min to build it from its Go modules",
    },
  ];
}

/** Makes the Pulumi CLI and the command plugin ready in this checkout; what is there already is kept. */
export async function installTools(signal = new AbortController().signal): Promise<void> {
  if (!existsSync(CLI) && !(await downloadCli(signal))) await buildCli(signal);
  await installCommandPlugin(signal);
}

/** The CLI's own launcher, an npm package, downloads the release. */
async function downloadCli(signal: AbortSignal): Promise<boolean> {
  const { exitCode } = await step(`Downloading Pulumi ${PULUMI_VERSION}`, () =>
    execa(join(ROOT, "node_modules", ".bin", "pulumi"), ["version"], {
      env: pulumiEnvironment(),
      timeout: DOWNLOAD_SECONDS * 1000,
      reject: false,
      stdin: "ignore",
      cancelSignal: signal,
    }),
  );
  signal.throwIfAborted();
  if (exitCode === 0) return true;
  console.log("No release of Pulumi can be downloaded here, so it is built from its Go modules.");
  return false;
}

const LANGUAGE_HOST = "pulumi-language-nodejs";
/** Go packages, each of a module of its own below setup/. */
const LANGUAGE_HOST_SOURCE = `github.com/pulumi/pulumi/sdk/v3/nodejs/cmd/${LANGUAGE_HOST}`;
const CLI_SOURCE = "github.com/pulumi/pulumi/pkg/v3/cmd/pulumi";

async function buildCli(signal: AbortSignal): Promise<void> {
  await requireGo();
  await mkdir(PULUMI_BIN, { recursive: true });
  // Not both builds at once: each would compile Go's own packages.
  const [languageHost = ""] = await together<string>(
    [
      (either) =>
        step("Building Pulumi's Node.js language host", () =>
          goBuild("languageHost", LANGUAGE_HOST_SOURCE, "-s -w", either),
        ),
      (either) => step("Fetching the Pulumi CLI's Go modules", () => go("cli", either, "list", "-deps", CLI_SOURCE)),
    ],
    signal,
  );
  const version = `-X github.com/pulumi/pulumi/sdk/v3/go/common/version.Version=v${PULUMI_VERSION}`;
  const cli = await step("Building the Pulumi CLI", () => goBuild("cli", CLI_SOURCE, `-s -w ${version}`, signal));
  const dynamicProvider = "pulumi-resource-pulumi-nodejs";
  await copyFile(join(ROOT, "node_modules", "@pulumi", "pulumi", dynamicProvider), join(PULUMI_BIN, dynamicProvider));
  await chmod(join(PULUMI_BIN, dynamicProvider), 0o755);
  await rename(languageHost, join(PULUMI_BIN, LANGUAGE_HOST));
  await rename(cli, CLI);
}

async function requireGo(): Promise<void> {
  const { stdout = "" } = await execa("go", ["env", "GOVERSION"], { reject: false, cwd: ROOT });
  const [major = 0, minor = 0] = (/^go(\d+)\.(\d+)/.exec(stdout)?.slice(1) ?? []).map(Number);
  if (major > NEEDED_GO[0] || (major === NEEDED_GO[0] && minor >= NEEDED_GO[1])) return;
  const found = stdout === "" ? "none" : stdout;
  throw new MissingNeed(
    `Pulumi ${PULUMI_VERSION} can't be downloaded here, and to build it there must be Go ${NEEDED_GO.join(".")} or newer on the PATH (found: ${found}): install it, or put a Pulumi ${PULUMI_VERSION} release's files into ${PULUMI_BIN}.`,
  );
}

/** @returns the program, not yet under its name */
async function goBuild(folder: string, source: string, linkerFlags: string, signal: AbortSignal): Promise<string> {
  const built = join(PULUMI_BIN, `.${basename(source)}`);
  await go(folder, signal, "build", "-buildvcs=false", "-ldflags", linkerFlags, "-o", built, source);
  return built;
}

/** Runs go(1) in one of our modules, with nothing of it left if it is ended. */
async function go(folder: string, signal: AbortSignal, command: string, ...args: string[]): Promise<string> {
  const temporary = await mkdtemp(join(MADE, "go-"));
  try {
    // Nice, since the lab's machines may boot meanwhile, and have a time to keep.
    const { exitCode, stdout, stderr } = await execa("nice", ["go", command, "-mod=readonly", ...args], {
      cwd: join(ROOT, "setup", folder),
      env: { GOTMPDIR: temporary },
      reject: false,
      stdin: "ignore",
      cancelSignal: signal,
    });
    signal.throwIfAborted();
    if (exitCode === 0) return stdout;
    throw new MissingNeed(`go ${command} ${args.at(-1)} failed: ${stderr.trim().split("\n").slice(-3).join(" ")}`);
  } finally {
    // Compilers that it started may write their last.
    await rm(temporary, { recursive: true, force: true, maxRetries: 10 });
  }
}

/** The real plugin where it can be had; else a stand-in of this project's, which says that it is one. */
async function installCommandPlugin(signal: AbortSignal): Promise<void> {
  const plugin = join(PULUMI_HOME, "plugins", `resource-command-v${COMMAND_PLUGIN_VERSION}`, "pulumi-resource-command");
  const launcher = standInLauncher();
  if (existsSync(plugin) && !(await isStaleStandIn(plugin, launcher))) return;
  const install = (...args: string[]) =>
    execa(CLI, ["plugin", "install", "resource", "command", COMMAND_PLUGIN_VERSION, ...args], {
      env: pulumiEnvironment(),
      reject: false,
      stdin: "ignore",
      timeout: DOWNLOAD_SECONDS * 1000,
      cancelSignal: signal,
    });
  const { exitCode } = await step(`Downloading the command plugin ${COMMAND_PLUGIN_VERSION}`, () =>
    install("--reinstall"),
  );
  signal.throwIfAborted();
  if (exitCode === 0) return;
  const file = join(MADE, "pulumi-resource-command");
  await writeFile(file, launcher, { mode: 0o755 });
  const standIn = await install("--reinstall", "--file", file);
  if (standIn.exitCode !== 0)
    throw new MissingNeed(`The command plugin's stand-in could not be installed: ${standIn.stderr.trim()}`);
  console.log(
    "The command plugin can't be downloaded here: this project's stand-in takes its place, in this checkout alone.",
  );
}

/** Pulumi copies what it installs, so the copy leads back to the stand-in, which needs the checkout's packages. */
function standInLauncher(): string {
  const quoted = (path: string) => `'${path.replaceAll("'", `'\\''`)}'`;
  return `#!/bin/sh\nPATH=${quoted(join(ROOT, "node_modules", ".bin"))}:$PATH exec ${quoted(join(ROOT, "lab", "commandPlugin", "pulumi-resource-command"))} "$@"\n`;
}

/** A stand-in of this checkout before it was moved. */
async function isStaleStandIn(plugin: string, launcher: string): Promise<boolean> {
  if ((await stat(plugin)).size > 4096) return false;
  return (await readFile(plugin, "utf8")) !== launcher;
}
