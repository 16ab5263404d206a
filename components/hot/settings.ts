import { z } from "zod";
import { MADE_TYPES } from "../../providers/filesystems/index.ts";
import {
  accountName,
  lvmName,
  mkfsOption,
  mode,
  mountOption,
  relativePath,
  strictObject,
} from "../../providers/values/fields.ts";
import { byteSize, device, namedPath, size } from "../fields.ts";
import { HOT_TREE } from "./profiles.ts";

/** Where the services' folders are side by side. */
const treePath = namedPath.refine((path) => path !== "/", {
  error: `is the root folder; name a folder of its own, such as ${HOT_TREE}`,
});

/** Whose a service's folders are. */
const folders = {
  /**
   * The account that owns the volume's folders. A system account, made where it is absent.
   * @default the profile's, else root
   */
  owner: accountName.optional(),
  /**
   * The group of the volume's folders, made where it is absent.
   * @default the profile's, else root
   */
  group: accountName.optional(),
  /**
   * The mode of the volume's folders.
   * @default the profile's, else "750"
   */
  mode: mode.optional(),
  /**
   * Folders on the volume, of the same owner, group and mode.
   * @default the profile's, else none
   */
  folders: z.array(relativePath).optional(),
};

const volume = strictObject({
  /**
   * The logical volume's name.
   * @default lv_ and the service's name
   */
  name: lvmName.optional(),
  /**
   * Size of the volume. A share such as `50%VG` needs `hot.device.size`. Required where there is no profile.
   * @default the profile's
   */
  size: size.optional(),
  /**
   * Its filesystem, which can't change later.
   * @default the profile's, else ext4
   */
  filesystem: z.enum(MADE_TYPES).optional(),
  /**
   * Arguments of mkfs(8), one each, used when the filesystem is made. They replace the profile's.
   * @default the profile's, for its own filesystem
   */
  mkfsOptions: z.array(mkfsOption).optional(),
  /**
   * Mount options. They replace the profile's; `noatime`, `nofail` and a device timeout of 5 min are added.
   * @default the profile's, for its own filesystem
   */
  options: z.array(mountOption).optional(),
  /**
   * Where it is mounted. Required where there is no profile.
   * @default the profile's
   */
  mountPoint: namedPath.optional(),
  /**
   * Whether to mount over a folder that isn't empty: what is in it is kept, and hidden. Otherwise that is refused.
   * @default false
   */
  mountOverFiles: z.boolean().optional(),
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

const lvm = strictObject({
  /** `lvm`, or `directories`: the same tree, users, owners and modes as plain folders, without LVM. */
  layout: z.literal("lvm").optional().default("lvm"),
  /** The NVMe that LVM gets. */
  device,
  /**
   * Further devices of the volume group. One that is taken out of this list is emptied by pvmove(8), in use, where the
   * others have room, and leaves the group.
   */
  additionalDevices: z.array(device).default([]),
  /** The volume group of LVM. */
  volumeGroup: strictObject({
    /** Its name. */
    name: lvmName.default("vg_jts"),
    /** Size of an extent, a power of 2. Can't change later. */
    extentSize: byteSize.default(4 * 2 ** 20),
    /** What the data on each new device is aligned to; a PV that exists is taken as it is. Can't change later. */
    dataAlignment: byteSize.default(4 * 2 ** 20),
  }).prefault({}),
  /**
   * Service → what differs from its profile, see docs/values.md. Where it is given, there are only these volumes;
   * null is a volume as its profile has it.
   * @default all profiles
   */
  volumes: byService(volume).optional(),
  /**
   * Kept free in the volume group for snapshots, checked in preview.
   * @default what the profiles' snapshots need
   */
  snapshotReserve: z.union([z.literal(0), byteSize]).optional(),
  /** Where all volumes are shown side by side; false: nowhere. Automation needs it. */
  tree: z.union([z.literal(false), treePath]).default(HOT_TREE),
  /**
   * Whether what was set up by other means stays as it is written: a line of fstab that is there already, and has the
   * same device and options, is kept, `destroy` leaves it and its mount, and no option is added to those declared.
   * @default false
   */
  keepFstab: z.boolean().optional(),
});

const directories = strictObject({
  /** Folders, without LVM. */
  layout: z.literal("directories"),
  /**
   * Service → what differs from its profile, see docs/values.md. Where it is given, there are only these folders.
   * @default all profiles
   */
  volumes: byService(strictObject(folders)).optional(),
  /** Where the folders are. */
  tree: treePath.default(HOT_TREE),
});

export const hotSettings = z
  .discriminatedUnion("layout", [lvm, directories])
  .meta({ description: "The fast tier: a volume of LVM for each service on an NVMe, or plain folders." });

export type HotSettings = z.output<typeof hotSettings>;
export type LvmSettings = z.output<typeof lvm>;
export type DirectoriesSettings = z.output<typeof directories>;
export type VolumeSettings = z.output<typeof volume>;
/** With the layout `lvm`, which need not be named, or `directories`. */
export type HotInput = z.input<typeof hotSettings>;
