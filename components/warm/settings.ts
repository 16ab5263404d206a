import { z } from "zod";
import { accountName, mkfsOption, mode, mountOption, path } from "../../providers/values/fields.ts";
import { orOutput } from "../arguments.ts";
import { device, folder, mountOverFiles, namedPath } from "../fields.ts";

export const warmSettings = z.strictObject({
  device,
  label: z
    .string()
    .regex(/^[\w.-]{1,255}$/, { error: "is not a valid label: letters, digits and _ . -" })
    .default("jts-warm-storage"),
  mountPoint: namedPath.default("/data/warm-storage"),
  mountOverFiles,
  /** Another folder that shows the same; false: none. */
  alsoAt: z.union([z.literal(false), path]).default("/data/warm"),
  /** As btrfs(5) takes it for `compress=`. */
  compression: z
    .string()
    .regex(/^(zlib(:[1-9])?|lzo|zstd(:([1-9]|1[0-5]))?|no)$/, {
      error: "is not a valid compression of btrfs: zstd:1 to zstd:15, zlib:1 to zlib:9, lzo or no",
    })
    .default("zstd:3"),
  mkfsOptions: z.array(mkfsOption).default([]),
  /** Besides compress= and those that every entry has. */
  options: z.array(mountOption).default(["autodefrag"]),
  owner: accountName.default("root"),
  group: accountName.default("root"),
  mode: mode.default("755"),
  folders: z.array(folder).default(["daily-backups", "logs", "temp-processing"]),
});

/** The same as arguments: another resource may give the device. */
export const warmArguments = warmSettings.extend({ device: device.extend({ path: orOutput(path) }) });

export type WarmSettings = z.output<typeof warmArguments>;
export type WarmInput = z.input<typeof warmArguments>;
