import { existsSync } from "node:fs";
import { chmod, copyFile, mkdir, readFile, rename, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { execa } from "execa";
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
/** The Go release that the CLI's modules ask for. */
const NEEDED_GO = [1, 26] as const;

/** Makes the Pulumi CLI and the command plugin ready in this checkout; what is there already is kept. */
export async function installTools(): Promise<void> {
  if (!existsSync(join(PULUMI_BIN, "pulumi")) && !(await downloadCli())) await buildCli();
  await installCommandPlugin();
}

/** The CLI's own launcher, an npm package, downloads the release. */
async function downloadCli(): Promise<boolean> {
  const { exitCode } = await step(`Downloading Pulumi ${PULUMI_VERSION}`, () =>
    execa(join(ROOT, "node_modules", ".bin", "pulumi"), ["version"], {
      env: pulumiEnvironment(),
      timeout: DOWNLOAD_SECONDS * 1000,
      reject: false,
      stdin: "ignore",
    }),
  );
  if (exitCode === 0) return true;
  console.log("  No release can be downloaded here, so it is built from its Go modules.");
  return false;
}

async function buildCli(): Promise<void> {
  await requireGo();
  await mkdir(PULUMI_BIN, { recursive: true });
  const version = `-X github.com/pulumi/pulumi/sdk/v3/go/common/version.Version=v${PULUMI_VERSION}`;
  await step("Building Pulumi's Node.js language host", () =>
    goBuild(
      "languageHost",
      "github.com/pulumi/pulumi/sdk/v3/nodejs/cmd/pulumi-language-nodejs",
      "pulumi-language-nodejs",
      "-s -w",
    ),
  );
  const dynamicProvider = "pulumi-resource-pulumi-nodejs";
  await copyFile(join(ROOT, "node_modules", "@pulumi", "pulumi", dynamicProvider), join(PULUMI_BIN, dynamicProvider));
  await chmod(join(PULUMI_BIN, dynamicProvider), 0o755);
  // Last, since its presence says that all is there.
  await step("Building the Pulumi CLI (some minutes the first time)", () =>
    goBuild("cli", "github.com/pulumi/pulumi/pkg/v3/cmd/pulumi", "pulumi", `-s -w ${version}`),
  );
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

async function goBuild(folder: string, target: string, name: string, linkerFlags: string): Promise<void> {
  const built = join(PULUMI_BIN, `.${name}`);
  const { exitCode, stderr } = await execa(
    "go",
    ["build", "-mod=readonly", "-buildvcs=false", "-ldflags", linkerFlags, "-o", built, target],
    {
      cwd: join(ROOT, "setup", folder),
      reject: false,
      stdin: "ignore",
    },
  );
  if (exitCode !== 0)
    throw new MissingNeed(`go build ${target} failed: ${stderr.trim().split("\n").slice(-3).join(" ")}`);
  await rename(built, join(PULUMI_BIN, name));
}

/** The real plugin where it can be had; else a stand-in of this project's, which says that it is one. */
async function installCommandPlugin(): Promise<void> {
  const plugin = join(PULUMI_HOME, "plugins", `resource-command-v${COMMAND_PLUGIN_VERSION}`, "pulumi-resource-command");
  const launcher = standInLauncher();
  if (existsSync(plugin) && !(await isStaleStandIn(plugin, launcher))) return;
  const install = (...args: string[]) =>
    execa(join(PULUMI_BIN, "pulumi"), ["plugin", "install", "resource", "command", COMMAND_PLUGIN_VERSION, ...args], {
      env: pulumiEnvironment(),
      reject: false,
      stdin: "ignore",
      timeout: DOWNLOAD_SECONDS * 1000,
    });
  const { exitCode } = await step(`Downloading the command plugin ${COMMAND_PLUGIN_VERSION}`, () =>
    install("--reinstall"),
  );
  if (exitCode === 0) return;
  const file = join(MADE, "pulumi-resource-command");
  await writeFile(file, launcher, { mode: 0o755 });
  const standIn = await install("--reinstall", "--file", file);
  if (standIn.exitCode !== 0)
    throw new MissingNeed(`The command plugin's stand-in could not be installed: ${standIn.stderr.trim()}`);
  console.log(
    "  The command plugin can't be downloaded here: this project's stand-in takes its place, in this checkout alone.",
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
