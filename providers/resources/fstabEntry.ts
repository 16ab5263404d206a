import { z } from "zod";
import { mountOption, path } from "../values/fields.ts";
import { kindInputs } from "./inputs.ts";
import { mountedEntry } from "./mountedEntry.ts";

const inputs = kindInputs({
  /** fs_spec of fstab(5): LABEL=, UUID=, a path that stays the same over boots, or a folder to bind. */
  source: z.string().regex(/^[^\s\p{Cc}-]\P{Cc}*$/u, { error: "must name a device, LABEL=, UUID= or a folder" }),
  /**
   * fs_file. Made where it is absent, and immutable while nothing is mounted on it. A change makes another resource.
   */
  mountPoint: path,
  /** Mounts over a folder that isn't empty: what is in it is kept, and hidden. Default: false, that is refused. */
  mountOverFiles: z.boolean().optional(),
  /**
   * A line that is there already, and asks for the same mount, stays as it is written, and a removal leaves it and its
   * mount. Default: false.
   */
  keepsLine: z.boolean().optional(),
  /** fs_vfstype; `none` for a bind mount. */
  type: z.string().regex(/^[a-z0-9.]+$/, { error: "is not a valid filesystem type" }),
  /** fs_mntops, one each. Default: defaults. */
  options: z.array(mountOption).min(1).default(["defaults"]),
  /** fs_freq. Default: 0. */
  dump: z.int().min(0).max(1).default(0),
  /** fs_passno. Default: 0, no fsck(8) at boot. */
  pass: z.int().min(0).max(9).default(0),
});

/** A filesystem's line in fstab(5), and its mount. */
export const fstabEntry = mountedEntry({
  name: "FstabEntry",
  inputs,
  entry: ({ source, mountPoint, type, options, dump, pass }) => ({ source, mountPoint, type, options, dump, pass }),
  read: ({ source, type, options, dump, pass }) => ({ source, type, options: [...options], dump, pass }),
});
