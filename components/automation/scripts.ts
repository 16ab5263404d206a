import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { sha256 } from "../../providers/values/sha256.ts";

/** The scripts as they are in this package, and on the host. */
const SCRIPTS = fileURLToPath(new URL("../../scripts", import.meta.url));
export const INSTALLED = "/usr/local/lib/jts-storage";
/** Where people look for one of them. */
export const MONITOR_LINK = "/usr/local/bin/jts-storage-monitor.sh";

/** Each of the scripts, by its path: the SHA-256 of its content. */
export function scriptSums(): Readonly<Record<string, string>> {
  const paths = readdirSync(SCRIPTS, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(SCRIPTS.length + 1))
    // What Python compiles of a module, where somebody runs the scripts in a checkout, isn't one.
    .filter((path) => !path.includes("__pycache__"))
    .sort();
  return Object.fromEntries(paths.map((path) => [path, sha256(readFileSync(join(SCRIPTS, path)))]));
}
