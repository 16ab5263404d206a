import { mkdir, mkdtemp, readdir, rename, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { execa } from "execa";
import type { Need, Preparation } from "./prepare.ts";
import { MissingNeed, step } from "./progress.ts";

/**
 * The Debian packages that the lab and the checks need: QEMU, what builds disk images, what tests and lints scripts.
 */
const PACKAGES = [
  "qemu-system-x86",
  "qemu-utils",
  "debootstrap",
  "debian-archive-keyring",
  "fdisk",
  "e2fsprogs",
  "btrfs-progs",
  "openssh-client",
  "python3",
  "python3-venv",
  "python3-xxhash",
  "python3-zstandard",
  "logrotate",
  "zstd",
  "rsync",
  "shellcheck",
];

/** How this user runs a command as root: directly, or through sudo. */
export async function asRoot(program: string, ...args: string[]): Promise<[string, string[]]> {
  if (process.getuid?.() === 0) return [program, args];
  const { exitCode } = await execa("sudo", ["--non-interactive", "true"], { reject: false });
  if (exitCode === 0) return ["sudo", ["--non-interactive", program, ...args]];
  throw new MissingNeed(
    "Installing Debian packages and building the lab's disk image need root, or sudo without a password.",
  );
}

export const debianPackages: Preparation = {
  missing: missingPackages,
  make: () => installDebianPackages(),
};

export async function missingPackages(): Promise<Need[]> {
  const absent = await absentPackages(PACKAGES);
  return absent.length === 0 ? [] : [{ what: `${absent.length} Debian packages`, takes: "some 10 s" }];
}

/**
 * Prints which of the Debian packages are absent, and installs them. It can't be stopped halfway: dpkg would need
 * repair.
 *
 * @param packages those of the lab and the checks by default
 */
export async function installDebianPackages(packages: readonly string[] = PACKAGES): Promise<void> {
  const absent = await absentPackages(packages);
  if (absent.length === 0) return;
  await step(`Installing the Debian packages ${absent.join(", ")}`, async () => {
    await apt("update");
    const { exitCode, all } = await apt("install", "--yes", "--no-install-recommends", ...absent);
    if (exitCode !== 0) throw new MissingNeed(`apt-get could not install them: ${all.trim().split("\n").at(-1)}`);
  });
}

/**
 * Takes one file out of a Debian package, which it does not install: that could start a service. As when it installs,
 * apt compares the package with the hash in its signed lists.
 *
 * @param file its path in the package, without a slash in front
 * @throws {MissingNeed} where the package can't be downloaded
 */
export async function unpackFromPackage(name: string, file: string, to: string): Promise<void> {
  await mkdir(dirname(to), { recursive: true });
  const folder = await mkdtemp(`${to}.`);
  const download = () =>
    execa("apt-get", ["-qq", "download", name], { cwd: folder, stdin: "ignore", reject: false, all: true });
  try {
    let downloaded = await download();
    if (downloaded.exitCode !== 0) {
      // The lists are absent, or older than the package.
      await apt("update");
      downloaded = await download();
    }
    if (downloaded.exitCode !== 0)
      throw new MissingNeed(
        `apt-get could not download the package ${name}: ${downloaded.all?.trim().split("\n").at(-1) ?? downloaded.message}. ` +
          "Next: apt-get update; see that apt's sources have Debian's main, or Ubuntu's universe.",
      );
    const packages = (await readdir(folder)).filter((entry) => entry.endsWith(".deb"));
    await execa("dpkg-deb", ["--extract", ...packages, "."], { cwd: folder });
    await rename(join(folder, file), to);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function absentPackages(packages: readonly string[]): Promise<string[]> {
  const { stdout } = await execa(
    "dpkg-query",
    ["--show", "--showformat", "${db:Status-Abbrev} ${Package}\n", ...packages],
    { reject: false },
  );
  if (stdout === undefined)
    throw new MissingNeed("This needs Debian, or a distribution based on it: there is no dpkg-query here.");
  const installed = stdout.split("\n").flatMap((line) => (line.startsWith("ii ") ? [line.slice(3).trim()] : []));
  return packages.filter((name) => !installed.includes(name));
}

async function apt(...args: string[]) {
  // Through env, since sudo drops the environment.
  const [program, rest] = await asRoot("env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-qq", ...args);
  return execa(program, rest, { stdin: "ignore", reject: false, all: true });
}
