import { describe, expect, it } from "vitest";
import { declarationOf } from "../../../components/verification.ts";
import { parseHosts } from "../../../config.ts";

const connection = { host: "192.168.1.100", hostKey: `ssh-ed25519 ${"A".repeat(68)}` };
const settingsOf = (host: object) => {
  const { hosts, problems } = parseHosts({ trading: { connection, ...host } });
  expect(problems).toEqual([]);
  return hosts.trading!;
};

describe("what a host is verified against", () => {
  const declared = declarationOf(
    settingsOf({
      hot: { device: { path: "/dev/disk/by-id/nvme-x" } },
      warm: { device: { path: "/dev/disk/by-id/sata-part2" } },
      cold: { server: "192.168.1.101", export: "/volume1/cocodev" },
      automation: {},
    }),
  );

  it("has every mount with the options that the kernel shows", () => {
    const mounts = new Map(
      declared.mounts.map(({ point, source, type, options }) => [
        point,
        `${source as string} ${type} ${options.join(",")}`,
      ]),
    );
    expect(mounts.size).toBe(17);
    expect(mounts.get("/var/lib/postgresql")).toBe("/dev/vg_jts/lv_postgres ext4 noatime,data=writeback,commit=30");
    // What these are without being told isn't shown.
    expect(mounts.get("/var/lib/clickhouse")).toBe("/dev/vg_jts/lv_clickhouse ext4 noatime");
    expect(mounts.get("/var/lib/kafka")).toBe("/dev/vg_jts/lv_kafka xfs noatime,logbsize=256k,largeio,swalloc");
    expect(mounts.get("/data/jts/hot/postgresql")).toBe("/var/lib/postgresql none ");
    expect(mounts.get("/data/warm-storage")).toBe("LABEL=jts-warm-storage btrfs noatime,compress=zstd:3,autodefrag");
    expect(mounts.get("/mnt/synology")).toBe(
      "192.168.1.101:/volume1/cocodev nfs vers=3,hard,proto=tcp,rsize=1048576,wsize=1048576,timeo=600,retrans=2",
    );
  });

  it("has every service's folders, every timer, and a way through the tiers that starts in a folder of root's", () => {
    expect(declared.folders).toContainEqual({
      path: "/var/lib/redis",
      owner: "redis",
      group: "redis",
      mode: "750",
      folders: ["data", "logs"],
    });
    expect(declared.folders.map(({ path }) => path)).toEqual(
      expect.arrayContaining(["/data/warm-storage", "/mnt/synology/jts"]),
    );
    expect(declared.timers).toMatchObject({
      "fstrim-all": "Sun *-*-* 04:00",
      "tiered-storage": "daily",
      "storage-health": "hourly",
    });
    expect(declared.moves).toEqual([
      { tier: "hot", path: "/data/local-backup", mount: "/data/local-backup" },
      { tier: "warm", path: "/data/warm-storage", mount: "/data/warm-storage" },
      { tier: "cold", path: "/mnt/synology/jts", mount: "/mnt/synology" },
    ]);
  });

  it("has timers that start apart, but for the hourly one", () => {
    const hours = Object.entries(declared.timers)
      .filter(([name]) => name !== "storage-health")
      .map(([, calendar]) => (calendar === "daily" ? "00" : /(\d\d):\d\d$/.exec(calendar)?.[1]));
    expect([hours.length, new Set(hours).size, hours.includes(undefined)]).toEqual([6, 6, false]);
    // The hour that the documentation has for the one that is made where it is asked for.
    expect(hours).not.toContain("01");
  });

  it("has a timer for snapshots where it is asked for", () => {
    const timersOf = (automation: object) =>
      declarationOf(
        settingsOf({
          hot: { device: { path: "/dev/disk/by-id/nvme-x" } },
          warm: { device: { path: "/dev/disk/by-id/sata-part2" } },
          automation,
        }),
      ).timers;
    expect(timersOf({})).not.toHaveProperty("lvm-snapshots");
    expect(timersOf({ snapshotOnCalendar: "*-*-* 01:00" })).toMatchObject({ "lvm-snapshots": "*-*-* 01:00" });
    expect(timersOf({ backupVolumes: {}, snapshotOnCalendar: "*-*-* 01:00" })).not.toHaveProperty("lvm-snapshots");
  });

  it("leaves out what a host doesn't have", () => {
    const small = declarationOf(
      settingsOf({
        hot: { layout: "directories", volumes: { redis: null } },
        warm: { device: { path: "/dev/sdb1" } },
        automation: {},
      }),
    );
    expect(small.mounts.map(({ point }) => point)).toEqual(["/data/warm-storage", "/data/warm"]);
    expect(small.folders.map(({ path }) => path)).toEqual(["/data/jts/hot/redis", "/data/warm-storage"]);
    expect([Object.keys(small.timers).includes("fstrim-all"), small.moves.map(({ tier }) => tier)]).toEqual([
      false,
      ["hot", "warm"],
    ]);
  });
});
