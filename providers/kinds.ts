import { configFile } from "./resources/configFile.ts";
import { directory } from "./resources/directory.ts";
import { filesystem } from "./resources/filesystem.ts";
import { fstabEntry } from "./resources/fstabEntry.ts";
import { logicalVolume } from "./resources/logicalVolume.ts";
import { nfsCache } from "./resources/nfsCache.ts";
import { nfsMount } from "./resources/nfsMount.ts";
import { packages } from "./resources/packages.ts";
import { physicalVolume } from "./resources/physicalVolume.ts";
import { scripts } from "./resources/scripts.ts";
import { systemdTimer } from "./resources/systemdTimer.ts";
import { systemUser } from "./resources/systemUser.ts";
import { volumeGroup } from "./resources/volumeGroup.ts";

/** Declaration files then name the kinds, and so keep the documentation of their inputs. */
type Kinds = {
  readonly Packages: typeof packages;
  readonly PhysicalVolume: typeof physicalVolume;
  readonly VolumeGroup: typeof volumeGroup;
  readonly SystemUser: typeof systemUser;
  readonly LogicalVolume: typeof logicalVolume;
  readonly Filesystem: typeof filesystem;
  readonly FstabEntry: typeof fstabEntry;
  readonly NfsCache: typeof nfsCache;
  readonly NfsMount: typeof nfsMount;
  readonly Directory: typeof directory;
  readonly ConfigFile: typeof configFile;
  readonly Scripts: typeof scripts;
  readonly SystemdTimer: typeof systemdTimer;
};

/**
 * Every kind of resource, in the order in which one comes after another on a host. States name them, and outlive this
 * program's versions: a name is never changed or removed.
 */
export const kinds: Kinds = {
  Packages: packages,
  PhysicalVolume: physicalVolume,
  VolumeGroup: volumeGroup,
  SystemUser: systemUser,
  LogicalVolume: logicalVolume,
  Filesystem: filesystem,
  FstabEntry: fstabEntry,
  NfsCache: nfsCache,
  NfsMount: nfsMount,
  Directory: directory,
  ConfigFile: configFile,
  Scripts: scripts,
  SystemdTimer: systemdTimer,
};
