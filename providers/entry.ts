/**
 * What the text in each resource's state names. State outlives this program's versions: an export here is never
 * renamed or removed, only added to.
 */
import { provider } from "./engine/provider.ts";
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

export const v1 = {
  ConfigFile: () => provider(configFile),
  Directory: () => provider(directory),
  Filesystem: () => provider(filesystem),
  FstabEntry: () => provider(fstabEntry),
  LogicalVolume: () => provider(logicalVolume),
  NfsMount: () => provider(nfsMount),
  PhysicalVolume: () => provider(physicalVolume),
  SystemdTimer: () => provider(systemdTimer),
  SystemUser: () => provider(systemUser),
  VolumeGroup: () => provider(volumeGroup),
};
