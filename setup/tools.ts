import { existsSync } from "node:fs";
import { chmod, copyFile, readFile, rename, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { execa } from "execa";
import { quote } from "../providers/values/shellWord.ts";
import { go, goBuild, missingGo } from "./go.ts";
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

/** The limit for a download of some 100 MB. */
const DOWNLOAD_SECONDS = 180;
const CLI = join(PULUMI_BIN, "pulumi");
/** Only in a release; its own language host runs policy packs. */
const PYTHON_HOST = join(PULUMI_BIN, "pulumi-language-python");
/** Only where the language host was built, which hands programs to it. */
const PROGRAM_HOST = join(PULUMI_BIN, "nodejs-program-host");

export const tools: Preparation = { missing: () => Promise.resolve(missingTools()), make: installTools };

function missingTools(): Need[] {
  if (!existsSync(CLI))
    return [
      {
        what: `Pulumi ${PULUMI_VERSION}`,
        takes: "as long as its download, or some 6 min to build it from its Go modules",
      },
    ];
  return hasLanguageHost()
    ? []
    : [{ what: "Pulumi's Node.js language host, for policy packs", takes: "some 1 min to build it" }];
}

/** An earlier build has one that runs no policy packs. */
function hasLanguageHost(): boolean {
  return existsSync(PYTHON_HOST) || existsSync(PROGRAM_HOST);
}

/** Installs the Pulumi CLI and the command plugin in this checkout, where they are absent. */
export async function installTools(signal = new AbortController().signal): Promise<void> {
  const isDownloaded = !existsSync(CLI) && (await downloadCli(signal));
  if (!isDownloaded && !(existsSync(CLI) && hasLanguageHost())) await build(signal);
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
  console.log("A release of Pulumi can't be downloaded here, so it is built from its Go modules.");
  return false;
}

/**
 * Builds the language host, and the CLI where it is absent, from the modules below setup/, and puts them where a
 * release would be. The newest host that the Go module proxy has runs programs only: setup/cli/policyHost stands
 * before it.
 */
async function build(signal: AbortSignal): Promise<void> {
  const missing = await missingGo("cli");
  if (missing !== undefined)
    throw new MissingNeed(
      `Pulumi ${PULUMI_VERSION} can't be downloaded here. ${missing} Next: install that Go, or put the files of a ` +
        `Pulumi ${PULUMI_VERSION} release into ${PULUMI_BIN}.`,
    );
  const dynamicProvider = "pulumi-resource-pulumi-nodejs";
  const built = (name: string) => join(PULUMI_BIN, `.${name}`);
  const cliSource = "github.com/pulumi/pulumi/pkg/v3/cmd/pulumi";
  // Not more builds at once: each would compile Go's standard library.
  await together<unknown>(
    [
      (either) =>
        step("Building Pulumi's Node.js language host", () =>
          goBuild(
            "languageHost",
            {
              source: "github.com/pulumi/pulumi/sdk/v3/nodejs/cmd/pulumi-language-nodejs",
              to: built("programHost"),
            },
            either,
          ),
        ),
      (either) => step("Fetching the Pulumi CLI's Go modules", () => go("cli", ["list", "-deps", cliSource], either)),
    ],
    signal,
  );
  await step("Building what runs policy packs", () =>
    goBuild("cli", { source: "./policyHost", to: built("policyHost") }, signal),
  );
  if (!existsSync(CLI))
    await step("Building the Pulumi CLI", () =>
      goBuild(
        "cli",
        {
          source: cliSource,
          to: built("pulumi"),
          linkerFlags: `-X github.com/pulumi/pulumi/sdk/v3/go/common/version.Version=v${PULUMI_VERSION}`,
        },
        signal,
      ),
    );
  await copyFile(join(ROOT, "node_modules", "@pulumi", "pulumi", dynamicProvider), join(PULUMI_BIN, dynamicProvider));
  await chmod(join(PULUMI_BIN, dynamicProvider), 0o755);
  // Those that show that all is there come last.
  await rename(built("policyHost"), join(PULUMI_BIN, "pulumi-language-nodejs"));
  await rename(built("programHost"), PROGRAM_HOST);
  if (!existsSync(CLI)) await rename(built("pulumi"), CLI);
}

/** Installs the real plugin where it can be downloaded, else this project's stand-in for it, and says so. */
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
    "The command plugin can't be downloaded here: this project's stand-in takes its place, only in this checkout.",
  );
}

/**
 * Pulumi copies what it installs. Hence the copy is a script that starts the stand-in, which needs our npm packages.
 */
function standInLauncher(): string {
  const packages = quote(join(ROOT, "node_modules", ".bin"));
  const standIn = quote(join(ROOT, "lab", "commandPlugin", "pulumi-resource-command"));
  return `#!/bin/sh\nPATH=${packages}:$PATH exec ${standIn} "$@"\n`;
}

/** A stand-in that another commit installed, or this one before the checkout was moved. */
async function isStaleStandIn(plugin: string, launcher: string): Promise<boolean> {
  if ((await stat(plugin)).size > 4096) return false;
  return (await readFile(plugin, "utf8")) !== launcher;
}
