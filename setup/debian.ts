import { execa } from "execa";
import type { Need, Preparation } from "./prepare.ts";
import { MissingNeed, step } from "./progress.ts";

/** What the lab and the checks need of Debian: QEMU, what builds its images, what scripts are tested and linted with. */
const PACKAGES = [
  "qemu-system-x86",
  "qemu-utils",
  "debootstrap",
  "debian-archive-keyring",
  "fdisk",
  "e2fsprogs",
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

/** A command as root runs it: as it is, or through sudo. */
export async function asRoot(program: string, ...args: string[]): Promise<[string, string[]]> {
  if (process.getuid?.() === 0) return [program, args];
  const { exitCode } = await execa("sudo", ["--non-interactive", "true"], { reject: false });
  if (exitCode === 0) return ["sudo", ["--non-interactive", program, ...args]];
  throw new MissingNeed(
    "This needs root, or sudo without a password, to install Debian packages and to build the lab's disk image.",
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
 * Installs those of the Debian packages that are absent, once it has named them; left out: what the lab and the checks need.
 * Never ended halfway: dpkg would ask to be repaired.
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

async function absentPackages(packages: readonly string[]): Promise<string[]> {
  const { stdout } = await execa(
    "dpkg-query",
    ["--show", "--showformat", "${db:Status-Abbrev} ${Package}\n", ...packages],
    { reject: false },
  );
  if (stdout === undefined) throw new MissingNeed("This needs Debian or one of its kin: there is no dpkg-query here.");
  const installed = stdout.split("\n").flatMap((line) => (line.startsWith("ii ") ? [line.slice(3).trim()] : []));
  return packages.filter((name) => !installed.includes(name));
}

async function apt(...args: string[]) {
  // Through env, since sudo keeps no environment.
  const [program, rest] = await asRoot("env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-qq", ...args);
  return execa(program, rest, { stdin: "ignore", reject: false, all: true });
}
