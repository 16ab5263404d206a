import { expect, it } from "vitest";
import { calendarsOf, timersFor } from "../../../components/automation/timers.ts";
import { parseHosts } from "../../../config.ts";

const connection = { host: "192.168.1.100", hostKey: `ssh-ed25519 ${"A".repeat(68)}` };
const calendarsWith = (automation: object, tiers: object = {}) => {
  const { hosts, problems } = parseHosts({
    trading: {
      connection,
      hot: { device: { path: "/dev/disk/by-id/nvme-x" } },
      warm: { device: { path: "/dev/disk/by-id/sata-part2" } },
      cold: { server: "192.168.1.101", export: "/volume1/cocodev" },
      automation,
      ...tiers,
    },
  });
  expect(problems).toEqual([]);
  const trading = hosts.trading!;
  return calendarsOf(timersFor(trading, trading.automation!));
};

it("the timers start apart, except the hourly one", () => {
  const hours = Object.entries(calendarsWith({}))
    .filter(([name]) => name !== "storage-health")
    .map(([, calendar]) => (calendar === "daily" ? "00" : /(\d\d):\d\d$/.exec(calendar)?.[1]));
  expect([hours.length, new Set(hours).size, hours.includes(undefined)]).toEqual([5, 5, false]);
  // The hour that the documentation gives for the timer that is made only where it is asked for.
  expect(hours).not.toContain("01");
});

it("snapshots have a timer where it is asked for, and a volume is archived", () => {
  const snapshotOnCalendar = "*-*-* 01:00";
  expect(calendarsWith({})).not.toHaveProperty("lvm-snapshots");
  expect(calendarsWith({ snapshotOnCalendar })).toMatchObject({ "lvm-snapshots": snapshotOnCalendar });
  expect(calendarsWith({ backupVolumes: {}, snapshotOnCalendar })).not.toHaveProperty("lvm-snapshots");
});

it("a host without volumes and a NAS archives neither", () => {
  const timers = calendarsWith({}, { hot: { layout: "directories", volumes: { redis: null } }, cold: undefined });
  expect(Object.keys(timers)).toEqual(["tiered-storage", "storage-health", "btrfs-scrub"]);
});
