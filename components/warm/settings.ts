import { z } from "zod";
import {
  accountName,
  mkfsOption,
  mode,
  mountOption,
  path,
  relativePath,
  strictObject,
} from "../../providers/values/fields.ts";
import { orOutput, withRows } from "../arguments.ts";
import { device, namedPath } from "../fields.ts";

export const warmSettings = strictObject({
  /** A partition or a disk, for btrfs. */
  device,
  /** The filesystem's label, by which fstab finds it. */
  label: z
    .string()
    .regex(/^[\w.-]{1,255}$/, { error: "is not a valid label: letters, digits and _ . -" })
    .default("jts-warm-storage"),
  /** Where it is mounted. */
  mountPoint: namedPath.default("/data/warm-storage"),
  /**
   * Whether to mount over a folder that isn't empty: what is in it is kept, and hidden. Otherwise that is refused.
   * @default false
   */
  mountOverFiles: z.boolean().optional(),
  /** Another folder that shows the same; false: none. */
  alsoAt: z.union([z.literal(false), path]).default("/data/warm"),
  /** As btrfs(5) takes it for `compress=`: `zstd:1` to `zstd:15`, `zlib:1` to `zlib:9`, `lzo` or `no`. */
  compression: z
    .string()
    .regex(/^(zlib(:[1-9])?|lzo|zstd(:([1-9]|1[0-5]))?|no)$/, {
      error: "is not a valid compression of btrfs: zstd:1 to zstd:15, zlib:1 to zlib:9, lzo or no",
    })
    .default("zstd:3"),
  /**
   * Whether what was set up by other means stays as it is written: a line of fstab that is there already, and has the
   * same device and options, is kept, `destroy` leaves it and its mount, and no option is added to those declared.
   * @default false
   */
  keepFstab: z.boolean().optional(),
  /** Arguments of mkfs.btrfs(8), one each, used when the filesystem is made. */
  mkfsOptions: z.array(mkfsOption).default([]),
  /** Mount options besides `compress=` and those that every entry has. */
  options: z.array(mountOption).default(["autodefrag"]),
  /** The account that owns the folders. */
  owner: accountName.default("root"),
  /** The group of the folders. */
  group: accountName.default("root"),
  /** The mode of the folders. */
  mode: mode.default("755"),
  /** Folders on the filesystem, of the same owner, group and mode. */
  folders: z.array(relativePath).default(["daily-backups", "logs", "temp-processing"]),
}).meta({ description: "The roomy tier: a compressed btrfs on one partition or disk." });

/** The same as arguments: another resource may give the device. */
export const warmArguments = withRows(warmSettings, { device: withRows(device, { path: orOutput(path) }) });

export type WarmSettings = z.output<typeof warmArguments>;
export type WarmInput = z.input<typeof warmArguments>;
