import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { sha256 } from "../../providers/values/sha256.ts";

/** The scripts as they are in this package, and on the host. */
export const SCRIPTS = fileURLToPath(new URL("../../scripts", import.meta.url));
export const INSTALLED = "/usr/local/lib/jts-storage";

/** Lines as sha256sum(1) writes them, for each of the scripts. */
export function scriptsManifest(): string {
  return readdirSync(SCRIPTS, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(SCRIPTS.length + 1))
    .sort()
    .map((path) => `${sha256(readFileSync(join(SCRIPTS, path)))}  ${path}`)
    .join("\n");
}
