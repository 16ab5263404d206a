import { mkdir, rm, truncate, writeFile } from "node:fs/promises";
import { existsSync } from "node:fs";
import { join, relative } from "node:path";
import { execa } from "execa";
import { ROOT_DISK } from "./image/build.ts";
import { folderOf, NVME_BYTES, SATA_BYTES, SPARE_BYTES, VOLUME1_BYTES, type Machine } from "./machine.ts";

/** The partition before ours on the SATA disk. */
const FOREIGN_PARTITION_MIB = 1024;

/** Makes the machine's disks, if it has none. */
export async function ensureDisks(machine: Machine): Promise<void> {
  const folder = folderOf(machine);
  const made = join(folder, "disks-made");
  if (existsSync(made)) return;
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  await makeRootDisk(machine);
  if (machine === "nas") await makeVolume1(join(folder, "volume1.img"));
  else
    await Promise.all([
      makeSparse(join(folder, "nvme.img"), NVME_BYTES),
      makeSparse(join(folder, "spare.img"), SPARE_BYTES),
      makeSata(join(folder, "sata.img")),
    ]);
  await writeFile(made, "");
}

/** Makes the machine's root disk anew, as a reinstallation does; its other disks stay as they are. */
export async function makeRootDisk(machine: Machine): Promise<void> {
  const folder = folderOf(machine);
  // The image's path is relative to the overlay, so that the checkout can be moved.
  await execa(
    "qemu-img",
    ["create", "-q", "-f", "qcow2", "-b", relative(folder, ROOT_DISK), "-F", "raw", "root.qcow2"],
    { cwd: folder },
  );
}

/** Deletes the machine's disks; its next start makes new ones. */
export async function discardDisks(machine: Machine): Promise<void> {
  await rm(folderOf(machine), { recursive: true, force: true });
}

async function makeSparse(path: string, bytes: number): Promise<void> {
  await writeFile(path, "");
  await truncate(path, bytes);
}

async function makeSata(path: string): Promise<void> {
  await makeSparse(path, SATA_BYTES);
  await execa("sfdisk", ["--quiet", path], {
    input: `label: gpt\nsize=${FOREIGN_PARTITION_MIB}MiB, name=foreign\nname=warm\n`,
  });
}

async function makeVolume1(path: string): Promise<void> {
  await makeSparse(path, VOLUME1_BYTES);
  // Few inodes, all initialized now: else the NAS's kernel writes inode tables for minutes after each reset.
  await execa("mkfs.ext4", [
    "-q",
    "-F",
    "-L",
    "volume1",
    "-T",
    "largefile4",
    "-E",
    "lazy_itable_init=0,lazy_journal_init=0",
    path,
  ]);
}
