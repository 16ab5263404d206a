import { z } from "zod";
import { cmd } from "../host/command.ts";
import type { Fact } from "./fact.ts";

/** A line of /proc/self/mountinfo, see proc(5). */
export interface Mount {
  readonly target: string;
  /** A device, `server:/export`, or another name the filesystem gives itself. */
  readonly source: string;
  readonly type: string;
  /** The folder of the filesystem that is mounted: "/" but for bind mounts and btrfs subvolumes. */
  readonly root: string;
  /** MAJOR:MINOR, the same for all mounts of one filesystem. */
  readonly number: string;
  /** The mount's own flags: "rw", "noatime", "nosuid". */
  readonly mountOptions: readonly string[];
  /** The filesystem's options: "commit=30", "compress=zstd:3". */
  readonly filesystemOptions: readonly string[];
}

const printed = z.object({
  filesystems: z.array(
    z.object({
      target: z.string(),
      source: z.string().nullable(),
      fstype: z.string(),
      fsroot: z.string(),
      "maj:min": z.string(),
      "vfs-options": z.string(),
      "fs-options": z.string(),
    }),
  ),
});

/** Every mount, later ones over earlier ones. Read only from the kernel, so that a dead server can't hang it. */
export const mounts: Fact<undefined, readonly Mount[]> = {
  name: "the mounts",
  about: ["mounts"],
  command: () =>
    cmd`findmnt --kernel --json --list --nofsroot --output TARGET,SOURCE,FSTYPE,FSROOT,MAJ:MIN,VFS-OPTIONS,FS-OPTIONS`,
  parse: ({ stdout }) =>
    printed.parse(JSON.parse(stdout)).filesystems.map((row) => ({
      target: row.target,
      source: row.source ?? "none",
      type: row.fstype,
      root: row.fsroot,
      number: row["maj:min"],
      mountOptions: row["vfs-options"].split(","),
      filesystemOptions: row["fs-options"].split(","),
    })),
};

/** The lines of a type's `optionsFile`; none, where the kernel has no such file. */
export const optionsInForce: Fact<string, readonly string[]> = {
  name: "the options in force",
  about: ["mounts"],
  command: (file) => ({ ...cmd`cat -- ${file}`, okExitCodes: [0, 1] }),
  parse: ({ stdout }) => stdout.split("\n").filter((line) => line !== ""),
};

/**
 * Whether it is no filesystem: systemd waits there for the first access, and then mounts what is to be there
 * (systemd.automount(5)). The kernel calls it systemd-1, by systemd's process.
 */
export function isAutomount({ type, source }: Mount): boolean {
  return type === "autofs" && /^systemd-\d+$/.test(source);
}

/** The filesystems that are mounted on a folder; the last one is what is seen there. */
export function mountsAt(all: readonly Mount[], target: string): readonly Mount[] {
  return all.filter((mount) => mount.target === target && !isAutomount(mount));
}

/** What is seen at a folder: the last mount on it. */
export function mountAt(all: readonly Mount[], target: string): Mount | undefined {
  return mountsAt(all, target).at(-1);
}

/** What was mounted later over a folder above a mount, so that the mount's path leads elsewhere. */
export function hiderOf(all: readonly Mount[], mount: Mount): Mount | undefined {
  return all.slice(all.indexOf(mount) + 1).findLast(({ target }) => mount.target.startsWith(`${target}/`));
}

/** The mount that a path lies in. */
export function mountOf(all: readonly Mount[], path: string): Mount | undefined {
  return all.reduce<Mount | undefined>((deepest, mount) => {
    const holds = mount.target === "/" || path === mount.target || path.startsWith(`${mount.target}/`);
    return holds && mount.target.length >= (deepest?.target.length ?? 0) ? mount : deepest;
  }, undefined);
}
