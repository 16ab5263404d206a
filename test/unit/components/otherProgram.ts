/** A program of somebody else's, which library.test.ts runs. */
import {
  ColdTier,
  HostPackages,
  HostTuning,
  HotTier,
  TieringAutomation,
  Verification,
  WarmTier,
} from "../../../components/index.ts";
import { ConfigFile } from "../../../providers/index.ts";

const host = "backup";
const connection = { host: "192.0.2.10", user: "dave", hostKey: `ssh-ed25519 ${"A".repeat(68)}` };

/** Their outputs are what other resources give. */
const disk = new ConfigFile("disk", { host, path: "/dev/disk/by-id/attached", content: "" });
const nas = new ConfigFile("nas", { host, path: "/exported", content: "nas.example" });

const packages = new HostPackages("packages", {
  host,
  connection,
  packages: [...WarmTier.packages, ...ColdTier.packages, "btrfs-progs"],
});
const hot = new HotTier("fast", {
  host,
  connection,
  device: { path: "/dev/disk/by-id/nvme-x" },
  volumes: { scratch: { size: "1GiB", mountPoint: "/srv/scratch" } },
});
const warm = new WarmTier(
  "data",
  { host, connection, device: { path: disk.path }, mountPoint: "/srv/data", alsoAt: false },
  { dependsOn: [packages] },
);
const cold = new ColdTier("archive", { host, connection, server: "nas.example", export: nas.path });
new HostTuning("tuning", { host, connection, hot });
const tiers = { hot, warm, cold };
new TieringAutomation("moves", { host, connection, tiers, onCalendar: "weekly" });
new Verification("check", { host, connection, tiers });

new ConfigFile("outputs", {
  host,
  path: "/outputs",
  content: [hot.volumes.scratch!.device!, hot.volumes.scratch!.path, hot.volumes.scratch!.treePath, warm.device]
    .concat([warm.mountPoint, cold.source, cold.mountPoint, cold.root])
    .reduce((text, one) => text.apply((before) => one.apply((next) => `${before}\n${next}`))),
});
