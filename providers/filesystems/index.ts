import { bind } from "./bind.ts";
import { btrfs } from "./btrfs.ts";
import { ext3, ext4 } from "./ext4.ts";
import type { FilesystemType, MadeFilesystem } from "./filesystemType.ts";
import { nfs } from "./nfs.ts";
import { xfs } from "./xfs.ts";

/** The types that are made here, by the name that mkfs, libblkid and fstab(5) have for them. */
export const MADE_FILESYSTEMS = { ext4, xfs, btrfs } satisfies Readonly<Record<string, MadeFilesystem>>;
export type MadeType = keyof typeof MADE_FILESYSTEMS;
export const MADE_TYPES = Object.keys(MADE_FILESYSTEMS) as [MadeType, ...MadeType[]];

/** Every type that something is known of, by its name in fstab(5). */
export const FILESYSTEMS: Readonly<Record<string, FilesystemType>> = { ...MADE_FILESYSTEMS, ext3, nfs, none: bind };

/** A type that nothing is known of: nothing of it is refused. */
const FOREIGN: FilesystemType = {
  manual: "mount(8)",
  pass: 2,
  packages: [],
  canRemount: (name) => !["data", "subvol", "subvolid"].includes(name),
  refused: [],
};

/** What is known of a type by its name in fstab(5). */
export function filesystemOf(type: string): FilesystemType {
  const name = type === "nfs4" ? "nfs" : type;
  return (Object.hasOwn(FILESYSTEMS, name) && FILESYSTEMS[name]) || FOREIGN;
}

/** fs_passno of fstab(5) for a type: 2, or 0 where fsck(8) does nothing for it at boot. */
export const fsckPass = (type: string): 0 | 2 => filesystemOf(type).pass;

/** The Debian packages that have a type's tools. */
export const packagesOf = (type: string): readonly string[] => filesystemOf(type).packages;
