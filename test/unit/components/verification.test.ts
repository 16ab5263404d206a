import { expect, it } from "vitest";
import { trialOf } from "../../../components/verification.ts";
import { parseHosts } from "../../../config.ts";

const connection = { host: "192.168.1.100", hostKey: `ssh-ed25519 ${"A".repeat(68)}` };
const trialOn = (host: object) => {
  const { hosts, problems } = parseHosts({ trading: { connection, ...host } });
  expect(problems).toEqual([]);
  return trialOf(hosts.trading!);
};

it("every service's folders are tried, and a move through the tiers that starts in a folder of root", () => {
  const { folders, moves } = trialOn({
    hot: { device: { path: "/dev/disk/by-id/nvme-x" } },
    warm: { device: { path: "/dev/disk/by-id/sata-part2" } },
    cold: { server: "192.168.1.101", export: "/volume1/cocodev" },
  });
  expect(folders).toContainEqual({
    path: "/var/lib/redis",
    owner: "redis",
    group: "redis",
    mode: "750",
    folders: ["data", "logs"],
  });
  expect(folders.map(({ path }) => path)).toEqual(expect.arrayContaining(["/data/warm-storage", "/mnt/synology/jts"]));
  expect(moves).toEqual([
    { tier: "hot", path: "/data/local-backup", mount: "/data/local-backup" },
    { tier: "warm", path: "/data/warm-storage", mount: "/data/warm-storage" },
    { tier: "cold", path: "/mnt/synology/jts", mount: "/mnt/synology" },
  ]);
});

it("a tier that a host doesn't have is left out", () => {
  const { folders, moves } = trialOn({
    hot: { layout: "directories", volumes: { redis: null } },
    warm: { device: { path: "/dev/sdb1" } },
  });
  expect(folders.map(({ path }) => path)).toEqual(["/data/jts/hot/redis", "/data/warm-storage"]);
  expect(moves.map(({ tier }) => tier)).toEqual(["hot", "warm"]);
});
