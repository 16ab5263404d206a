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
import { namedPath } from "../fields.ts";

const VERSIONS = ["3", "4", "4.1", "4.2"] as const;

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
  version: z
    .union([z.string(), z.number()])
    .transform(String)
    .pipe(z.enum(VERSIONS, { error: "is not a valid version of NFS: 3, 4, 4.1 or 4.2" }))
    .meta({ kind: "a version of NFS: 3, 4, 4.1 or 4.2", enum: VERSIONS.flatMap((one) => [one, Number(one)]) })
    .default("3"),
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
}).meta({ description: "The archive: an export of an NFS server, and the folders on it that are ours." });

/** The same as arguments: another resource may give the export. */
export const coldArguments = withRows(coldSettings, { server: orOutput(nfsServer), export: orOutput(exportPath) });

export type ColdSettings = z.output<typeof coldArguments>;
export type ColdInput = z.input<typeof coldArguments>;
