import { readFileSync } from "node:fs";
import fc from "fast-check";
import { parse } from "yaml";
import { describe, expect, it } from "vitest";
import type { z } from "zod";
import { findAutomationProblems } from "../../components/automation/problems.ts";
import { automationSettings } from "../../components/automation/settings.ts";
import { exportsOf } from "../../components/cold/layout.ts";
import { coldSettings } from "../../components/cold/settings.ts";
import { volumesOf } from "../../components/hot/layout.ts";
import { VOLUME_PROFILES } from "../../components/hot/profiles.ts";
import { hotSettings, type LvmSettings } from "../../components/hot/settings.ts";
import { problemsIn } from "../../components/problem.ts";
import { childrenOf } from "../../components/rows.ts";
import { parseHosts, SECTIONS } from "../../config.ts";

const HOST_KEY = `ssh-ed25519 ${"A".repeat(68)}`;
const connection = { host: "192.168.1.100", hostKey: HOST_KEY };
const NVME = { path: "/dev/disk/by-id/nvme-x", size: 4_000_787_030_016 };

/** The problems of one host, as `key: message` lines. */
function problemsOf(host: Record<string, unknown>): string[] {
  return parseHosts({ trading: { connection, ...host } }).problems.map(({ key, message }) => `${key}: ${message}`);
}

/** A host with settings in every section. */
const everything = {
  onDelete: "wipe",
  hot: {
    device: NVME,
    volumes: { redis: { size: "10%VG" }, postgres: { size: "800GiB", mode: "0700" }, kafka: null },
    snapshotReserve: "20GiB",
  },
  warm: { device: { path: "/dev/disk/by-id/sata-part2", size: "2TB" }, alsoAt: false },
  cold: { server: "nas", export: "/v", version: 4.2 },
  tuning: { sysctl: { "vm.swappiness": 1 } },
  automation: {
    backupVolumes: { redis: "1GiB" },
    coldRetention: { weekly: 2 },
    notify: "https://hooks.example.org/report",
    rules: [{ name: "models", source: "/models", olderThanDays: 2, to: "warm", destination: "models" }],
  },
};

const hotWith = (volumes: Record<string, unknown>, more: Record<string, unknown> = {}) => ({
  hot: { device: NVME, volumes, ...more },
});

/** The key paths below a schema. */
function pathsBelow(schema: z.ZodType): string[][] {
  return childrenOf(schema).flatMap(([key, row]) => [[key], ...pathsBelow(row).map((path) => [key, ...path])]);
}

/** An object that holds only this value, at this key path. */
function valueAt([key, ...path]: readonly string[], value: unknown): unknown {
  if (key === undefined) return value;
  return key === "N" ? [valueAt(path, value)] : { [key === "X" ? "redis" : key]: valueAt(path, value) };
}

describe("the configuration", () => {
  it.each(["dev", "prod"])("of stack %s has no problem", (stack) => {
    const file = parse(readFileSync(new URL(`../../Pulumi.${stack}.yaml`, import.meta.url), "utf8")) as {
      config: Record<string, unknown>;
    };
    expect(parseHosts(file.config["jts-storage:hosts"]).problems).toEqual([]);
  });

  it("fills in what a host leaves out", () => {
    const { hosts } = parseHosts({
      trading: { connection, warm: { device: { path: "/dev/sda2" } }, cold: { server: "nas", export: "/v" } },
    });
    expect(hosts.trading).toMatchObject({
      onDelete: "retain",
      connection: { port: 22, user: "root" },
      warm: { label: "jts-warm-storage", mountPoint: "/data/warm-storage", compression: "zstd:3" },
      cold: { version: "3", mountPoint: "/mnt/synology" },
    });
    expect(hosts.trading?.hot).toBeUndefined();
  });

  it("takes over only files that the host's stack has, and lists them for others", () => {
    const files = [
      "/etc/sysctl.d/60-jts-storage.conf",
      "/etc/udev/rules.d/60-jts-storage.rules",
      ...["timer", "service"].map((ending) => `/etc/systemd/system/fstrim-all.${ending}`),
    ];
    const automated = [
      ...["/etc/jts-storage/settings.json", "/usr/local/bin/jts-storage-monitor.sh"],
      "/etc/systemd/system/tiered-storage.timer",
    ];
    expect(problemsOf({ ...everything, takeOver: [...files, ...automated] })).toEqual([]);
    expect(problemsOf({ hot: { device: NVME }, takeOver: [files[0], "/etc/fstab", ...automated] })).toEqual(
      ["/etc/fstab", ...automated].map(
        (path, index) =>
          `trading.takeOver.${index + 1}: ${path} is no file of this host's stack; these are: ${files.join(", ")}`,
      ),
    );
    expect(problemsOf({ cold: { server: "nas", export: "/v" }, takeOver: ["/etc/x"] })).toEqual([
      "trading.takeOver.0: /etc/x is no file of this host's stack; none is",
    ]);
    expect(problemsOf({ hot: { device: NVME }, takeOver: ["etc/x"] })).toEqual([
      expect.stringContaining('trading.takeOver.0: "etc/x": must be an absolute path'),
    ]);
  });

  it("accepts the settings that it made, so that they can be arguments of components", () => {
    const { hosts } = parseHosts({ trading: { connection, ...everything } });
    expect(parseHosts(structuredClone(hosts))).toEqual({ hosts, problems: [] });
    expect(hosts.trading).toMatchObject({
      hot: { volumes: { redis: { size: "10%VG" }, postgres: { size: 800 * 2 ** 30, mode: "700" } } },
      automation: { backupVolumes: { redis: 2 ** 30 } },
    });
  });

  it("accepts hosts that leave out any tier", () => {
    expect(problemsOf({})).toEqual([]);
    expect(problemsOf({ hot: { layout: "directories" } })).toEqual([]);
  });

  it("reports all errors of all sections at once, each with its key path, its value and what would be right", () => {
    const problems = problemsOf({
      onDelete: "wipeout",
      hot: { device: NVME, volumes: { postgres: { size: "800 apples" }, redis: { mode: "rwx" } }, colour: 1 },
      warm: { device: {}, compression: "rar" },
      cold: { server: "nas", export: "/v", version: 2 },
      tuning: { scheduler: "NONE!" },
      nonsense: true,
    });
    expect(problems).toEqual([
      expect.stringContaining(
        "(known: connection, onDelete, takeOver, hot, warm, cold, packages, tuning, automation)",
      ) as string,
      expect.stringMatching(/^trading\.onDelete: "wipeout": must be retain, wipe or protect/),
      expect.stringMatching(/^trading\.hot\.volumes\.postgres\.size: "800 apples": .*800GiB/),
      expect.stringMatching(/^trading\.hot\.volumes\.redis\.mode: "rwx": .*octal/),
      expect.stringMatching(/^trading\.hot\.colour: is an unknown key \(known: layout, device, .*, tree, keepFstab\)$/),
      "trading.warm.device.path: is missing: any path that leads to the device (an absolute path)",
      expect.stringMatching(/^trading\.warm\.compression: "rar": .*zstd/),
      expect.stringMatching(/^trading\.cold\.version: 2: .*3, 4, 4\.1 or 4\.2/),
      expect.stringMatching(/^trading\.tuning/),
    ]);
  });

  it.each<[Record<string, unknown>, string]>([
    [{ tempAfterDays: -1 }, "tempAfterDays: -1: must be a whole number of days, 0 or more"],
    [{ tempAfterDays: 1.5 }, "tempAfterDays: 1.5: must be a whole number of days, 0 or more"],
    [{ backupsKeptDays: "7" }, 'backupsKeptDays: "7": must be a whole number of days, 1 or more'],
    [{ warmHighPercent: 101 }, "warmHighPercent: 101: must be a percentage above 0, at most 100"],
    [{ backupWarningHours: null }, "backupWarningHours: null: must be a whole number of hours, 0 or more"],
    [{ attributes: "loose" }, 'attributes: "loose": must be strict or best-effort'],
    [{ dockerPrune: "no" }, 'dockerPrune: "no": must be true or false'],
    [{ rules: {} }, "rules: {}: must be a list of maps"],
    [{ metricsFolder: 1 }, "metricsFolder: 1: must be an absolute path"],
  ])("says what is allowed instead of a wrong value: %j", (automation, problem) => {
    const warm = { device: { path: "/dev/sda2" } };
    expect(problemsOf({ warm, automation })).toEqual([`trading.automation.${problem}`]);
  });

  it("proposes the known key that is closest to an unknown one, in the same layout", () => {
    const warm = { device: { path: "/dev/sda2" } };
    expect(problemsOf({ warm, automation: { tempAfterDay: 3 } })).toEqual([
      expect.stringMatching(
        /^trading\.automation\.tempAfterDay: is an unknown key; did you mean tempAfterDays\? \(known: /,
      ),
    ]);
    expect(problemsOf({ hot: { layout: "directories", snapshotReserve: "1GiB" } })).toEqual([
      "trading.hot.snapshotReserve: is an unknown key (known: layout, volumes, tree)",
    ]);
    expect(problemsOf({ hot: { layout: "lvn" } })).toEqual(['trading.hot.layout: "lvn": must be lvm or directories']);
  });

  it("has a message of its own for every wrong value of every key, and none of the schema library's", () => {
    const wrong = [
      undefined,
      null,
      true,
      -1,
      1.5,
      1e300,
      "",
      "\0",
      " ",
      "x:y/..",
      [],
      [null],
      {},
      { "": 1 },
      { a: {} },
    ];
    const messages = new Set<string>();
    for (const [section, schema] of Object.entries<z.ZodType>(SECTIONS))
      for (const path of [[], ...pathsBelow(schema)])
        for (const value of wrong)
          for (const { message } of problemsIn(schema, valueAt(path, value))) messages.add(`${section}: ${message}`);
    expect(messages.size).toBeGreaterThan(200);
    const poor = [...messages].filter((message) =>
      /expected|received|invalid|too (small|big)|unrecognized|undefined|: $|must be $/i.test(message),
    );
    expect(poor).toEqual([]);
  });

  it("reports the errors of every host", () => {
    const keys = parseHosts({ one: { connection: {} }, two: { connection, warm: {} } }).problems.map(({ key }) => key);
    expect(keys).toEqual(["one.connection.host", "one.connection.hostKey", "two.warm.device"]);
  });

  it("refuses one machine under two names", () => {
    expect(parseHosts({ one: { connection }, two: { connection } }).problems).toEqual([
      { key: "two.connection.host", message: "192.168.1.100:22 is already one's; one machine is one host" },
    ]);
  });

  it.each([
    ["800GiB", 800 * 2 ** 30],
    ["800G", 800 * 2 ** 30],
    ["800GB", 800e9],
    [1_073_741_824, 2 ** 30],
  ])("reads the size %s", (size, bytes) => {
    const hot = parseHosts({ trading: { connection, ...hotWith({ redis: { size } }) } }).hosts.trading?.hot;
    expect(hot?.layout === "lvm" ? hot.volumes?.redis?.size : undefined).toBe(bytes);
  });
});

describe("capacity", () => {
  it("refuses volumes that leave no room for the snapshots of the services that have them", () => {
    expect(problemsOf(hotWith({ postgres: {}, clickhouse: { size: "2900GiB" } }))).toEqual([
      "trading.hot.volumes: 3700 GiB of volumes and 105 GiB for snapshots don't fit the 3726.02 GiB of vg_jts; " +
        "make them 78.98 GiB smaller, or set snapshotReserve; " +
        "volumes that exist shrink by docs/runbooks/shrink-a-volume.md",
    ]);
  });

  it("accepts the same volumes when the reserve is set smaller", () => {
    expect(
      problemsOf(hotWith({ postgres: {}, clickhouse: { size: "2900GiB" } }, { snapshotReserve: "20GiB" })),
    ).toEqual([]);
  });

  it("accepts no reserve at all", () => {
    const settings = { postgres: {}, clickhouse: { size: "2900GiB" } };
    expect(problemsOf(hotWith(settings, { snapshotReserve: 0 }))).toEqual([]);
    expect(problemsOf(hotWith(settings, { snapshotReserve: -1 }))).toHaveLength(1);
  });

  it("refuses the first draft's 4000 GiB of volumes", () => {
    const volumes = {
      postgres: {},
      clickhouse: {},
      kafka: {},
      mongodb: {},
      redis: {},
      docker: { size: "500GiB" },
      local_backup: { size: "350GiB" },
    };
    expect(problemsOf(hotWith(volumes))).toEqual([
      expect.stringMatching(/^trading\.hot\.volumes: 4000 GiB of volumes .* don't fit/),
    ]);
  });

  it("refuses shares over 100 %, of one volume and together", () => {
    expect(problemsOf(hotWith({ redis: { size: "101%VG" } }))).toEqual([
      expect.stringMatching(/size: "101%VG": .*between 0 and 100/),
    ]);
    expect(problemsOf(hotWith({ redis: { size: "60%VG" }, kafka: { size: "60%VG" } }))).toEqual([
      expect.stringMatching(/^trading\.hot\.volumes: .*don't fit/),
    ]);
  });

  it("refuses a share of a volume group whose size is unknown", () => {
    expect(problemsOf({ hot: { device: { path: "/dev/nvme0n1" }, volumes: { redis: { size: "10%VG" } } } })).toEqual([
      expect.stringContaining(
        "trading.hot.volumes.redis.size: is a share of the volume group, so device.size must be there",
      ),
    ]);
  });

  it("is never exceeded by volumes that preview accepts", () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 2000 }), { minLength: 1, maxLength: 8 }), (gibs) => {
        const volumes = Object.fromEntries(
          gibs.map((gib, index) => [`v${index}`, { size: `${gib}GiB`, mountPoint: `/v${index}` }]),
        );
        const fits = gibs.reduce((sum, gib) => sum + gib, 0) * 2 ** 30 <= 4_000_787_030_016 - 4 * 2 ** 20;
        return (problemsOf(hotWith(volumes)).length === 0) === fits;
      }),
    );
  });
});

describe("what no host could carry out is refused by name", () => {
  const warm = (more: Record<string, unknown>) => ({
    warm: { device: { path: "/dev/disk/by-id/sata-part2" }, ...more },
  });
  const cold = (options: string[]) => ({ cold: { server: "nas", export: "/v", options } });
  const noJournal = ["-O", "^has_journal"];

  it.each<[string, Record<string, unknown>, RegExp]>([
    [
      "commit= without a journal",
      hotWith({ postgres: { mkfsOptions: noJournal } }),
      /^trading\.hot\.volumes\.postgres\.options: commit=30 on ext4 .*journal/,
    ],
    [
      "data= without a journal",
      hotWith({ redis: { mkfsOptions: noJournal } }),
      /^trading\.hot\.volumes\.redis\.options: data=writeback on ext4 .*journal/,
    ],
    ["barrier=0", hotWith({ redis: { options: ["barrier=0"] } }), /options: barrier=0 on ext4/],
    ["nobarrier on ext4", hotWith({ redis: { options: ["nobarrier"] } }), /options: nobarrier on ext4/],
    ["nobarrier on XFS", hotWith({ kafka: { options: ["nobarrier"] } }), /options: nobarrier on xfs .*4\.19/],
    [
      "sparse_super2",
      hotWith({ redis: { mkfsOptions: ["-O", "sparse_super2"] } }),
      /mkfsOptions: sparse_super2 on ext4 .*growing online/,
    ],
    [
      "a quota's file without its format",
      hotWith({ redis: { options: ["usrjquota=aquota.user"] } }),
      /^trading\.hot\.volumes\.redis\.options: usrjquota=aquota\.user on ext4 does not mount .*jqfmt=vfsv1/,
    ],
    ["seconds above the kernel's ticks", hotWith({ redis: { options: ["commit=2000000000"] } }), /from 0 to 8589934,/],
    [
      "half of a stripe",
      hotWith({ kafka: { options: ["swidth=128"] } }),
      /^trading\.hot\.volumes\.kafka\.options: swidth=128 on xfs does not mount unless/,
    ],
    ["a writable rescue", warm({ options: ["rescue=all"] }), /^trading\.warm\.options: rescue=all on btrfs .*add ro/],
    ["no time for answers of NFS", cold(["timeo=0"]), /^trading\.cold\.options: timeo=0 on nfs .*from 1 to/],
    ["a port above the last", cold(["port=70000"]), /^trading\.cold\.options: port=70000 on nfs .*from 0 to 65535/],
    [
      "half of a stripe of mkfs.xfs",
      hotWith({ kafka: { mkfsOptions: ["-d", "su=64k"] } }),
      /^trading\.hot\.volumes\.kafka\.mkfsOptions.*: su=64k on xfs needs both su= and sw=/,
    ],
    [
      "a word of mkfs.xfs twice",
      hotWith({ kafka: { mkfsOptions: ["-b", "size=1024", "-b", "size=2048"] } }),
      /^trading\.hot\.volumes\.kafka\.mkfsOptions.*: size=2048 on xfs is written twice/,
    ],
    ["intr on NFS", cold(["intr"]), /^trading\.cold\.options: intr on nfs/],
    [
      "compression in warm.options beside warm.compression",
      warm({ options: ["compress=zstd:1"] }),
      /^trading\.warm\.options: compress=zstd:1 contradicts compress=zstd:3, .* change `compression`$/,
    ],
    [
      "forced compression",
      warm({ options: ["compress-force=lzo"] }),
      /^trading\.warm\.options: .* change `compression`$/,
    ],
    [
      "nodatacow beside compression",
      warm({ options: ["nodatacow"] }),
      /options: nodatacow on btrfs .*turn compression off/,
    ],
    [
      "a version in cold.options beside cold.version",
      cold(["vers=4.2"]),
      /^trading\.cold\.options: vers=4.2 contradicts vers=3, .* change `version`$/,
    ],
    ["another word for the version", cold(["v4.1"]), /^trading\.cold\.options: v4.1 contradicts vers=3/],
    [
      "nolock with cold.version 4",
      { cold: { server: "nas", export: "/v", version: 4.2, options: ["nolock"] } },
      /^trading\.cold\.options: nolock on nfs is for NFS 3/,
    ],
    ["hard and soft", cold(["hard", "soft"]), /^trading\.cold\.options: soft on nfs contradicts hard/],
    [
      "ro beside folders of hot",
      hotWith({ redis: { options: ["ro"] } }),
      /^trading\.hot\.volumes\.redis\.options: ro: /,
    ],
    [
      "ro on hot without folders, whose root gets an owner and a mode",
      hotWith({ redis: { options: ["ro"], folders: [] } }),
      /^trading\.hot\.volumes\.redis\.options: ro: .* could not be made, .*leave it out$/,
    ],
    [
      "ro beside folders of warm",
      warm({ options: ["ro"] }),
      /^trading\.warm\.options: ro: .*; leave it out, or write folders: \[\], and no owner, group and mode$/,
    ],
    [
      "ro beside an owner of warm",
      warm({ options: ["ro"], folders: [], owner: "app" }),
      /^trading\.warm\.options: ro: /,
    ],
    ["ro beside a mode of warm", warm({ options: ["ro"], folders: [], mode: "750" }), /^trading\.warm\.options: ro: /],
    ["ro beside folders of cold", cold(["ro"]), /^trading\.cold\.options: ro: /],
    [
      "automation on a read-only cold tier",
      { ...warm({}), cold: { server: "nas", export: "/v", options: ["ro"], folders: [] }, automation: {} },
      /^trading\.automation: can't work on the cold tier, which ro in cold\.options makes read-only; leave ro out$/,
    ],
    [
      "automation on a read-only warm tier",
      { ...warm({ options: ["ro"], folders: [] }), automation: {} },
      /^trading\.automation: can't work on the warm tier, which ro in warm\.options makes read-only; leave ro out$/,
    ],
    [
      "a mount point in a read-only tier",
      { ...warm({ options: ["ro"], folders: [] }), ...hotWith({ redis: { mountPoint: "/data/warm/redis" } }) },
      /^trading\.hot\.volumes\.redis\.mountPoint: \/data\/warm\/redis lies in \/data\/warm, which is read-only/,
    ],
    ["a comma in an option", warm({ options: ["a,b"] }), /^trading\.warm\.options\.0: "a,b"/],
  ])("%s", (_what, host, expected) => {
    expect(problemsOf(host)).toEqual(expect.arrayContaining([expect.stringMatching(expected)]));
  });

  it.each<[string, Record<string, unknown>]>([
    [
      "compression by force where `compression` is off",
      warm({ compression: "no", options: ["compress-force=zstd:3"] }),
    ],
    ["nodatacow where `compression` is off", warm({ compression: "no", options: ["nodatacow"] })],
    [
      "a read-only export, which may have our folder",
      { cold: { server: "nas", export: "/v", options: ["ro"], folders: [] } },
    ],
    ["a read-only tier as mkfs makes it", warm({ options: ["ro"], folders: [], mode: "0755" })],
    ["a read-only tier beside other mounts", { ...warm({ options: ["ro"], folders: [] }), ...hotWith({ redis: {} }) }],
    ["the version in a second word that agrees", cold(["nfsvers=3", "hard"])],
  ])("but not %s", (_what, host) => {
    expect(problemsOf(host)).toEqual([]);
  });

  it("two volumes on one mount point", () => {
    expect(problemsOf(hotWith({ redis: {}, kafka: { mountPoint: "/var/lib/redis" } }))).toEqual([
      "trading.hot.volumes.kafka.mountPoint: /var/lib/redis is already the mount point of hot.volumes.redis.mountPoint",
    ]);
  });

  it("one device twice in a volume group, and a partition of it for another tier", () => {
    const additionalDevices = [{ path: "/dev/sdx" }, { path: "/dev/sdx" }];
    expect(
      problemsOf({ ...hotWith({ redis: {} }, { additionalDevices }), warm: { device: { path: "/dev/sdx3" } } }),
    ).toEqual([
      "trading.hot.additionalDevices.1.path: /dev/sdx is already a device of the hot tier",
      "trading.warm.device.path: /dev/sdx3 is a part of /dev/sdx, which is already a device of the hot tier",
    ]);
    expect(problemsOf({ ...hotWith({ redis: {} }), warm: { device: { path: `${NVME.path}-part2` } } })).toEqual([
      expect.stringContaining(`is a part of ${NVME.path}, which is already a device of the hot tier`),
    ]);
    expect(problemsOf({ ...hotWith({ redis: {} }), warm: { device: { path: `${NVME.path}-other` } } })).toEqual([]);
  });

  it("a device counts as a partition of another one only by its whole name", () => {
    const both = (hot: string, warm: string) =>
      problemsOf({ hot: { device: { path: hot }, volumes: { redis: {} } }, warm: { device: { path: warm } } });
    const isPart = (hot: string, warm: string) => both(hot, warm).length > 0;
    expect(isPart("/dev/nvme0n1", "/dev/nvme0n1p2")).toBe(true);
    expect(isPart("/dev/nvme0n1", "/dev/nvme0n10")).toBe(false);
    expect(isPart("/dev/disk/by-id/nvme-x", "/dev/disk/by-id/nvme-x-part2")).toBe(true);
    expect(isPart("/dev/disk/by-id/nvme-x", "/dev/disk/by-id/nvme-x2")).toBe(false);
  });

  it("all problems at once: a mount point taken twice, a device taken twice, no room, an option", () => {
    const volumes = { redis: { options: ["nosuch"] }, kafka: { mountPoint: "/var/lib/redis", size: "9000GiB" } };
    const additionalDevices = [{ ...NVME }];
    expect(
      problemsOf({
        ...hotWith(volumes, { additionalDevices }),
        warm: { device: { path: "/dev/sdy" }, alsoAt: "/var/lib/redis" },
      }),
    ).toEqual(
      [
        /hot\.volumes\.redis\.options/,
        /hot\.volumes: .*don't fit/,
        /hot\.additionalDevices\.0\.path: .*already a device/,
        /kafka\.mountPoint: .*already the mount point/,
        /warm\.alsoAt: .*already the mount point/,
      ].map((message) => expect.stringMatching(message) as string),
    );
  });

  it("a rule by access whose source is mounted with noatime, also where a bind mount shows it", () => {
    const rule = { name: "a", olderThanDays: 2, by: "access", to: "cold", destination: "models" };
    const rules = ["/srv/models", "/var/lib/redis/data", "/data/jts/hot/redis/data"].map((source) => ({
      ...rule,
      source,
    }));
    const host = (volume: object, options: readonly string[]) => ({
      ...hotWith({ redis: volume }),
      warm: { device: { path: "/dev/sda2" }, options },
      cold: { server: "nas", export: "/v" },
      automation: { rules: [...rules, { ...rule, source: "/data/warm-storage/models" }] },
    });
    const problemAt = (index: number) => expect.stringContaining(`rules.${index}.by: is access, and `) as string;
    expect(problemsOf(host({}, []))).toEqual([1, 2, 3].map(problemAt));
    expect(problemsOf(host({ options: ["relatime"] }, ["strictatime"]))).toEqual([]);
  });

  it("one device for two tiers", () => {
    expect(problemsOf({ ...hotWith({ redis: {} }), warm: { device: { path: NVME.path } } })).toEqual([
      expect.stringContaining("is already a device of the hot tier"),
    ]);
  });

  it.each<[Record<string, unknown>, RegExp]>([
    [{ source: "relative" }, /^trading\.automation\.rules\.0\.source: "relative"/],
    [{ pattern: "a/*" }, /rules\.0\.pattern: "a\/\*": is about a file's name/],
    [{ pattern: "*.{log,gz}" }, /rules\.0\.pattern: .*has braces, which match only themselves.*write a rule for each/],
    [{ destination: "../up" }, /rules\.0\.destination: /],
    [{ by: "size" }, /rules\.0\.by: "size": must be modification or access/],
    [
      { source: "/data/warm-storage/models", by: "access" },
      /rules\.0\.by: is access, and \/data\/warm-storage is mounted with noatime.*add relatime to its options/,
    ],
    [{ to: "hot" }, /rules\.0\.to: is hot, and cold\.volumes has none of that name \(known: warm, cold\)/],
    [{ source: "/home/jts/models" }, /rules\.0\.source: \/home\/jts\/models is in \/home, which the sandbox/],
    [{ source: "/var/tmp/models" }, /rules\.0\.source: .* is in \/var\/tmp/],
    [{ source: "/etc" }, /rules\.0\.source: \/etc is in \/etc/],
    [{ source: "/mnt/synology/jts" }, /rules\.0\.source: .* is on the cold tier, which nothing leaves/],
    [{ source: "/data/warm/logs" }, /rules\.0\.source: .*write it below its mount point, \/data\/warm-storage/],
    [{ source: "/data/warm-storage" }, /rules\.0\.source: .* is all of the warm tier/],
    [{ source: "/data/warm-storage/a", to: "warm" }, /rules\.0\.to: is warm, where \/data\/warm-storage\/a is already/],
    [
      { source: "/data", to: "warm" },
      /rules\.0\.source: \/data has the destination in it, \/data\/warm-storage\/models/,
    ],
  ])("a rule with %j", (wrong, expected) => {
    const rule = { name: "models", source: "/models", olderThanDays: 2, to: "cold", destination: "models" };
    const host = (one: object) => ({
      warm: { device: { path: "/dev/sda2" } },
      cold: { server: "nas", export: "/v" },
      automation: { rules: [one] },
    });
    expect(problemsOf(host(rule))).toEqual([]);
    expect(problemsOf(host({ ...rule, ...wrong }))).toEqual([expect.stringMatching(expected)]);
  });

  it("a rule to a cold tier that does not exist, and a low mark above the high one", () => {
    const rules = [{ name: "models", source: "/models", olderThanDays: 2, to: "cold", destination: "models" }];
    expect(problemsOf({ warm: { device: { path: "/dev/sda2" } }, automation: { rules, warmHighPercent: 70 } })).toEqual(
      [
        expect.stringMatching(/warmLowPercent: 75 must be below warmHighPercent, 70/),
        expect.stringMatching(/rules\.0\.to: is cold, and there is no cold tier/),
      ],
    );
  });

  it.each<[string, RegExp | undefined]>([
    ["/usr/local/sbin/tell the on-call", undefined],
    ["https://hooks.example.org:8443/services/a%20b?token=x&y=@z", undefined],
    ["http://[fe80::1]/", undefined],
    ["tell", /is neither a command's absolute path nor a URL/],
    ["/usr/local/../tell", /must be an absolute path without/],
    ["/", /is not a command/],
    ["ftp://nas/report", /is neither/],
    ["https://", /is neither/],
    ["https:///hooks.example.org", /is neither/],
    ["https:/hooks.example.org", /is neither/],
    ["https://hooks.example.org/a b", /is neither/],
    ["https://hooks.example.org/a\nb", /is neither/],
    ["https://user:secret@hooks.example.org/", /has a user or password in it/],
    ["/home/jts/tell", /is in \/home, which the sandbox of storage-health.service hides/],
    ["/tmp/tell", /is in \/tmp, which the sandbox/],
  ])("notify %j, unless it is a command that the service can run, or a URL", (notify, problem) => {
    expect(problemsOf({ warm: { device: { path: "/dev/sda2" } }, automation: { notify } })).toEqual(
      problem === undefined ? [] : [expect.stringMatching(/^trading\.automation\.notify: /)],
    );
    if (problem !== undefined)
      expect(problemsOf({ warm: { device: { path: "/dev/sda2" } }, automation: { notify } })[0]).toMatch(problem);
  });

  it("automation without a warm tier", () => {
    expect(problemsOf({ automation: {} })).toEqual([expect.stringContaining("needs the warm tier")]);
  });

  it.each<[Record<string, unknown>, Record<string, unknown>, RegExp]>([
    [
      { redis: {} },
      { backupVolumes: { kafka: "1GiB" } },
      /^trading\.automation\.backupVolumes\.kafka: is not a volume of the hot tier \(redis\)/,
    ],
    [
      { redis: { filesystem: "btrfs" } },
      { backupVolumes: { redis: "1GiB" } },
      /^trading\.automation\.backupVolumes\.redis: is btrfs/,
    ],
    [
      { redis: {} },
      { coldRetention: { weekly: 0 } },
      /^trading\.automation\.coldRetention: .*: keeps nothing: give weekly, monthly or yearly a number/,
    ],
    [
      { redis: {} },
      { coldRetention: { weekly: 4 } },
      /^trading\.automation\.coldRetention: is about the cold tier, and there is none/,
    ],
    [
      { redis: {} },
      { backupVolumes: { redis: "50%VG" } },
      /^trading\.automation\.backupVolumes\.redis: .*not a valid size here/,
    ],
    [{ redis: {} }, { backupsKeptDays: 0 }, /^trading\.automation\.backupsKeptDays: 0/],
  ])("backups that can't be made: %j, %j", (volumes, automation, problem) => {
    expect(problemsOf({ ...hotWith(volumes), warm: { device: { path: "/dev/sda2" } }, automation })).toEqual([
      expect.stringMatching(problem),
    ]);
  });

  it.each(["../up", "a/../b", "/abs", "a\0b", "a\nb", "a\u007fb"])("the folder %j", (folder) => {
    expect(problemsOf(hotWith({ redis: { folders: [folder] } }))).toHaveLength(1);
  });
});

describe("a value that would mean something else where it is written is refused by name", () => {
  const sda2 = { path: "/dev/sda2" };
  const nas = { server: "nas", export: "/v" };

  it.each(['/a"b', "/a'b", "/a\\b", "/a%b", "/a$b"])("the mount point or tree %j, in units of systemd", (path) => {
    const all = {
      hot: { device: NVME, volumes: { redis: { mountPoint: path } }, tree: path },
      warm: { device: sda2, mountPoint: path },
      cold: { ...nas, mountPoint: path },
    };
    const expected = ["hot.volumes.redis.mountPoint", "hot.tree", "warm.mountPoint", "cold.mountPoint"].map(
      (key) => `trading.${key}: ${JSON.stringify(path)}: must not hold any of " ' \\ % $`,
    );
    expect(problemsOf(all).map((problem) => problem.slice(0, problem.indexOf(" $") + 2))).toEqual(expected);
  });

  it.each(["/a\tb", "/a\rb", "/a\u0001b"])("a control character in the path %j", (path) => {
    expect(problemsOf({ warm: { device: sda2, alsoAt: path } })).toEqual([
      expect.stringMatching(/^trading\.warm\.alsoAt: .*control characters/),
    ]);
  });

  it.each(['S1", RUN+="/bin/sh', "S*", "S|T", "[S]", "S\n1"])("the serial number %j, in a rule of udev", (serial) => {
    expect(problemsOf({ hot: { device: { ...NVME, serial }, volumes: { redis: {} } } })).toEqual([
      expect.stringMatching(/^trading\.hot\.device\.serial: .*not a valid serial number/),
    ]);
  });

  it("a kernel parameter with two lines, of which the second would be another parameter", () => {
    expect(problemsOf({ tuning: { sysctl: { "vm.swappiness": "1\nkernel.core_pattern=|/bin/sh" } } })).toEqual([
      expect.stringMatching(/^trading\.tuning\.sysctl\.vm\.swappiness: .*line ends/),
    ]);
  });

  it("no small volume with a profile's mkfs arguments: they are others where the usual ones don't fit", () => {
    const argumentsOf = (size: string) => {
      const declared = hotWith({ kafka: { size } });
      expect(problemsOf(declared)).toEqual([]);
      return volumesOf(hotSettings.parse(declared.hot) as LvmSettings)[0]?.mkfsOptions;
    };
    const { mkfsOptions: usual, smallMkfsOptions: small } = VOLUME_PROFILES.kafka!;
    expect(["300MiB", "1GiB", "4GiB"].map(argumentsOf)).toEqual([small, small, small]);
    expect(["4100MiB", "600GiB"].map(argumentsOf)).toEqual([usual, usual]);
  });

  it.each<[string, Record<string, unknown>, string]>([
    [
      "hot.volumes.redis.size",
      hotWith({ redis: { size: "200MiB", filesystem: "xfs" } }),
      "xfs of 200 MiB is too small",
    ],
    ["hot.volumes.redis.size", hotWith({ redis: { size: "100MiB", filesystem: "btrfs" } }), "at least 109 MiB"],
    ["hot.volumes.kafka.size", hotWith({ kafka: { size: "200MiB" } }), "at least 300 MiB"],
    [
      "hot.volumes.kafka.size",
      hotWith({ kafka: { size: "2GiB", mkfsOptions: ["-d", "agcount=32", "-l", "size=128m"] } }),
      "write a size above 4 GiB",
    ],
    [
      "hot.volumes.kafka.mkfsOptions",
      hotWith({ kafka: { mkfsOptions: ["-d", "size=10g"] } }),
      "smaller than its device",
    ],
    ["warm.device.size", { warm: { device: { path: "/dev/sdb2", size: "100MiB" } } }, "btrfs of 100 MiB is too small"],
    ["warm.mkfsOptions", { warm: { device: sda2, mkfsOptions: ["-b", "10g"] } }, "smaller than its device"],
  ])("what mkfs can't make, by the key %s", (key, sections, reason) => {
    expect(problemsOf(sections)).toEqual([expect.stringContaining(reason)]);
    expect(problemsOf(sections)[0]).toContain(`trading.${key}: `);
  });

  it.each([
    [
      "both halves of a value",
      { "vm.dirty_ratio": 10, "vm.dirty_bytes": "1000000" },
      "vm.dirty_bytes",
      "can't both be set",
    ],
    ["a size that the kernel takes no 0 for", { "vm.dirty_bytes": 0 }, "vm.dirty_bytes", "write vm.dirty_ratio"],
    ["a share of a whole number", { "vm.swappiness": 0.5 }, "vm.swappiness", "only whole numbers"],
    ["a blank", { "vm.swappiness": " " }, "vm.swappiness", "is blank"],
    ["an octal number", { "vm.swappiness": "010" }, "vm.swappiness", "write 8, or 10 if that is meant"],
    [
      "two words for one thing",
      { "net.ipv4.ip_forward": 1, "net.ipv4.conf.all.forwarding": 0 },
      "net.ipv4.conf.all.forwarding",
      "is the same as net.ipv4.ip_forward, which has another value",
    ],
    ["a command to the kernel", { "vm.drop_caches": 1 }, "vm.drop_caches", "keeps no value of it"],
    ["a number that loses digits", { "fs.file-max": 2 ** 63 }, "fs.file-max", "write it as a text"],
  ])("%s among the kernel's parameters", (_what, sysctl, key, reason) => {
    const [problem = "", ...others] = problemsOf({ tuning: { sysctl } });
    expect(others).toEqual([]);
    expect(problem.startsWith(`trading.tuning.sysctl.${key}: `)).toBe(true);
    expect(problem).toContain(reason);
  });

  it("but not a list of ports, which the kernel sorts and merges, and a text that looks like a number", () => {
    const sysctl = { "net.ipv4.ip_local_reserved_ports": "8080,9000,9001", "kernel.core_pattern": "010" };
    expect(problemsOf({ ...hotWith({ redis: {} }), tuning: { sysctl } })).toEqual([]);
  });

  it.each(["daily\nUnit=other.service", "daily\\"])("the calendar %j, in a unit", (onCalendar) => {
    expect(problemsOf({ warm: { device: sda2 }, automation: { onCalendar } })).toEqual([
      expect.stringMatching(/^trading\.automation\.onCalendar: /),
    ]);
  });

  it("a server's IPv6 address without brackets, of which mount.nfs would take the first part for a name", () => {
    expect(problemsOf({ cold: { ...nas, server: "fd00::1" } })).toEqual([
      expect.stringMatching(/^trading\.cold\.server: .*written in brackets: "\[fd00::1\]"/),
    ]);
  });

  it("an automount of a disk, and not that of the NAS", () => {
    const options = ["nofail", "x-systemd.automount", "x-systemd.idle-timeout=600"];
    expect(problemsOf({ warm: { device: { path: "/dev/sda2" }, options } })).toEqual([
      expect.stringMatching(/^trading\.warm\.options: x-systemd\.automount on btrfs /),
    ]);
    expect(problemsOf({ cold: { ...nas, options: [...options, "_netdev"] } })).toEqual([]);
  });

  it("a server that mount.nfs would take for an option", () => {
    expect(problemsOf({ cold: { ...nas, server: "-oproto" } })).toEqual([
      expect.stringMatching(/^trading\.cold\.server: .*not a valid host name/),
    ]);
  });

  it.each(["/dev/sdb", "//dev/sdb"])(
    "the device %j among mkfs's options, which would be formatted instead of the declared one",
    (device) => {
      expect(problemsOf({ warm: { device: sda2, mkfsOptions: [device] } })).toEqual([
        expect.stringMatching(/^trading\.warm\.mkfsOptions\.0: .*mkfs gets only the declared one/),
      ]);
    },
  );
});

describe("what one section needs of another is there, or refused with its key", () => {
  const warm = { device: { path: "/dev/sda2" } };
  const nas = { server: "nas", export: "/v" };
  const rule = { name: "x", source: "/models", olderThanDays: 2, to: "cold", destination: "models" };

  it.each<[string, Record<string, unknown>, string]>([
    [
      "a mount point that services can't see",
      { hot: { device: NVME, volumes: { redis: { mountPoint: "/home/r" } } } },
      "automation: can't work on hot.volumes.redis.mountPoint, /home/r: the sandbox of its services closes /home to them",
    ],
    [
      "a mount point that health would take for read-only",
      { hot: { device: NVME, volumes: { redis: { mountPoint: "/usr/local/r" } } } },
      "automation: can't work on hot.volumes.redis.mountPoint, /usr/local/r: the sandbox of its services closes /usr to them",
    ],
    [
      "a warm tier that services can't write to",
      { warm: { ...warm, mountPoint: "/usr/warm" } },
      "automation: can't work on warm.mountPoint, /usr/warm: the sandbox of its services closes /usr to them",
    ],
    [
      "a folder of metrics that health can't write to",
      { automation: { metricsFolder: "/etc/metrics" } },
      "automation.metricsFolder: /etc/metrics is in /etc, which the sandbox of storage-health.service closes to it",
    ],
    [
      "a folder of metrics on the NAS, for which health would wait",
      { cold: nas, automation: { metricsFolder: "/mnt/synology/metrics" } },
      "automation.metricsFolder: /mnt/synology/metrics is on the cold tier, and health would hang there, silent, while " +
        "the NAS is away; choose a folder of the host, such as /var/lib/prometheus/node-exporter",
    ],
    [
      "a command on the NAS, for which health would wait",
      { cold: nas, automation: { notify: "/mnt/synology/bin/notify" } },
      "automation.notify: /mnt/synology/bin/notify is on the cold tier, and health would hang there, silent, while the " +
        "NAS is away; put it for example in /usr/local/sbin",
    ],
    [
      "a hot tree that the mover can't take logs from",
      hotWith({ redis: {} }, { tree: "/usr/hot" }),
      "automation: can't work on hot.tree, /usr/hot: the sandbox of its services closes /usr to them",
    ],
    [
      "folders of the hot tier that the mover can't take logs from",
      { hot: { layout: "directories", volumes: { redis: {}, kafka: {} }, tree: "/etc/hot" } },
      "automation: can't work on hot.tree, /etc/hot: the sandbox of its services closes /etc to them",
    ],
    [
      "a rule that takes archives away",
      {
        cold: nas,
        automation: { rules: [{ ...rule, source: "/data/warm-storage/daily-backups" }] },
      },
      "automation.rules.0.source: /data/warm-storage/daily-backups is in daily-backups, and no restore would " +
        "find the archives at the rule's destination; set backupsToColdAfterDays instead, which moves them, or keep: true",
    ],
    [
      "a rule to where files are deleted by age",
      { automation: { rules: [{ ...rule, to: "warm", destination: "temp-processing/x" }] } },
      "automation.rules.0.destination: /data/warm-storage/temp-processing/x is emptied by age (tempAfterDays); choose another folder",
    ],
    [
      "a rule to where only a copy is",
      {
        cold: nas,
        automation: { developmentFolders: ["/srv/notes"], rules: [{ ...rule, destination: "development/notes" }] },
      },
      "automation.rules.0.destination: development/notes is in development/notes, where developmentFolders removes what isn't a copy",
    ],
    [
      "a snapshot that never fits",
      {
        ...hotWith({ redis: { size: "3700GiB" } }, { snapshotReserve: "1GiB" }),
        automation: { backupVolumes: { redis: "100GiB" } },
      },
      "automation.backupVolumes.redis: a snapshot of 100 GiB doesn't fit the 26.02 GiB that the volumes leave free",
    ],
  ])("%s", (_what, host, problem) => {
    expect(problemsOf({ warm, automation: {}, ...host })).toEqual([`trading.${problem}`]);
  });

  it.each<[string, Record<string, unknown>]>([
    ["files for health on the host", { metricsFolder: "/mnt/synology-metrics", notify: "/usr/local/sbin/notify" }],
    ["a URL", { notify: "https://nas/mnt/synology" }],
    [
      "a rule that copies archives, or moves them to where a restore looks",
      {
        rules: [
          { ...rule, source: "/data/warm-storage/daily-backups", keep: true },
          { ...rule, name: "y", source: "/data/warm-storage/daily-backups", destination: "archives/database" },
          { ...rule, name: "z", source: "/data/warm-storage/daily-backups-2" },
        ],
      },
    ],
  ])("but not %s", (_what, automation) => {
    expect(problemsOf({ ...hotWith({ redis: {} }, { tree: "/usr-hot" }), warm, cold: nas, automation })).toEqual([]);
  });

  it("a volume with backups whose name leaves no room for that of its snapshot", () => {
    const host = (letters: number) => {
      const service = "a".repeat(letters);
      const hot = hotWith({ [service]: { size: "1GiB", mountPoint: "/x" } });
      return { service, problems: problemsOf({ ...hot, warm, automation: { backupVolumes: { [service]: "1GiB" } } }) };
    };
    // vg_jts-lv_…_daily_20260101T000000Z-cow: 37 letters beside the service.
    expect(host(90).problems).toEqual([]);
    const { service, problems } = host(91);
    expect(problems).toEqual([
      `trading.automation.backupVolumes.${service}: is too long a name: with the volume group's and what a ` +
        "snapshot's has more, 128 letters, and LVM takes 127; leave it out of backupVolumes, or choose shorter names " +
        "before they are made",
    ]);
    const byDefault = hotWith({ postgres: {}, kafka: {} }, { volumeGroup: { name: "v".repeat(100) } });
    expect(problemsOf({ ...byDefault, warm, automation: {} })).toEqual([
      expect.stringMatching(/^trading\.automation\.backupVolumes\.postgres: is too long a name/),
    ]);
  });

  it.each<[Record<string, unknown>, string]>([
    [{ configPaths: ["/etc/postgresql"] }, "configPaths: is about the cold tier, and there is none"],
    [{ developmentFolders: ["/srv/notes"] }, "developmentFolders: is about the cold tier, and there is none"],
    [{ postgresDatabases: ["jts"] }, "postgresDatabases: is about the cold tier, and there is none"],
    [
      { postgresArchive: [{ database: "jts", table: "ticks" }] },
      "postgresArchive: is about the cold tier, and there is none",
    ],
  ])("%j, which would never be done", (automation, problem) => {
    expect(problemsOf({ warm, automation })).toEqual([`trading.automation.${problem}`]);
  });

  it("tuning without a hot tier, which would never be applied", () => {
    const problem = "trading.tuning: is applied with the hot tier, and there is none; leave it out";
    expect(problemsOf({ warm, tuning: { sysctl: { "vm.swappiness": 1 } } })).toEqual([problem]);
    for (const tuning of [undefined, false, {}]) expect(problemsOf({ warm, tuning })).toEqual([]);
    const { hosts } = parseHosts({ trading: { connection, warm } });
    expect(parseHosts(structuredClone(hosts)).problems).toEqual([]);
  });

  it("snapshots at the time of the archives: only one of the two gets the lock", () => {
    const at = (snapshotOnCalendar: string) =>
      problemsOf({ ...hotWith({ postgres: {} }), warm, automation: { snapshotOnCalendar } });
    expect(at("*-*-*  02:00")).toEqual([
      "trading.automation.snapshotOnCalendar: is the same as backupOnCalendar, and only one of the two can run at a time; best an hour before it",
    ]);
    expect(at("*-*-* 01:00")).toEqual([]);
  });

  it.each([
    ["/mnt/synology/jts/notes", "is on the cold tier, where the copies are"],
    ["/srv/.removed", "has the name of a folder that the scripts keep beside the copies"],
    ["/srv/.copies", "has the name of a folder that the scripts keep beside the copies"],
    ["/srv/books", "has the same last name as /home/jts/books, which names the copy"],
    ["/tmp/notes", "is in /tmp, of which nas-archival.service has its own"],
  ])("the folder %s, of which no copy can be made", (folder, problem) => {
    const developmentFolders = ["/home/jts/books", folder];
    expect(problemsOf({ warm, cold: nas, automation: { developmentFolders } })).toEqual([
      `trading.automation.developmentFolders.1: ${folder} ${problem}`,
    ]);
  });

  it.each([
    ["/tmp/postgresql", "is in /tmp, of which nas-archival.service has its own"],
    ["/mnt", "has files of the cold tier, where the archives are; name what is beside it"],
    ["/mnt/synology/x", "has files of the cold tier, where the archives are; name what is beside it"],
  ])("the configuration %s, which no archive can have", (file, problem) => {
    const configPaths = ["/etc/postgresql", file];
    expect(problemsOf({ warm, cold: nas, automation: { configPaths } })).toEqual([
      `trading.automation.configPaths.1: ${file} ${problem}`,
    ]);
  });

  it("connections to the NAS are an option of its mount, and are said once", () => {
    const transfers = (nconnect: number, options?: string[]) => ({
      warm,
      cold: { ...nas, ...(options && { options }) },
      automation: { transfers: { nconnect } },
    });
    const { hosts } = parseHosts({ trading: { connection, ...transfers(4, ["hard"]) } });
    expect(hosts.trading?.cold?.options).toEqual(["hard", "nconnect=4"]);
    for (const own of [2, 4])
      expect(problemsOf(transfers(4, [`nconnect=${own}`]))).toEqual([
        `trading.automation.transfers.nconnect: the cold tier's options have nconnect=${own} already; leave out one of them`,
      ]);
    expect(problemsOf(transfers(17))).toEqual([
      "trading.automation.transfers.nconnect: 17: must be a whole number from 1 to 16",
    ]);
    expect(problemsOf({ warm, automation: { transfers: { streams: 2 } } })).toEqual([
      "trading.automation.transfers: is about the cold tier, and there is none",
    ]);
    const volumes = (volume: object) => ({
      warm,
      cold: { ...nas, volumes: { ticks: { export: "/volume1/ticks", mountPoint: "/mnt/ticks", ...volume } } },
      automation: { transfers: { nconnect: 4 } },
    });
    const further = parseHosts({ trading: { connection, ...volumes({}) } }).hosts.trading?.cold;
    expect(exportsOf(further).map(({ options }) => options.at(-1))).toEqual(["nconnect=4", "nconnect=4"]);
    expect(problemsOf(volumes({ options: ["hard"] }))).toEqual([
      "trading.automation.transfers.nconnect: ticks is mounted from the same server without it, and the first mount " +
        "decides for all; add nconnect=4 to cold.volumes.ticks.options, or leave these out",
    ]);
    for (const own of [{ options: ["hard", "nconnect=4"] }, { options: ["hard"], server: "192.168.1.102" }])
      expect(problemsOf(volumes(own))).toEqual([]);
    // A program of somebody's own has mounted it already.
    const mounted = coldSettings.parse(nas);
    const automation = automationSettings.parse({ transfers: { nconnect: 4 } });
    expect(findAutomationProblems(automation, { cold: mounted })).toContainEqual({
      key: "transfers.nconnect",
      message: "the cold tier is mounted without it; add nconnect=4 to its options",
    });
  });

  it("what a tier would make right is not asked for where that tier has an error of its own", () => {
    const automation = { developmentFolders: ["/srv/notes"], coldRetention: { weekly: 1 } };
    expect(problemsOf({ warm, cold: { ...nas, version: 2 }, automation })).toEqual([
      expect.stringMatching(/^trading\.cold\.version: /),
    ]);
  });

  it.each([
    ["postgresDatabases", ["a\tb"], /control characters/],
    ["postgresDatabases", ["ü".repeat(32)], /is too long: PostgreSQL takes 63 bytes/],
  ])("a name in %s that is none: %j", (key, names, problem) => {
    expect(problemsOf({ warm, cold: nas, automation: { [key]: names } })).toEqual([expect.stringMatching(problem)]);
  });

  it.each([
    [{ table: "ticks", then: "drop" }, "then: needs olderThanDays: without it, records of today would go too"],
    [{ table: "ticks", then: "detach" }, "then: needs olderThanDays: without it, records of today would go too"],
    [{}, "database: needs beside it either table, which is partitioned, or tables, a pattern of names"],
    [
      { table: "a", tables: "b_%Y" },
      "database: needs beside it either table, which is partitioned, or tables, a pattern of names",
    ],
    [
      { tables: "b_%Y", olderThanDays: 9, then: "detach" },
      "then: is about partitions of a table; whole tables can be kept or dropped",
    ],
    [
      { tables: "b_*", olderThanDays: 9 },
      "tables: has no date, such as %Y_%m, so no age is known; leave olderThanDays out",
    ],
    ...["%m", "%Y%d", "%Y%Y", "%Y_%H", "100%"].map((tables) => [
      { tables },
      "tables: needs a date such as %Y, %Y_%m or %Y%m%d, each letter once, or none; write %% for a percent sign",
    ]),
  ] as [object, string][])("records of PostgreSQL that can't be archived: %j", (rule, problem) => {
    const problems = problemsOf({ warm, cold: nas, automation: { postgresArchive: [{ database: "jts", ...rule }] } });
    const [key = "", ...words] = problem.split(": ");
    expect(problems).toEqual([expect.stringContaining(words.join(": "))]);
    expect(problems[0]).toContain(`trading.automation.postgresArchive.0.${key}: `);
    for (const good of [{ table: "50%" }, { tables: "a%%_*" }, { tables: "%d.%m.%Y", olderThanDays: 1, then: "drop" }])
      expect(problemsOf({ warm, cold: nas, automation: { postgresArchive: [{ database: "jts", ...good }] } })).toEqual(
        [],
      );
  });

  it("but no folder or database for a character that is one of its name", () => {
    const names = ["a:b", "it's", "50%", "$x", "ü".repeat(31)];
    const developmentFolders = names.map((name) => `/srv/${name}`);
    const automation = { postgresDatabases: names, developmentFolders, metricsFolder: "/srv/a:b" };
    expect(problemsOf({ warm, cold: nas, automation })).toEqual([]);
  });

  it("a folder of another name, or another rule's, is free", () => {
    const rules = [
      { ...rule, destination: "development/notes" },
      { ...rule, name: "y", destination: "temp-processing" },
    ];
    expect(problemsOf({ warm, cold: nas, automation: { rules } })).toEqual([]);
  });

  it("two hosts whose archives would lie in one folder of the NAS, by whatever path", () => {
    const host = (name: string, cold: object, automation: object | undefined = {}) => ({
      connection: { ...connection, host: name },
      warm,
      cold: { ...nas, ...cold },
      ...(automation === undefined ? {} : { automation }),
    });
    const keys = (one: object, two: object) =>
      parseHosts({ one, two }).problems.map(({ key, message }) => [key, message]);
    expect(keys(host("a", {}), host("b", { server: "NAS" }))).toEqual([
      [
        "two.cold.root",
        expect.stringMatching(
          /^nas:\/v\/jts is, or shares files with, the folder of one\.cold\.root, \/v\/jts; give each/,
        ),
      ],
    ]);
    expect(keys(host("a", { root: "x/y" }), host("b", { export: "/v/x", root: "y/z" }))).toHaveLength(1);
    expect(keys(host("a", { root: "one" }), host("b", { root: "two" }))).toEqual([]);
    expect(keys(host("a", { root: "one" }), host("b", { root: "one-b" }))).toEqual([]);
    expect(keys(host("a", {}), host("b", { server: "other" }))).toEqual([]);
    const { automation: _automation, ...without } = host("b", {});
    expect(keys(host("a", {}), without)).toEqual([]);
  });

  it("one machine by two spellings of its name", () => {
    const at = (host: string) => ({ connection: { ...connection, host } });
    expect(parseHosts({ one: at("db.lan"), two: at("DB.lan.") }).problems).toHaveLength(1);
  });
});

describe("a value that a tool on the host would refuse is refused by name", () => {
  const warm = { device: { path: "/dev/sda2" } };
  const long = "a".repeat(256);

  it.each(["cdata", "tmeta", "rimage", "pmspare", "mlog"])(
    "the service x_%s, whose name LVM keeps for itself",
    (name) => {
      const volume = { size: "1GiB", mountPoint: "/x" };
      expect(problemsOf(hotWith({ [`x_${name}`]: volume }))).toEqual([
        `trading.hot.volumes.x_${name}: has _${name} in its name, which LVM keeps for itself (lvm(8))`,
      ]);
      expect(problemsOf(hotWith({ [`x${name}`]: volume }))).toEqual([]);
    },
  );

  it("accounts, and devices, whose resources would have one name in the stack", () => {
    const owned = (owner: string, group: string) => ({ size: "1GiB", mountPoint: `/${owner}.${group}`, owner, group });
    const problem = (key: string, what: string, other: string, name: string) => [
      `trading.hot.${key}: ${what} would have one name in the stack, ${name}; change one`.replace("OTHER", other),
    ];
    const volumes = { x: owned("a", "b-c"), y: owned("a-b", "c") };
    expect(problemsOf(hotWith(volumes))).toEqual(
      problem("volumes.y.group", "a-b:c and OTHER", "a:b-c of volumes.x.group", "user-a-b-c"),
    );
    const folders = { x: { owner: "www-data", group: "www-data" }, y: { owner: "www", group: "data" } };
    expect(problemsOf({ hot: { layout: "directories", volumes: folders } })).toEqual(
      problem("volumes.y.group", "www:data and OTHER", "www-data:www-data of volumes.x.group", "user-www-data"),
    );
    const additionalDevices = [{ path: "/dev/mapper/a-b" }, { path: "/dev/mapper/a/b" }];
    expect(problemsOf(hotWith({ redis: {} }, { additionalDevices }))).toEqual(
      problem(
        "additionalDevices.1.path",
        "/dev/mapper/a/b and OTHER",
        "/dev/mapper/a-b of additionalDevices.0.path",
        "pv-mapper-a-b",
      ),
    );
    const shared = { x: owned("a", "b"), y: { ...owned("a", "b"), mountPoint: "/y" }, z: owned("root", "b") };
    expect(problemsOf(hotWith(shared))).toEqual([]);
  });

  it("names that are too long together, and a volume group that is in /dev already", () => {
    const volumes = (letters: number) => ({ ["a".repeat(letters)]: { size: "1GiB", mountPoint: "/x" } });
    const group = (name: string) => ({ volumeGroup: { name } });
    // v--g-lv_…: 8 letters before the service.
    expect(problemsOf(hotWith(volumes(119), group("v-g")))).toEqual([]);
    expect(problemsOf(hotWith(volumes(120), group("v-g")))).toEqual([
      expect.stringMatching(/is too long a name: with the volume group's, 128 letters, and LVM takes 127$/),
    ]);
  });

  it.each([
    ...["mapper", "random", "full", "kvm", "tty", "tty12", "ttyS0", "sda", "sdab3", "vda1", "nvme0n1", "nvme0n1p2"],
    ...["loop0", "loop-control", "dm-0", "md127", "sr0", "fd", "fd0", "vcs", "vcsa1", "vhost-net", "rtc0", "ptp1"],
    ...["core", "log", "stdin", "vga_arbiter", "console", "zram0", "userfaultfd", "btrfs-control", "mmcblk0p1"],
  ])("the volume group %s, of which /dev has one already", (name) => {
    expect(problemsOf(hotWith({ redis: {} }, { volumeGroup: { name } }))).toEqual([
      `trading.hot.volumeGroup.name: /dev/${name} is, or may become, a device or folder of the system's, and LVM makes ` +
        "no group of that name; choose another one, such as vg_jts",
    ]);
  });

  it.each(["vg_random", "random0", "sdata", "vdisk", "nvme", "nvme-data", "loop", "md", "ttys", "fds", "login", "dm"])(
    "but not the volume group %s",
    (name) => {
      expect(problemsOf(hotWith({ redis: {} }, { volumeGroup: { name } }))).toEqual([]);
    },
  );

  it("a home with a colon, for an account that is made", () => {
    const problem = (key: string, user: string, home: string) =>
      `trading.hot.${key}: ${home} would be the home of ${user}, and useradd(8) takes none with a colon; write it without`;
    const colon = (more: object) => hotWith({ redis: { mountPoint: "/srv/a:b", ...more } });
    expect(problemsOf(colon({}))).toEqual([problem("volumes.redis.mountPoint", "redis", "/srv/a:b")]);
    for (const group of ["root", "app"]) expect(problemsOf(colon({ owner: "root", group }))).toEqual([]);
    // The first of its folders is the home.
    const both = (...names: string[]) =>
      hotWith(
        Object.fromEntries(
          names.map((name) => [name, { size: "1GiB", mountPoint: `/srv/${name}`.replace("_", ":"), owner: "app" }]),
        ),
      );
    expect(problemsOf(both("a", "b_c"))).toEqual([]);
    expect(problemsOf(both("b_c", "a"))).toEqual([problem("volumes.b_c.mountPoint", "app", "/srv/b:c")]);
    expect(problemsOf({ hot: { layout: "directories", volumes: { redis: {}, kafka: {} }, tree: "/srv/a:b" } })).toEqual(
      [problem("tree", "redis", "/srv/a:b/redis")],
    );
  });

  it("an alignment that is no whole number of sectors", () => {
    expect(problemsOf(hotWith({ redis: {} }, { volumeGroup: { dataAlignment: 1000 } }))).toEqual([
      expect.stringMatching(/^trading\.hot\.volumeGroup\.dataAlignment: 1000 bytes is not a valid alignment/),
    ]);
  });

  it.each(["mountPoint", "alsoAt"])("a path in warm.%s that no kernel takes", (key) => {
    expect(problemsOf({ warm: { ...warm, [key]: `/${long}` } })).toEqual([expect.stringMatching(/: is too long: /)]);
    expect(problemsOf({ warm: { ...warm, [key]: "/a".repeat(2048) } })).toEqual([
      expect.stringMatching(/: is too long: /),
    ]);
    expect(problemsOf({ warm: { ...warm, [key]: `/${"ü".repeat(127)}` } })).toEqual([]);
    expect(problemsOf({ warm: { ...warm, folders: [`a/${long}`] } })).toEqual([
      expect.stringMatching(/: is too long: /),
    ]);
  });

  it("an export's path that mount.nfs refuses for its length", () => {
    const cold = (bytes: number) => problemsOf({ cold: { server: "nas", export: "/a".repeat(bytes / 2) } });
    expect(cold(1024)).toEqual([]);
    expect(cold(1026)).toEqual([expect.stringMatching(/^trading\.cold\.export: .* is too long: NFS takes 1024 bytes/)]);
  });

  it("a service without a profile that lacks a size, whatever its name is", () => {
    for (const service of ["web", "constructor"])
      expect(problemsOf({ hot: { device: NVME, volumes: { [service]: { mountPoint: "/srv/x" } } } })).toEqual(
        expect.arrayContaining([expect.stringMatching(/\.size: is missing: no profile has that name/)]),
      );
  });

  it("a server's IPv6 address with an option for IPv4", () => {
    const cold = (server: string, ...options: string[]) => problemsOf({ cold: { server, export: "/v", options } });
    expect(cold("[fe80::1%eth0]", "proto=tcp6")).toEqual([]);
    expect(cold("[fe80::1]", "proto=tcp6", "_netdev", "nofail")).toEqual([]);
    expect(cold("[fe80::1]", "proto=tcp", "_netdev", "nofail")).toEqual([
      "trading.cold.options: proto=tcp is for IPv4, and the server is an IPv6 address; write proto=tcp6",
    ]);
  });

  it.each([
    ...[
      "daily",
      "Weekly",
      "semi-annually",
      "03:00",
      "*:0/15",
      "*-*-* 02:00",
      "Mon *-*-* 03:00",
      "Sat *-*-01..07 07:00",
    ],
    ...[
      "Mon..Fri 22:30",
      "Mon,Wed *-*-* 4:00:00",
      "Sun",
      "*-*~01 03:00",
      "2026-12-31 23:59",
      "12-10",
      "Mon..Fri,Sun",
      "*-1,4,7,10-1 0:0",
    ],
    ...[
      "*-*-* 02:00 UTC",
      "03:00 Europe/Berlin",
      "hourly Europe/Berlin",
      "*-02..04-1/2 1:2:3.5",
      "@1800000000",
      "*:*:0/30",
      "Thu,Fri 2032-*-1,5 11:12:13",
    ],
  ])("but not the calendar %j", (onCalendar) => {
    expect(problemsOf({ warm, automation: { onCalendar } })).toEqual([]);
  });

  it.each([
    ...["dayly", "3am", "25:00", "12:60", "*-13-01", "*-*-32 03:00", "0 3 * * *", "every day", "Mo *-*-* 03:00"],
    ...["*-*-* 03:00 04:00", "*", "03:00,", "Mon-", "03.00", "-- 03:00", "2026-12-31T23:59"],
  ])("the calendar %j, which systemd would refuse", (onCalendar) => {
    expect(problemsOf({ warm, automation: { onCalendar } })).toEqual([
      expect.stringMatching(/^trading\.automation\.onCalendar: .* is not a valid calendar; write for example daily/),
    ]);
  });

  it.each([
    ["*/2:00", "is not a valid calendar: systemd takes no step after *; write the first value in its place"],
    ["Fri..Mon 03:00", "is not a valid calendar: a range ascends"],
    ["03:00 GMT+1", "is not a valid calendar: systemd knows no such time zone"],
    ["2020-01-01 03:00", "never elapses"],
  ])("the calendar %j, with what is wrong in it", (onCalendar, words) => {
    expect(problemsOf({ warm, automation: { onCalendar } })).toEqual([
      expect.stringContaining(`trading.automation.onCalendar: "${onCalendar}": ${words}`),
    ]);
  });
});

describe("a cache of cold", () => {
  const warm = { device: { path: "/dev/disk/by-id/sata-part2", size: "2TB" } };
  const volume = { export: "/b", mountPoint: "/mnt/b" };
  const withCache = (cache: object, rest: object = {}, host: object = { warm }) =>
    problemsOf({ ...host, cold: { server: "nas", export: "/v", cache, ...rest } });

  it("is accepted on warm, also where fsc is declared by hand", () => {
    expect(withCache({ size: "100GiB" })).toEqual([]);
    expect(withCache({ size: "100GiB", folder: "/data/warm-storage/cache" }, { options: ["fsc"] })).toEqual([]);
  });

  it.each([
    [withCache({ size: "1MiB" }), /^trading\.cold\.cache\.size: a cache of 1 MiB is too small/],
    [withCache({ size: "2TB" }), /^trading\.cold\.cache\.size: .* is not less than the warm tier's device has/],
    [withCache({ size: "1GiB" }, {}, {}), /^trading\.cold\.cache: takes room of the warm tier, and this host has none/],
    [
      withCache({ size: "1GiB", folder: "/srv" }),
      /^trading\.cold\.cache\.folder: \/srv is not on the warm tier; write /,
    ],
    [
      withCache({ size: "1GiB", folder: "/data/warm-storage/logs" }),
      /^trading\.cold\.cache\.folder: \/data\/warm-storage\/logs is in .*, a folder of the warm tier/,
    ],
    [withCache({ size: "1GiB" }, { options: ["nofsc"] }), /^trading\.cold\.options: nofsc contradicts fsc/],
    [
      withCache({ size: "1GiB" }, { keepFstab: true }),
      /^trading\.cold\.keepFstab: adds no option to the line of fstab/,
    ],
    [
      withCache({ size: "1GiB" }, { volumes: { b: { ...volume, keepFstab: true } } }),
      /^trading\.cold\.volumes\.b\.keepFstab: adds no option to the line of fstab/,
    ],
    [
      withCache({ size: "1GiB" }, { volumes: { b: { ...volume, options: ["hard", "nofsc"] } } }),
      /^trading\.cold\.volumes\.b\.options: nofsc contradicts fsc/,
    ],
  ])("is refused by name where it can't be: %s", (problems, expected) => {
    expect(problems).toHaveLength(1);
    expect(problems[0]).toMatch(expected);
  });
});
