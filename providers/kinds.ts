import type { AnyKind } from "./engine/resource.ts";
import { configFile } from "./resources/configFile.ts";
import { directory } from "./resources/directory.ts";
import { filesystem } from "./resources/filesystem.ts";
import { fstabEntry } from "./resources/fstabEntry.ts";
import { logicalVolume } from "./resources/logicalVolume.ts";
import { nfsMount } from "./resources/nfsMount.ts";
import { physicalVolume } from "./resources/physicalVolume.ts";
import { systemdTimer } from "./resources/systemdTimer.ts";
import { systemUser } from "./resources/systemUser.ts";
import { volumeGroup } from "./resources/volumeGroup.ts";

/**
 * Every kind of resource, in the order in which one comes after another on a host. States name them, and outlive this
 * program's versions: a name is never changed or removed.
 */
export const kinds = {
  PhysicalVolume: physicalVolume,
  VolumeGroup: volumeGroup,
  SystemUser: systemUser,
  LogicalVolume: logicalVolume,
  Filesystem: filesystem,
  FstabEntry: fstabEntry,
  NfsMount: nfsMount,
  Directory: directory,
  ConfigFile: configFile,
  SystemdTimer: systemdTimer,
} satisfies Readonly<Record<string, AnyKind>>;
