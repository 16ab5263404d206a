import { mkdir, readdir, readFile, rename, rm, statfs, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { execa } from "execa";
import { sha256 } from "../../providers/values/sha256.ts";
import { asRoot } from "../../setup/debian.ts";
import type { Need } from "../../setup/prepare.ts";
import { MissingNeed, step } from "../../setup/progress.ts";
import { LAB_DEBIAN } from "../../setup/project.ts";
import { IMAGE, KEYS, LAB } from "../folders.ts";

/** The releases of Debian that the machines can have, and the version of PostgreSQL in each. */
const RELEASES = new Map([
  [12, { suite: "bookworm", postgresql: 15 }],
  [13, { suite: "trixie", postgresql: 17 }],
]);
const RELEASE = RELEASES.get(LAB_DEBIAN);
/** What both machines have of it. */
const PACKAGES = [
  ...[
    "linux-image-cloud-amd64",
    "systemd-sysv",
    "udev",
    "dbus",
    "kmod",
    "procps",
    "less",
    "sudo",
    "openssh-server",
    "iproute2",
    "iputils-ping",
  ],
  ...[
    "lvm2",
    "thin-provisioning-tools",
    "xfsprogs",
    "btrfs-progs",
    "e2fsprogs",
    "fdisk",
    "gdisk",
    "cryptsetup-bin",
    "mdadm",
    "nfs-common",
    "nfs-kernel-server",
    "cachefilesd",
  ],
  ...[
    "rsync",
    "zstd",
    "xz-utils",
    "jq",
    "fio",
    "smartmontools",
    "sysstat",
    "attr",
    "acl",
    "psmisc",
    "python3",
    "python3-xxhash",
    "python3-zstandard",
    // What that needs by another name, which debootstrap doesn't find.
    "python3-cffi-backend",
    `postgresql-${RELEASE?.postgresql}`,
  ],
];

/** Both machines' root disk: its size is sparse. */
const ROOT_BYTES = 16 * 2 ** 30;
const NEEDED_BYTES = 6 * 2 ** 30;

export const ROOT_DISK = join(IMAGE, "root.img");
export const KERNEL = join(IMAGE, "vmlinuz");
export const INITRD = join(IMAGE, "initrd.img");

const STAMP = join(IMAGE, "recipe.sha256");
/** A folder with Debian's packages installed, kept for the next image. */
const BASE = join(LAB, `base-${hash([RELEASE?.suite, ...PACKAGES].join(" "))}`);

export async function missingImage(): Promise<Need[]> {
  suite();
  // Without keys there is no recipe yet.
  if ((await recipeMade()) === (await recipeHash().catch(() => undefined))) return [];
  const takes = (await present(BASE)) ? "some 30 s" : "some 2 min";
  return [{ what: "the disk image of the lab's machines", takes }];
}

/** Makes the machines' image, unless there is one by the same recipe. True if the image is new. */
export async function buildImage(signal?: AbortSignal): Promise<boolean> {
  const wanted = await recipeHash();
  if ((await recipeMade()) === wanted) return false;
  await requireSpace();
  await mkdir(IMAGE, { recursive: true });
  await rm(STAMP, { force: true });
  // The signal stops nothing halfway: some of it runs as root, and can't be stopped by this user.
  signal?.throwIfAborted();
  await bootstrapBase();
  signal?.throwIfAborted();
  await step("Making the lab's disk image", makeDisk);
  await writeFile(STAMP, wanted);
  return true;
}

/** @throws {MissingNeed} where the lab has no such release */
function suite(): string {
  if (RELEASE !== undefined) return RELEASE.suite;
  const known = [...RELEASES.keys()].join(" or ");
  throw new MissingNeed(`The lab has no such release of Debian. Next: set JTS_STORAGE_LAB_DEBIAN to ${known}.`);
}

/** The hash of the recipe that the image was made by; empty where there is no image. */
async function recipeMade(): Promise<string> {
  return readFile(STAMP, "utf8").catch(() => "");
}

async function bootstrapBase(): Promise<void> {
  if (await present(BASE)) return;
  for (const old of await readdir(LAB)) if (old.startsWith("base-")) await removeAsRoot(join(LAB, old));
  const unfinished = `${BASE}.unfinished`;
  const [program, args] = await asRoot(
    "debootstrap",
    "--variant=minbase",
    `--include=${PACKAGES.join(",")}`,
    suite(),
    unfinished,
    ...(await mirror()),
  );
  await step(`Installing Debian ${suite()} for the lab's machines`, async () => {
    const { exitCode, stdout } = await execa(program, args, { reject: false, stdin: "ignore" });
    if (exitCode !== 0)
      throw new MissingNeed(`debootstrap could not install Debian for the lab: ${stdout.trim().split("\n").at(-1)}`);
  });
  const [move, moveArgs] = await asRoot("mv", unfinished, BASE);
  await execa(move, moveArgs);
}

/** The mirror that this machine's apt uses for a release of Debian. Without one, debootstrap takes Debian's own. */
async function mirror(): Promise<string[]> {
  const { stdout } = await execa(
    "apt-get",
    ["indextargets", "--format", "$(CODENAME) $(REPO_URI)", "Created-By: Packages"],
    { reject: false },
  );
  const suites = [...RELEASES.values()].map(({ suite }) => suite);
  const mirrors = (stdout ?? "").split("\n").map((line) => line.split(" ", 2));
  const uri = mirrors.find(([codename = ""]) => suites.includes(codename))?.[1];
  return uri === undefined ? [] : [uri];
}

/** mkfs.ext4 fills the filesystem from a folder, without loop device and mount. */
async function makeDisk(): Promise<void> {
  const root = join(LAB, "root.unfinished");
  await removeAsRoot(root);
  await runAsRoot("cp", "--archive", BASE, root);
  await runAsRoot(join(import.meta.dirname, "configure.sh"), root, KEYS);
  const disk = `${ROOT_DISK}.unfinished`;
  await rm(disk, { force: true });
  await execa("truncate", ["--size", String(ROOT_BYTES), disk]);
  await runAsRoot("mkfs.ext4", "-q", "-F", "-L", "root", "-E", "lazy_itable_init=0", "-d", root, disk);
  const owner = `${process.getuid?.()}:${process.getgid?.()}`;
  for (const [name, target] of [
    ["vmlinuz", KERNEL],
    ["initrd.img", INITRD],
  ] as const) {
    const [kernelFile] = (await readdir(join(root, "boot"))).filter((entry) => entry.startsWith(`${name}-`));
    await runAsRoot("cp", join(root, "boot", kernelFile ?? name), target);
    await runAsRoot("chown", owner, target);
  }
  await removeAsRoot(root);
  await rename(disk, ROOT_DISK);
}

async function recipeHash(): Promise<string> {
  const folder = import.meta.dirname;
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const files = [
    ...entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name)),
    join(KEYS, "known_hosts"),
    join(KEYS, "authorized_keys"),
  ];
  const texts = await Promise.all(
    files.sort().map(async (path) => `${path.slice(folder.length)}\n${await readFile(path, "utf8")}`),
  );
  return hash(texts.join("\n"));
}

async function requireSpace(): Promise<void> {
  const { bavail, bsize } = await statfs(LAB);
  if (bavail * bsize >= NEEDED_BYTES) return;
  throw new MissingNeed(
    `The lab needs ${NEEDED_BYTES / 2 ** 30} GiB of free space in ${LAB}; ` +
      `there are ${Math.floor((bavail * bsize) / 2 ** 30)} GiB.`,
  );
}

async function runAsRoot(command: string, ...words: string[]): Promise<void> {
  const [program, args] = await asRoot(command, ...words);
  await execa(program, args, { stdin: "ignore" });
}

async function removeAsRoot(path: string): Promise<void> {
  await runAsRoot("rm", "--recursive", "--force", "--one-file-system", path);
}

async function present(path: string): Promise<boolean> {
  return readdir(path).then(
    () => true,
    () => false,
  );
}

function hash(text: string): string {
  return sha256(text).slice(0, 16);
}
