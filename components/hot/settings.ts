import { z } from "zod";
import { MADE_TYPES } from "../../providers/filesystems/index.ts";
import { accountName, lvmName, mkfsOption, mode, mountOption } from "../../providers/values/fields.ts";
import { byteSize, device, folder, mountOverFiles, namedPath, size } from "../fields.ts";
import { HOT_TREE } from "./profiles.ts";

/** Whose a service's folders are. */
const folders = {
  owner: accountName.optional(),
  group: accountName.optional(),
  mode: mode.optional(),
  folders: z.array(folder).optional(),
};

const volume = z.strictObject({
  size: size.optional(),
  filesystem: z.enum(MADE_TYPES).optional(),
  mkfsOptions: z.array(mkfsOption).optional(),
  options: z.array(mountOption).optional(),
  mountPoint: namedPath.optional(),
  mountOverFiles,
  ...folders,
});

const service = z.string().regex(/^[a-z][a-z0-9_]*$/, {
  error: "is not a valid volume name: lower-case letters, digits and _",
});

/** By service; one without anything of its own may be null. */
const byService = <Section extends z.ZodObject>(section: Section) =>
  z.record(
    service,
    section.nullable().transform((one) => one ?? ({} as z.output<Section>)),
  );

const lvm = z.strictObject({
  layout: z.literal("lvm"),
  device,
  /** Further devices of the volume group. One that is taken out of this list is emptied, and leaves the group. */
  additionalDevices: z.array(device).default([]),
  volumeGroup: z
    .strictObject({
      name: lvmName.default("vg_jts"),
      extentSize: byteSize.default(4 * 2 ** 20),
      dataAlignment: byteSize.default(4 * 2 ** 20),
    })
    .prefault({}),
  /** By service. Left out: all services of the profile. Given: only these, and what one leaves out comes from its profile. */
  volumes: byService(volume).optional(),
  /** Kept free in the volume group. Left out: what the profile's snapshots need. */
  snapshotReserve: byteSize.optional(),
  tree: namedPath.default(HOT_TREE),
});

const directories = z.strictObject({
  layout: z.literal("directories"),
  volumes: byService(z.strictObject(folders)).optional(),
  tree: namedPath.default(HOT_TREE),
});

export const hotSettings = z.preprocess(
  (value) =>
    typeof value === "object" && value !== null && !("layout" in value) ? { layout: "lvm", ...value } : value,
  z.discriminatedUnion("layout", [lvm, directories]),
);

export type HotSettings = z.output<typeof hotSettings>;
export type LvmSettings = z.output<typeof lvm>;
export type DirectoriesSettings = z.output<typeof directories>;
export type VolumeSettings = z.output<typeof volume>;
/** With the layout `lvm`, which need not be named, or `directories`. */
export type HotInput = (Omit<z.input<typeof lvm>, "layout"> & { layout?: "lvm" }) | z.input<typeof directories>;
