import { z } from "zod";
import {
  accountName,
  exportPath,
  mode,
  mountOption,
  nfsServer,
  relativePath,
  strictObject,
} from "../../providers/values/fields.ts";
import { orOutput, withRows } from "../arguments.ts";
import { byteSize, namedPath } from "../fields.ts";

const VERSIONS = ["3", "4", "4.1", "4.2"] as const;

/** The kinds of archives that a volume of the cold tier can take over from it. */
export const ARCHIVE_KINDS = ["configs", "database", "development", "backups", "logs"] as const;

const version = z
  .union([z.string(), z.number()])
  .transform(String)
  .pipe(z.enum(VERSIONS, { error: "is not a valid version of NFS: 3, 4, 4.1 or 4.2" }))
  .meta({ kind: "a version of NFS: 3, 4, 4.1 or 4.2", enum: VERSIONS.flatMap((one) => [one, Number(one)]) });

/** Another export beside the tier's own. */
const volume = strictObject({
  /**
   * Name or address of its NFS server.
   * @default cold.server
   */
  server: nfsServer.optional(),
  /** The folder that it exports, without squashing root. */
  export: exportPath,
  /** Where it is mounted. */
  mountPoint: namedPath,
  /**
   * Whether to mount over a folder that isn't empty: what is in it is kept, and hidden. Otherwise that is refused.
   * @default false
   */
  mountOverFiles: z.boolean().optional(),
  /**
   * Whether what was set up by other means stays as it is written, as `cold.keepFstab` says it.
   * @default false
   */
  keepFstab: z.boolean().optional(),
  /**
   * The version of NFS.
   * @default cold.version
   */
  version: version.optional(),
  /**
   * Mount options; `_netdev` and `nofail` are added.
   * @default cold.options
   */
  options: z.array(mountOption).optional(),
  /** The folder of the export that holds all our files. Two volumes of one export need one each. */
  root: relativePath.default("jts"),
  /** The account that owns the folders. */
  owner: accountName.default("root"),
  /** The group of the folders. */
  group: accountName.default("root"),
  /** The mode of the folders. */
  mode: mode.default("755"),
  /** Folders below `root`, of the same owner, group and mode. What it holds, and rules, get theirs anyway. */
  folders: z.array(relativePath).default([]),
  /**
   * The archives that go here in place of the tier's own export: `configs`, `database` (dumps), `development`,
   * `backups` (archives of volumes, from warm) and `logs` (from warm). Those that are on the other one already stay
   * there.
   */
  holds: z
    .array(z.enum(ARCHIVE_KINDS))
    .meta({ kind: "a list of configs, database, development, backups or logs" })
    .default([]),
});

/** A volume's name, which rules name it by. It is a part of the names of its resources. */
export const coldVolumeName = z
  .string()
  .regex(/^[a-z][a-z0-9_-]*$/, { error: "is not a valid volume name: lower-case letters, digits, _ and -" });
const ownVolumeName = coldVolumeName.regex(/^(?!(hot|warm|cold)$)/, {
  error: "is the name of a tier; choose another one",
});

const cacheRows = {
  /** How much room the cache takes, all of it from the start. A change empties the cache. */
  size: byteSize,
  /** The folder of its file: on the warm tier, and none of those declared there. */
  folder: namedPath.default("/data/warm-storage"),
};
/** By this name, declaration files keep the documentation of the rows. */
export type CacheRows = Pick<typeof cacheRows, keyof typeof cacheRows>;

export const coldSettings = strictObject({
  /** Name or address of the NFS server. */
  server: nfsServer,
  /** The folder that it exports, without squashing root. */
  export: exportPath,
  /** Where it is mounted. */
  mountPoint: namedPath.default("/mnt/synology"),
  /**
   * Whether to mount over a folder that isn't empty: what is in it is kept, and hidden. Otherwise that is refused.
   * @default false
   */
  mountOverFiles: z.boolean().optional(),
  /**
   * Whether what was set up by other means stays as it is written: a line of fstab that is there already, and has the
   * same device and options, is kept, `destroy` leaves it and its mount, and no option is added to those declared.
   * @default false
   */
  keepFstab: z.boolean().optional(),
  /** The version of NFS. */
  version: version.default("3"),
  /**
   * Mount options. They replace these; `_netdev` and `nofail` are added. The server may grant smaller sizes, which is
   * not drift.
   */
  options: z
    .array(mountOption)
    .default([
      ...["rw", "hard", "proto=tcp", "rsize=1048576", "wsize=1048576", "timeo=600", "retrans=2"],
      ...["_netdev", "nofail"],
    ]),
  /**
   * A cache on a local disk for what is read from the export, and from those of `volumes`, kept by cachefilesd(8).
   * Their mounts then have the options `fsc` and `x-systemd.after=jts-storage-nfs-cache.service`. To add it or take it
   * out mounts them anew.
   * @default none
   */
  cache: strictObject<CacheRows>(cacheRows).optional(),
  /**
   * The folder of the export that holds all our files. Hosts that share an export need one each, since archives are
   * named by volume.
   */
  root: relativePath.default("jts"),
  /** The account that owns the folders. */
  owner: accountName.default("root"),
  /** The group of the folders. */
  group: accountName.default("root"),
  /** The mode of the folders. */
  mode: mode.default("755"),
  /** Folders below `root`, of the same owner, group and mode; see docs/values.md. */
  folders: z
    .array(relativePath)
    .default([
      ...["archives/database", "archives/configs", "archives/strategies"],
      ...["market-data/raw", "market-data/processed", "market-data/indicators"],
      ...["backtesting/datasets", "backtesting/results", "backtesting/reports"],
      ...["models/training", "models/models", "models/validation"],
      ...["development/datasets", "development/notebooks", "development/experiments"],
    ]),
  /**
   * Further exports, of the same NAS or of others: name → what differs. `automation.rules` move files to one by its
   * name.
   * @default none
   */
  volumes: z.record(ownVolumeName, volume).optional(),
}).meta({ description: "The archive: an export of an NFS server, and the folders on it that are ours." });

/** The same as arguments: another resource may give the export. */
export const coldArguments = withRows(coldSettings, { server: orOutput(nfsServer), export: orOutput(exportPath) });

export type ColdSettings = z.output<typeof coldArguments>;
export type ArchiveKind = (typeof ARCHIVE_KINDS)[number];
export type ColdInput = z.input<typeof coldArguments>;
