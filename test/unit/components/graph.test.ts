import { beforeAll, describe, expect, it } from "vitest";
import { PARTS } from "../../../components/tiers.ts";
import { declaredBy, type Declared } from "../../../setup/declared.ts";

const host = {
  connection: { host: "192.168.1.100", hostKey: `ssh-ed25519 ${"A".repeat(68)}` },
  onDelete: "protect",
  hot: { device: { path: "/dev/disk/by-id/nvme-x", size: 4_000_787_030_016, serial: "S1" } },
  warm: { device: { path: "/dev/disk/by-id/sata-part2" } },
  cold: { server: "192.168.1.101", export: "/volume1/cocodev" },
  automation: {},
};

let graph: ReadonlyMap<string, Declared>;
beforeAll(async () => {
  graph = await declaredBy({ hosts: { trading: host } });
});

const get = (name: string): Declared => {
  const found = graph.get(name);
  if (found === undefined) throw new Error(`no ${name} among ${[...graph.keys()].join(", ")}`);
  return found;
};

/** Everything that must be there before `name`, however far: a child waits for what its parent depends on. */
function before(name: string, seen = new Set<string>()): Set<string> {
  const { dependencies, parent } = get(name);
  for (const one of [...dependencies, ...(parent === undefined || !graph.has(parent) ? [] : [parent])]) {
    if (seen.has(one)) continue;
    seen.add(one);
    before(one, seen);
  }
  return seen;
}

describe("the graph of a host with all tiers", () => {
  it("a volume comes before its filesystem, that before its mount, and that before its folders and the tree", () => {
    expect(get("trading-hot-vg").dependencies).toContain("trading-hot-pv");
    expect(get("trading-hot-postgres-lv").dependencies).toContain("trading-hot-vg");
    expect(get("trading-hot-postgres-fs").dependencies).toContain("trading-hot-postgres-lv");
    expect(get("trading-hot-postgres-mount").dependencies).toContain("trading-hot-postgres-fs");
    expect(get("trading-hot-postgres-folders").dependencies).toEqual(
      expect.arrayContaining(["trading-hot-postgres-mount", "trading-hot-user-postgres"]),
    );
    expect(get("trading-hot-postgres-tree").dependencies).toContain("trading-hot-postgres-mount");
  });

  it("no boot waits for a NAS: _netdev and nofail are added to other options of it, and the defaults keep their order", async () => {
    const optionsOf = (graph: ReadonlyMap<string, Declared>) => graph.get("trading-cold-mount")?.inputs.options;
    const cold = { ...host.cold, options: ["rw", "hard", "nofail", "nconnect=4"] };
    const other = await declaredBy({ hosts: { trading: { ...host, cold } } });
    expect(optionsOf(other)).toEqual(["rw", "hard", "nofail", "nconnect=4", "_netdev"]);
    expect(optionsOf(graph)).toEqual([
      ...["rw", "hard", "proto=tcp", "rsize=1048576", "wsize=1048576", "timeo=600", "retrans=2"],
      ...["_netdev", "nofail"],
    ]);
  });

  it("the cache of cold comes after warm and before the mount that uses it, and without one there is no trace of it", async () => {
    const cold = { ...host.cold, cache: { size: "50GiB" } };
    const other = await declaredBy({ hosts: { trading: { ...host, cold } } });
    expect(other.get("trading-cold-cache")).toMatchObject({
      inputs: { file: "/data/warm-storage/nfs-cache.ext4", sizeBytes: 50 * 2 ** 30 },
    });
    expect(other.get("trading-cold-cache")?.dependencies).toContain("trading-warm-mount");
    expect(other.get("trading-cold-mount")?.dependencies).toContain("trading-cold-cache");
    expect(other.get("trading-cold-mount")?.inputs.options).toEqual([
      ...(get("trading-cold-mount").inputs.options as string[]),
      ...["fsc", "x-systemd.after=jts-storage-nfs-cache.service"],
    ]);
    expect(other.get("trading-packages-installed")?.inputs.names).toContain("cachefilesd");
    expect(get("trading-packages-installed").inputs.names).not.toContain("cachefilesd");
    expect(graph.has("trading-cold-cache")).toBe(false);
  });

  it("one volume waits for no other", () => {
    expect([...before("trading-hot-postgres-mount")].filter((name) => /-(kafka|redis|clickhouse)-/.test(name))).toEqual(
      [],
    );
  });

  it("hot, warm and cold don't wait for each other", () => {
    const tierOf = (name: string) => /^trading-(hot|warm|cold)/.exec(name)?.[1];
    for (const name of graph.keys()) {
      const tier = tierOf(name);
      if (tier !== undefined)
        expect(
          [...before(name)].filter((other) => tierOf(other) !== undefined && tierOf(other) !== tier),
          name,
        ).toEqual([]);
    }
  });

  it("every resource on the host waits for the host's packages", () => {
    for (const { name, type } of graph.values())
      if (type.startsWith("pulumi-nodejs:"))
        if (name !== "trading-packages-installed")
          expect([...before(name)], name).toContain("trading-packages-installed");
  });

  it("tuning waits only for the hot tier", () => {
    expect([...before("trading-tuning-sysctl")]).toContain("trading-hot-redis-tree");
    expect([...before("trading-tuning-sysctl")].filter((name) => /-(warm|cold)/.test(name))).toEqual([]);
  });

  it("automation waits for all tiers, and its timers for the installed scripts and their settings", () => {
    expect([...before("trading-automation-settings")]).toEqual(
      expect.arrayContaining(["trading-hot-kafka-folders", "trading-warm-folders", "trading-cold-folders"]),
    );
    for (const timer of [
      ...["tiered-storage", "lvm-backup", "lvm-backup-verify", "btrfs-scrub", "nas-archival"],
      "storage-health",
    ])
      expect(get(`trading-automation-${timer}`).dependencies).toEqual(
        expect.arrayContaining(["trading-automation-scripts", "trading-automation-settings"]),
      );
    // Removed after them, so that none of them writes it once more.
    expect(get("trading-automation-scripts").dependencies).toContain("trading-automation-written");
  });

  it("a path of takeOver reaches the resource whose file is there, and no other has such an input", async () => {
    const takeOver = [
      ...["/etc/sysctl.d/60-jts-storage.conf", "/etc/udev/rules.d/60-jts-storage.rules"],
      ...["/etc/systemd/system/fstrim-all.service", "/etc/systemd/system/tiered-storage.timer"],
      ...["/usr/local/bin/jts-storage-monitor.sh", "/etc/jts-storage/settings.json"],
    ];
    const withPaths = await declaredBy({ hosts: { trading: { ...host, takeOver } } });
    const had = (one: ReadonlyMap<string, Declared>) =>
      Object.fromEntries(
        [...one.values()].flatMap(({ name, inputs }) => ("takeOver" in inputs ? [[name, inputs.takeOver]] : [])),
      );
    expect(had(withPaths)).toEqual({
      "trading-tuning-sysctl": [takeOver[0]],
      "trading-tuning-scheduler": [takeOver[1]],
      "trading-tuning-fstrim": [takeOver[2]],
      "trading-automation-tiered-storage": [takeOver[3]],
      "trading-automation-scripts": [takeOver[4]],
      "trading-automation-settings": [takeOver[5]],
    });
    expect(had(graph)).toEqual({});
  });

  it("verification waits for all that it looks at", () => {
    expect([...before("trading-verification-run")]).toEqual(
      expect.arrayContaining([
        "trading-hot-kafka-tree",
        "trading-warm-also",
        "trading-cold-folders",
        "trading-tuning-fstrim",
        "trading-automation-scripts",
        "trading-automation-storage-health",
      ]),
    );
  });

  it("a service of ours that fails starts the health check at once, except the health check itself", () => {
    const onFailure = (name: string) => (get(name).inputs.unit as Record<string, string> | undefined)?.OnFailure;
    expect([
      onFailure("trading-automation-tiered-storage"),
      onFailure("trading-automation-btrfs-scrub"),
      onFailure("trading-tuning-fstrim"),
      onFailure("trading-automation-storage-health"),
    ]).toEqual([...Array<string>(3).fill("storage-health.service"), undefined]);
  });

  it("no line of fstab keeps a boot waiting, and what works on a tier starts only where that is mounted", () => {
    const lines = [...graph.values()].filter(({ type }) => /:(FstabEntry|NfsMount)$/.test(type));
    expect(lines.length).toBeGreaterThan(15);
    for (const { name, inputs } of lines) expect(inputs.options, name).toContain("nofail");
    const needs = (name: string) => (get(name).inputs.unit as Record<string, string>).RequiresMountsFor;
    expect(["tiered-storage", "lvm-backup", "nas-archival"].map((name) => needs(`trading-automation-${name}`))).toEqual(
      ["/data/warm-storage", "/data/warm-storage", "/mnt/synology"],
    );
  });

  it("has only the parts that a reviewer's table sorts by, each named after its host", () => {
    const parts = [...graph.values()].filter(({ type }) => type.startsWith("jts-storage:")).map(({ name }) => name);
    expect(parts).toEqual(PARTS.map((part) => `trading-${part}`));
  });

  it("children are named after their parent", () => {
    for (const { name, parent } of graph.values())
      if (parent !== undefined && parent.startsWith("trading-")) expect(name.startsWith(`${parent}-`), name).toBe(true);
  });

  it("onDelete protect also sets Pulumi's protect, for what holds data and for nothing else", () => {
    const kinds = new Set(
      [...graph.values()].filter(({ protect }) => protect).map(({ type }) => type.slice(type.lastIndexOf(":") + 1)),
    );
    expect([...kinds].sort()).toEqual(["Filesystem", "LogicalVolume", "PhysicalVolume", "VolumeGroup"]);
  });

  it("resources name their host and hold neither its address nor a key", () => {
    for (const { name, type, inputs } of graph.values()) {
      if (!type.startsWith("pulumi-nodejs:")) continue;
      expect(inputs.host, name).toBe("trading");
      expect(JSON.stringify(inputs), name).not.toMatch(/192\.168\.1\.100|ssh-ed25519/);
    }
  });

  it("commands check the host's key, and their connection is a secret", () => {
    const commands = [...graph.values()].filter(({ type }) => type.startsWith("command:"));
    expect(commands.length).toBe(2);
    for (const { inputs } of commands)
      expect(inputs.connection).toMatchObject({ value: { hostKey: host.connection.hostKey } });
  });
});

it("automation makes what its scripts need and the tiers' own lists leave out, and nothing where these have it", async () => {
  const folders = async (more: object, automation: object = {}) => {
    const declared = await declaredBy({ hosts: { trading: { ...host, hot: undefined, automation, ...more } } });
    return ["warm", "cold"].map((tier) => declared.get(`trading-automation-${tier}-folders`)?.inputs);
  };
  expect(await folders({})).toEqual([undefined, undefined]);
  const warm = { ...host.warm, folders: ["logs/old"], owner: "app", mode: "750" };
  const cold = { ...host.cold, folders: ["archives/database/all"], root: "trading" };
  expect(await folders({ warm, cold }, { developmentFolders: ["/srv/notes"] })).toMatchObject([
    { path: "/data/warm-storage", folders: ["daily-backups", "temp-processing"], owner: "app", mode: "750" },
    { path: "/mnt/synology/trading", folders: ["archives/configs", "development"], owner: "root", mode: "755" },
  ]);
});

describe("the scheduler's rule of udev", () => {
  const nvme = "/dev/disk/by-id/nvme-x";
  const alone = (path: string) => ({ hot: { device: { path } } });
  const besides = (path: string) => ({ hot: { device: { path: nvme }, additionalDevices: [{ path }] } });
  const EVERY_NVME = 'ACTION=="add|change", KERNEL=="nvme[0-9]*n[0-9]*", ENV{DEVTYPE}=="disk"';
  const ours = (match: string) => `ACTION=="add|change", SUBSYSTEM=="block", ${match}`;
  const disk = (match: string, scheduler = "none") =>
    ours(`ENV{DEVTYPE}=="disk", ${match}, ATTR{queue/scheduler}="${scheduler}"`);
  const [before, after] = ["60-jts-storage.rules", "90-jts-storage.rules"];

  const cases: readonly [what: string, host: object, file: string, ...lines: string[]][] = [
    ...[nvme, `${nvme}-part3`, "/dev/nvme0n1", "/dev/disk/by-path/pci-0000:01:00.0-nvme-1"].map(
      (path) =>
        [
          `of the NVMe ${path} is as it always was`,
          alone(path),
          before,
          `${EVERY_NVME}, ATTR{queue/scheduler}="none"`,
        ] as [string, object, string, string],
    ),
    [
      "of an NVMe with a serial number is as it always was",
      { hot: { device: { path: nvme, serial: "S1" } } },
      before,
      `${EVERY_NVME}, ENV{ID_SERIAL_SHORT}=="S1", ATTR{queue/scheduler}="none"`,
    ],
    [
      "of an NVMe with a serial number and another scheduler comes after udev knows what it is about",
      { hot: { device: { path: nvme, serial: "S1" } }, tuning: { scheduler: "kyber" } },
      after,
      disk('SYMLINK=="disk/by-id/nvme-x"', "kyber"),
    ],
    ...(
      [
        ["/dev/disk/by-id/ata-X_1", 'SYMLINK=="disk/by-id/ata-X_1"'],
        ["/dev/disk/by-id/ata-X_1-part3", 'SYMLINK=="disk/by-id/ata-X_1"'],
        ["/dev/disk/by-path/pci-1-ata-1-part12", 'SYMLINK=="disk/by-path/pci-1-ata-1"'],
        ["/dev/sda", 'KERNEL=="sda"'],
        ["/dev/sda3", 'KERNEL=="sda"'],
        ["/dev/vdb2", 'KERNEL=="vdb"'],
        ["/dev/mapper/crypt_hot", 'SYMLINK=="mapper/crypt_hot"'],
        ["/dev/md127", 'KERNEL=="md127"'],
        ['/dev/odd"*[a]|b', 'KERNEL=="odd???a??b"'],
      ] as const
    ).map(([path, match]): [string, object, string, string] => [
      `of ${path} is about its disk, by the name that is declared`,
      alone(path),
      after,
      disk(match),
    ]),
    [
      "of a partition that is known by nothing of its disk sets it from the partition",
      alone("/dev/disk/by-partuuid/1-2"),
      after,
      ours('ENV{DEVTYPE}=="partition", SYMLINK=="disk/by-partuuid/1-2", ATTR{../queue/scheduler}="none"'),
    ],
    [
      "of several devices is about each of them",
      besides("/dev/disk/by-id/ata-B"),
      after,
      disk('SYMLINK=="disk/by-id/nvme-x"'),
      disk('SYMLINK=="disk/by-id/ata-B"'),
    ],
    [
      "of several NVMe without serial numbers is the one about all NVMe",
      besides("/dev/disk/by-id/nvme-y"),
      before,
      `${EVERY_NVME}, ATTR{queue/scheduler}="none"`,
    ],
  ];
  let rules: ReadonlyMap<string, Declared>;
  beforeAll(async () => {
    const hosts = cases.map(([, { hot, ...more }]: [string, { hot?: object }, ...unknown[]], index) => [
      `h${index}`,
      { connection: { ...host.connection, port: 1000 + index }, hot: { volumes: {}, ...hot }, ...more },
    ]);
    rules = await declaredBy({ hosts: Object.fromEntries(hosts) as object });
  });
  const inputsOf = (index: number) => rules.get(`h${index}-tuning-scheduler`)?.inputs;

  it.each(cases.map(([what, , file, ...lines], index) => ({ what, index, file, lines })))(
    "$what",
    ({ index, ...rule }) => {
      const { path, content } = inputsOf(index) ?? {};
      expect([path, content]).toEqual([
        `/etc/udev/rules.d/${rule.file}`,
        rule.lines.map((line) => `${line}\n`).join(""),
      ]);
    },
  );

  it("is applied to the device, and to the additional ones", () => {
    const activation = { kind: "udev", attribute: "queue/scheduler", value: "none", device: nvme };
    expect(inputsOf(0)?.activation).toEqual(activation);
    const several = cases.findIndex(([what]) => what.startsWith("of several devices"));
    expect(inputsOf(several)?.activation).toEqual({ ...activation, additionalDevices: ["/dev/disk/by-id/ata-B"] });
  });
});
