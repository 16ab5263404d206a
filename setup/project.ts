import { delimiter, join } from "node:path";
import { fileURLToPath } from "node:url";

/** The checkout. */
export const ROOT = fileURLToPath(new URL("..", import.meta.url)).replace(/\/$/, "");

/** Holds everything that set-up and the lab make; git ignores it. */
export const MADE = join(ROOT, ".jts");

/** The release of Debian on the lab's machines: 12, or what the environment says. `npm run lab` names those it has. */
export const LAB_DEBIAN = Number(process.env.JTS_STORAGE_LAB_DEBIAN ?? 12);

/** The checkout's own PULUMI_HOME. The user's ~/.pulumi is never touched. */
export const PULUMI_HOME = join(MADE, "pulumi");

export const PULUMI_VERSION = "3.259.0";
export const COMMAND_PLUGIN_VERSION = "1.2.1";

/** Where Pulumi's npm launcher looks for the CLI, and where it installs it. */
export const PULUMI_BIN = join(PULUMI_HOME, "versions", PULUMI_VERSION, "bin");

/** The environment in which `pulumi` is this project's, and runs programs on this project's Node.js. */
export function pulumiEnvironment(): Record<string, string> {
  return {
    PULUMI_HOME,
    PULUMI_SKIP_UPDATE_CHECK: "true",
    // The host does the work, and operations mostly wait for it: the engine's default, four a local processor, is low.
    PULUMI_PARALLEL: "32",
    PATH: [PULUMI_BIN, join(ROOT, "node_modules", ".bin"), process.env.PATH ?? ""].join(delimiter),
    NODE_COMPILE_CACHE: join(MADE, "compile-cache"),
  };
}
