import { z } from "zod";
import { accountName, mode, mountOption, nfsServer, path } from "../../providers/values/fields.ts";
import { orOutput } from "../arguments.ts";
import { folder, mountOverFiles, namedPath } from "../fields.ts";

export const coldSettings = z.strictObject({
  server: nfsServer,
  export: path,
  mountPoint: namedPath.default("/mnt/synology"),
  mountOverFiles,
  version: z
    .union([z.string(), z.number()])
    .transform(String)
    .pipe(z.enum(["3", "4", "4.1", "4.2"], { error: "is not a valid version of NFS: 3, 4, 4.1 or 4.2" }))
    .default("3"),
  options: z
    .array(mountOption)
    .default([
      ...["rw", "hard", "proto=tcp", "rsize=1048576", "wsize=1048576", "timeo=600", "retrans=2"],
      ...["_netdev", "nofail"],
    ]),
  /** The folder of the export that is ours. */
  root: folder.default("jts"),
  owner: accountName.default("root"),
  group: accountName.default("root"),
  mode: mode.default("755"),
  folders: z
    .array(folder)
    .default([
      ...["archives/database", "archives/configs", "archives/strategies"],
      ...["market-data/raw", "market-data/processed", "market-data/indicators"],
      ...["backtesting/datasets", "backtesting/results", "backtesting/reports"],
      ...["models/training", "models/models", "models/validation"],
      ...["development/datasets", "development/notebooks", "development/experiments"],
    ]),
});

/** The same as arguments: another resource may give the export. */
export const coldArguments = coldSettings.extend({ server: orOutput(nfsServer), export: orOutput(path) });

export type ColdSettings = z.output<typeof coldArguments>;
export type ColdInput = z.input<typeof coldArguments>;
