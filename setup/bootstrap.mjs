/**
 * Runs a TypeScript file of this project on the Node.js release that package.json pins. It first installs the npm
 * packages where they are absent or differ from package-lock.json. It needs Node.js 18 or newer itself, and no package.
 *
 * Usage: node setup/bootstrap.mjs FILE.ts [ARGUMENT...]
 */
import { spawn, spawnSync } from "node:child_process";
import console from "node:console";
import { existsSync, mkdirSync, readFileSync } from "node:fs";
import { constants } from "node:os";
import { delimiter, join } from "node:path";
import process from "node:process";
import { fileURLToPath, URL } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
const bin = join(root, "node_modules", ".bin");
const node = join(bin, "node");

if (!packagesAreThoseOfTheLock()) {
  console.log("Installing the npm packages of package-lock.json …");
  const { status } = spawnSync("npm", ["ci", "--no-audit", "--no-fund", "--loglevel=error"], {
    cwd: root,
    stdio: ["ignore", "inherit", "inherit"],
  });
  if (status !== 0) {
    console.error("npm ci failed; it says why above. Next: check the network, then run the same command again.");
    process.exit(1);
  }
}

const compileCache = join(root, ".jts", "compile-cache");
mkdirSync(compileCache, { recursive: true });
const [file, ...args] = process.argv.slice(2);
// Debian leaves the sbin folders (mkfs, sfdisk, debootstrap) out of an ordinary user's PATH.
const path = [bin, process.env.PATH ?? "", "/usr/sbin", "/sbin"].join(delimiter);
const child = spawn(node, [join(root, file ?? ""), ...args], {
  cwd: root,
  stdio: "inherit",
  env: { ...process.env, PATH: path, NODE_COMPILE_CACHE: compileCache },
});
// A terminal sends Ctrl-C to the child, too. A second SIGINT would make `pulumi` stop without finishing its operations.
process.on("SIGINT", () => process.stdin.isTTY || child.kill("SIGINT"));
for (const signal of /** @type {const} */ (["SIGTERM", "SIGHUP"])) process.on(signal, () => child.kill(signal));
child.on("exit", (code, signal) => process.exit(code ?? 128 + (signal === null ? 0 : constants.signals[signal])));

/** npm writes the hidden lockfile last, so that one marks a complete installation. */
function packagesAreThoseOfTheLock() {
  const hidden = join(root, "node_modules", ".package-lock.json");
  if (!existsSync(hidden) || !existsSync(node)) return false;
  /** @param {string} path */
  const packagesOf = (path) => {
    const lock = /** @type {unknown} */ (JSON.parse(readFileSync(path, "utf8")));
    return /** @type {{ packages: Record<string, { integrity?: string, optional?: boolean }> }} */ (lock).packages;
  };
  const installed = packagesOf(hidden);
  return Object.entries(packagesOf(join(root, "package-lock.json"))).every(([path, wanted]) => {
    const found = installed[path];
    return path === "" || (found === undefined ? wanted.optional === true : found.integrity === wanted.integrity);
  });
}
