/**
 * One host with a data disk (btrfs, compressed) and an export of a NAS. Configuration:
 *
 *   pulumi config set --path connection.host 192.0.2.10
 *   pulumi config set --path connection.hostKey "ssh-ed25519 AAAA…"
 *   pulumi config set disk /dev/disk/by-id/ata-…
 *   pulumi config set nas nas.example
 *   pulumi config set export /volume1/shared
 *   pulumi config set onDelete wipe    # only to try it: `destroy` then wipes the data disk. Default: it stays.
 */
import * as pulumi from "@pulumi/pulumi";
import { ColdTier, HostPackages, WarmTier, type ConnectionArgs, type OnDelete } from "jts-storage";

const config = new pulumi.Config();
const host = "files";
const connection = config.requireObject<ConnectionArgs>("connection");
const onDelete = config.get<OnDelete>("onDelete") ?? "retain";

const packages = new HostPackages("packages", {
  host,
  connection,
  packages: [...WarmTier.packages, ...ColdTier.packages],
});

const data = new WarmTier(
  "data",
  {
    host,
    connection,
    onDelete,
    device: { path: config.require("disk") },
    label: "data",
    mountPoint: "/srv/data",
    alsoAt: false,
    compression: "zstd:1",
    folders: ["photos", "music"],
  },
  { dependsOn: packages },
);

const nas = new ColdTier(
  "nas",
  {
    host,
    connection,
    server: config.require("nas"),
    export: config.require("export"),
    mountPoint: "/mnt/nas",
    version: "4.2",
    root: "files",
    folders: ["archive"],
  },
  { dependsOn: packages },
);

/** Known only when they are mounted: what depends on them comes after. */
export const dataFolder = data.mountPoint;
export const nasFolder = nas.root;
