import { z } from "zod";
import { hostName, mountOption, path } from "./inputs.ts";
import { mountedEntry } from "./mountedEntry.ts";

const inputs = z.object({
  host: hostName,
  source: z.string().regex(/^[^\s\p{Cc}-]\P{Cc}*$/u, { error: "must name a device, LABEL=, UUID= or a folder" }),
  mountPoint: path,
  mountOverFiles: z.boolean().optional(),
  type: z.string().regex(/^[a-z0-9.]+$/, { error: "is no filesystem type" }),
  options: z.array(mountOption).min(1).default(["defaults"]),
  dump: z.int().min(0).max(1).default(0),
  pass: z.int().min(0).max(9).default(0),
});
type Inputs = z.infer<typeof inputs>;

/** A filesystem's line in fstab(5), and its mount. */
export const fstabEntry = mountedEntry<Inputs>({
  name: "FstabEntry",
  inputs,
  entry: ({ source, mountPoint, type, options, dump, pass }) => ({ source, mountPoint, type, options, dump, pass }),
  read: ({ source, type, options, dump, pass }) => ({ source, type, options: [...options], dump, pass }),
});
