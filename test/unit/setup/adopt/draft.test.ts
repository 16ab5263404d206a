import { describe, expect, it } from "vitest";
import type { BlockDevice } from "../../../../providers/facts/lsblk.ts";
import type { Mount } from "../../../../providers/facts/mounts.ts";
import type { FstabEntry } from "../../../../providers/values/fstabText.ts";
import { draft, type Note } from "../../../../setup/adopt/draft.ts";
import type { Found, FoundLine } from "../../../../setup/adopt/found.ts";

const GIB = 2 ** 30;

const device = (path: string, more: Partial<BlockDevice> = {}): BlockDevice => ({
  path,
  type: "disk",
  sizeBytes: 1000 * GIB,
  serial: undefined,
  number: `${path.length}:${path.charCodeAt(path.length - 1)}`,
  isInUse: true,
  logicalBlockBytes: 512,
  multipath: undefined,
  ...more,
});

const NVME = device("/dev/nvme0n1", { serial: "S1" });
const SATA = device("/dev/sda2", { type: "part", sizeBytes: 2000 * GIB });
const DM0 = device("/dev/dm-0", { type: "lvm", sizeBytes: 100 * GIB });
const DM1 = device("/dev/dm-1", { type: "lvm", sizeBytes: 50 * GIB });

const mountOn = (target: string, on: BlockDevice | undefined, type: string, more: Partial<Mount> = {}): Mount => ({
  target,
  source: on?.path ?? "nas:/a",
  type,
  root: "/",
  number: on?.number ?? "0:50",
  mountOptions: ["rw", "noatime"],
  filesystemOptions: ["rw"],
  ...more,
});

function line(
  entry: Partial<FstabEntry> & Pick<FstabEntry, "source" | "mountPoint" | "type">,
  on: BlockDevice | undefined,
  more: Partial<FoundLine> = {},
): FoundLine {
  return {
    entry: { options: ["defaults", "noatime", "nofail"], dump: 0, pass: 0, ...entry },
    isOurs: false,
    device: on,
    mount: mountOn(entry.mountPoint, on, entry.type),
    top: { type: "directory", owner: "root", group: "root", mode: "755" },
    ...more,
  };
}

const volume = (name: string, on: BlockDevice, more = {}) => ({
  group: "data",
  name,
  sizeBytes: on.sizeBytes,
  device: on,
  oddity: "",
  ...more,
});

function host(lines: readonly FoundLine[], more: Partial<Found> = {}): Found {
  return {
    hostName: "db1",
    lines,
    mounts: lines.flatMap(({ mount }) => (mount === undefined ? [] : [mount])),
    devices: new Map([NVME, SATA, DM0, DM1].map((one) => [one.path, one])),
    volumes: [volume("pg-data", DM0), volume("lv_redis", DM1)],
    groups: [
      {
        name: "data",
        uuid: "u",
        extentBytes: 4 * 2 ** 20,
        extents: 1000,
        freeExtents: 0,
        maxPhysicalVolumes: 0,
        maxLogicalVolumes: 0,
        isExported: false,
        isReadOnly: false,
        isResizeable: true,
        isShared: false,
        physicalVolumes: [
          {
            name: "/dev/nvme0n1",
            uuid: "p",
            number: NVME.number,
            isMissing: false,
            volumeGroup: "data",
            deviceBytes: NVME.sizeBytes,
            sizeBytes: NVME.sizeBytes,
            dataStartBytes: 2 ** 20,
            usedBytes: 0,
            freeBytes: 0,
            tags: [],
          },
        ],
        logicalVolumes: [],
      },
    ],
    labels: new Map([["/dev/sda2", "archive"]]),
    features: new Map(),
    folders: new Map(),
    stablePath: (path) => `/dev/disk/by-id/${path.slice("/dev/".length)}`,
    settings: new Map(),
    ...more,
  };
}

const POSTGRES = line({ source: "UUID=1", mountPoint: "/srv/pg", type: "xfs" }, DM0, {
  top: { type: "directory", owner: "postgres", group: "postgres", mode: "700" },
});
const REDIS = line({ source: "/dev/data/lv_redis", mountPoint: "/srv/redis", type: "ext4" }, DM1);
const WARM = line(
  { source: "/dev/sda2", mountPoint: "/srv/archive", type: "btrfs", options: ["noatime", "compress=lzo", "nofail"] },
  SATA,
);
const COLD = line(
  { source: "nas:/export", mountPoint: "/mnt/nas", type: "nfs4", options: ["hard", "intr", "_netdev", "nofail"] },
  undefined,
  { mount: mountOn("/mnt/nas", undefined, "nfs4", { filesystemOptions: ["rw", "vers=4.2", "hard"] }) },
);
const ON_NAS = new Map([["/mnt/nas/jts", { type: "directory", owner: "root", group: "root", mode: "750" }]]);

const told = (notes: readonly Note[], kind: Note["kind"]) =>
  notes.filter((note) => note.kind === kind).map(({ text, next }) => `${text} → ${next}`);

describe("the draft of a host that other means set up", () => {
  it("has each tier just as it is, by names that stay, and keeps the lines of fstab", () => {
    const { sections, notes } = draft(host([POSTGRES, REDIS, WARM, COLD], { folders: ON_NAS }));
    expect(sections).toEqual({
      hot: {
        layout: "lvm",
        device: { path: "/dev/disk/by-id/nvme0n1", size: 1000 * GIB, serial: "S1" },
        volumeGroup: { name: "data", extentSize: "4MiB" },
        volumes: {
          pg_data: {
            name: "pg-data",
            size: "100GiB",
            filesystem: "xfs",
            mountPoint: "/srv/pg",
            options: ["noatime", "nofail"],
            owner: "postgres",
            group: "postgres",
            mode: "700",
            folders: [],
          },
          redis: {
            size: "50GiB",
            filesystem: "ext4",
            mountPoint: "/srv/redis",
            options: ["noatime", "nofail"],
            owner: "root",
            group: "root",
            mode: "755",
            folders: [],
          },
        },
        tree: false,
        keepFstab: true,
      },
      warm: {
        device: { path: "/dev/disk/by-id/sda2", size: 2000 * GIB },
        label: "archive",
        mountPoint: "/srv/archive",
        alsoAt: false,
        compression: "lzo",
        options: ["noatime", "nofail"],
        owner: "root",
        group: "root",
        mode: "755",
        folders: [],
        keepFstab: true,
      },
      cold: {
        server: "nas",
        export: "/export",
        mountPoint: "/mnt/nas",
        version: "4.2",
        options: ["hard", "_netdev", "nofail"],
        root: "jts",
        owner: "root",
        group: "root",
        mode: "750",
        folders: [],
        keepFstab: true,
      },
    });
    expect(told(notes, "obstacle")).toEqual([]);
    // What the kernel does nothing for, and what the next boot may read otherwise.
    expect(told(notes, "advice")).toEqual([
      expect.stringMatching(/^\/srv\/archive: \/dev\/sda2 may name another device/),
      expect.stringMatching(/^\/mnt\/nas: intr on nfs/),
    ]);
  });

  it("that this program set up has no option that it adds itself, so that they stay in their order", () => {
    const options = ["noatime", "nofail", "x-systemd.device-timeout=5min", "compress=lzo", "autodefrag"];
    const { sections } = draft(host([{ ...WARM, isOurs: true, entry: { ...WARM.entry, options } }]));
    expect(sections.warm).toMatchObject({ compression: "lzo", options: ["autodefrag"] });
    expect(sections.warm).not.toHaveProperty("keepFstab");
  });

  it("has further exports with our folder as volumes of cold, and leaves others", () => {
    const at = (source: string, mountPoint: string) => line({ source, mountPoint, type: "nfs" }, undefined);
    const lines = [COLD, at("nas:/ticks", "/mnt/MarketData"), at("nas:/films", "/mnt/films")];
    const folder = { type: "directory", owner: "root", group: "root", mode: "755" };
    const folders = new Map([...ON_NAS, ["/mnt/MarketData/jts", folder], ["/mnt/films/mine", folder]]);
    const { sections, notes } = draft(host(lines, { folders }));
    expect(sections.cold).toMatchObject({
      export: "/export",
      volumes: { marketdata: { server: "nas", export: "/ticks", mountPoint: "/mnt/MarketData", root: "jts" } },
    });
    expect(told(notes, "left").filter((one) => one.includes("nas:"))).toEqual([
      expect.stringMatching(/^nas:\/films at \/mnt\/films: a further export becomes .* the folder jts → nothing, if/),
    ]);
  });

  it("tells all that is in the way at once, each with what to do", () => {
    const journal = {
      options: ["data=writeback"],
      source: "/dev/data/lv_redis",
      mountPoint: "/srv/redis",
      type: "ext4",
    };
    const { sections, notes } = draft(
      host(
        [
          { ...POSTGRES, top: { type: "directory", owner: "UNKNOWN", group: "root", mode: "700" } },
          line(journal, DM1, { mount: undefined, top: undefined }),
          line({ source: "/dev/data/lv_gone", mountPoint: "/srv/gone", type: "ext4" }, undefined, { mount: undefined }),
          WARM,
          COLD,
        ],
        { labels: new Map(), features: new Map([["/dev/dm-1", ["extent"]]]) },
      ),
    );
    expect(sections).toEqual({});
    expect(told(notes, "obstacle")).toEqual([
      expect.stringMatching(/^\/srv\/pg belongs to a number that no account has → .*chown/),
      expect.stringMatching(/^nothing is mounted at \/srv\/redis, .*data=writeback.* → correct its options/),
      expect.stringMatching(/^the btrfs at \/srv\/archive has no label.* → .*btrfs filesystem label \/srv\/archive/),
      expect.stringMatching(/^nas:\/export at \/mnt\/nas has no folder.* → mkdir \/mnt\/nas\/jts/),
      expect.stringMatching(/^fstab names \/dev\/data\/lv_gone for \/srv\/gone, and there is no such device → /),
    ]);
  });

  it("leaves the system, snapshots, pools and what nothing mounts outside", () => {
    const root = line({ source: "/dev/data/root", mountPoint: "/", type: "ext4" }, DM1);
    const { sections, notes } = draft(
      host([POSTGRES, root], {
        volumes: [
          volume("pg-data", DM0),
          volume("root", DM1),
          volume("spare", device("/dev/dm-7")),
          volume("snap", device("/dev/dm-8"), { oddity: "is a snapshot of pg-data" }),
        ],
      }),
    );
    expect(Object.keys(sections.hot?.volumes as object)).toEqual(["pg_data"]);
    expect(told(notes, "left")).toEqual([
      "/dev/data/root: the system has it at / → ",
      "/dev/data/spare, 1000 GiB: nothing of fstab mounts it → ",
      "/dev/data/snap: it is a snapshot of pg-data → ",
    ]);
    expect(told(notes, "obstacle")).toEqual([]);
  });

  it("advises on what works and could be better, and changes nothing of it", () => {
    const { sections, notes } = draft(
      host([{ ...REDIS, entry: { ...REDIS.entry, options: ["noatime", "barrier=0"] } }], {
        volumes: [volume("lv_redis", DM1)],
        features: new Map([["/dev/dm-1", ["has_journal", "sparse_super2"]]]),
        settings: new Map([
          ["/etc/sysctl.conf", ["net.core.rmem_max = 1"]],
          ["/etc/udev/rules.d/60-ssd.rules", ['RUN+="/sbin/fstrim -v /"']],
        ]),
      }),
    );
    expect((sections.hot?.volumes as Record<string, { options: string[] }>).redis?.options).toContain("noatime");
    const advices = told(notes, "advice");
    for (const words of ["barrier", "without nofail", "sparse_super2", "/etc/sysctl.conf", "fstrim by a rule of udev"])
      expect(advices.filter((one) => one.includes(words))).toHaveLength(1);
  });
});
