import { describe, expect, it } from "vitest";
import { volumeGroup, volumeGroupOf } from "../../../../providers/resources/volumeGroup.ts";
import type { BlockDevice } from "../../../../providers/facts/lsblk.ts";
import { emptyGroup, linearVolume } from "../../../support/generators.ts";
import { read } from "./steps.ts";

type Inputs = Parameters<typeof volumeGroup.plan>[0];
type Seen = Parameters<typeof volumeGroup.plan>[1];

const MIB = 1024 ** 2;
const desired: Inputs = {
  host: "h",
  name: "vg_jts",
  physicalVolumes: ["/dev/disk/by-id/a", "/dev/disk/by-id/b"],
  extentSizeBytes: 4 * MIB,
  onDelete: "retain",
};
const GIB = 1024 ** 3;
const NUMBERS: Readonly<Record<string, string>> = { "/dev/sda": "8:0", "/dev/sdb": "8:16", "/dev/sdc": "8:32" };
const device = (path: string, changes: Partial<BlockDevice> = {}): BlockDevice => ({
  path,
  type: "disk",
  sizeBytes: 10 * GIB,
  serial: undefined,
  number: NUMBERS[path] ?? "",
  isInUse: false,
  logicalBlockBytes: 512,
  multipath: undefined,
  ...changes,
});
const devices: Seen["devices"] = new Map([
  ["/dev/disk/by-id/a", device("/dev/sda")],
  ["/dev/disk/by-id/b", device("/dev/sdb")],
]);
const host = { devices, blockSizes: new Set([512]) };
type PhysicalVolume = NonNullable<Seen["group"]>["physicalVolumes"][number];
const pv = (name: string, changes: Partial<PhysicalVolume> = {}): PhysicalVolume => ({
  name,
  uuid: `uuid of ${name}`,
  number: NUMBERS[name],
  isMissing: NUMBERS[name] === undefined,
  volumeGroup: "vg_jts",
  deviceBytes: 10 * GIB,
  sizeBytes: 10 * GIB,
  dataStartBytes: 4 * MIB,
  usedBytes: 0,
  freeBytes: 10 * GIB,
  tags: ["jts-storage"],
  ...changes,
});
const group: NonNullable<Seen["group"]> = {
  ...emptyGroup("vg_jts"),
  uuid: "u1",
  physicalVolumes: [pv("/dev/sda"), pv("/dev/sdb")],
};
/** One whose disk is gone. */
const gone = (changes: Partial<PhysicalVolume> = {}) => pv("[unknown]", { uuid: "u9", ...changes });

describe("the plan of a volume group", () => {
  it("makes one with the declared devices and extents", () => {
    expect(read(volumeGroup.plan(desired, { group: undefined, ...host }))).toEqual([
      "guard: pvs --noheadings --options pv_name -- /dev/disk/by-id/a /dev/disk/by-id/b",
      "safe: vgcreate --physicalextentsize 4194304b -- vg_jts /dev/disk/by-id/a /dev/disk/by-id/b",
      "safe: pvchange --quiet --addtag jts-storage -- /dev/disk/by-id/a /dev/disk/by-id/b",
    ]);
  });

  it("has no step where there is one, even if its devices have other names", () => {
    expect(read(volumeGroup.plan(desired, { group, ...host }))).toEqual([]);
  });

  it("adds a declared device that is not in it, and tags all as its own, so that each can be removed later", () => {
    expect(
      read(
        volumeGroup.plan(desired, { group: { ...group, physicalVolumes: [pv("/dev/sda", { tags: [] })] }, ...host }),
      ),
    ).toEqual([
      "guard: pvs --noheadings --options pv_name -- /dev/disk/by-id/b",
      "safe: vgextend -- vg_jts /dev/disk/by-id/b",
      "safe: pvchange --quiet --addtag jts-storage -- /dev/disk/by-id/a /dev/disk/by-id/b",
    ]);
  });

  it("tags nothing where there is only one, which stays as long as the group", () => {
    const one: Inputs = { ...desired, physicalVolumes: ["/dev/disk/by-id/a"] };
    expect(
      read(
        volumeGroup.plan(one, {
          group: { ...group, physicalVolumes: [pv("/dev/sda", { tags: [] })] },
          ...host,
          devices: new Map([["/dev/disk/by-id/a", device("/dev/sda")]]),
        }),
      ),
    ).toEqual([]);
  });

  it("moves a device's extents away and removes it where it is no longer declared, has the tag, and the others have room", () => {
    const physicalVolumes = [pv("/dev/sda"), pv("/dev/sdb"), pv("/dev/sdc", { usedBytes: 4 * GIB })];
    const plan = volumeGroup.plan(desired, { group: { ...group, physicalVolumes }, ...host });
    expect(read(plan)).toEqual([
      "guard: is-uuid pv /dev/sdc 'uuid of /dev/sdc'",
      "safe: take-out-physical-volume vg_jts /dev/sdc",
    ]);
    const far = ["  /dev/sdc: Moved: 0.00%", "  /dev/sdc: Moved: 62.40%", "  No data to move"];
    expect(far.map((line) => plan.steps[0]?.readProgress?.(line))).toEqual(["0 %", "62 %", undefined]);
  });

  it("refuses to remove a device where the others have no room, with the figures", () => {
    const physicalVolumes = [
      pv("/dev/sda", { freeBytes: GIB }),
      pv("/dev/sdb", { freeBytes: GIB }),
      pv("/dev/sdc", { usedBytes: 4 * GIB }),
    ];
    expect(read(volumeGroup.plan(desired, { group: { ...group, physicalVolumes }, ...host }))).toEqual([
      "refused: /dev/sdc can't leave vg_jts: volumes have 4 GiB there, and 2 GiB is free elsewhere",
    ]);
  });

  it.each<[string, Partial<NonNullable<Seen["group"]>>, string[]]>([
    [
      "extents of another size",
      { extentBytes: 8 * MIB },
      ["refused: vg_jts has extents of 8388608 bytes instead of 4194304"],
    ],
    [
      "a device that isn't declared, and has no tag",
      { physicalVolumes: [pv("/dev/sda"), pv("/dev/sdb"), pv("/dev/sdc", { tags: [] })] },
      ["refused: vg_jts also has the physical volume /dev/sdc"],
    ],
    [
      "a group of this name on other devices only",
      { physicalVolumes: [pv("/dev/sdc", { tags: [] })] },
      [
        "refused: vg_jts also has the physical volume /dev/sdc",
        "refused: a volume group vg_jts exists already, on /dev/sdc",
      ],
    ],
  ])("refuses %s", (_what, changes, expected) => {
    expect(read(volumeGroup.plan(desired, { group: { ...group, ...changes }, ...host }))).toEqual(expected);
  });

  it("does not count a declared device that is missing as a device of the group", () => {
    const missing = new Map(devices).set("/dev/disk/by-id/b", undefined);
    const physicalVolumes = [pv("/dev/sda"), pv("/dev/sdb", { tags: [] })];
    expect(
      read(volumeGroup.plan(desired, { ...host, group: { ...group, physicalVolumes }, devices: missing })),
    ).toEqual([
      "refused: vg_jts also has the physical volume /dev/sdb",
      "refused: there is no device /dev/disk/by-id/b",
    ]);
  });

  it("compares devices by number: LVM calls one /dev/mapper/crypt that the kernel calls /dev/dm-0", () => {
    const physicalVolumes = [pv("/dev/mapper/crypt", { number: "253:0", isMissing: false }), pv("/dev/sdb")];
    const opened = new Map(devices).set("/dev/disk/by-id/a", device("/dev/dm-0", { number: "253:0" }));
    const seen = { ...host, group: { ...group, physicalVolumes }, devices: opened };
    expect(read(volumeGroup.plan(desired, seen))).toEqual([]);
    expect(volumeGroup.report(desired, seen).inputs).toMatchObject({ physicalVolumes: desired.physicalVolumes });
  });

  it("takes out what is missing, tagged and unused, proved by the call, before anything joins", () => {
    const seen = { ...host, group: { ...group, physicalVolumes: [pv("/dev/sda"), gone()] } };
    expect(read(volumeGroup.plan(desired, seen))).toEqual([
      "guard: are-missing-and-unused vg_jts u9",
      "safe: vgreduce --removemissing -- vg_jts",
      "guard: pvs --noheadings --options pv_name -- /dev/disk/by-id/b",
      "safe: vgextend -- vg_jts /dev/disk/by-id/b",
      "safe: pvchange --quiet --addtag jts-storage -- /dev/disk/by-id/b",
    ]);
  });

  it.each<[string, Partial<PhysicalVolume>, string, RegExp]>([
    [
      "that volumes are on",
      { usedBytes: GIB },
      "vg_jts lacks the physical volume u9, which has 1 GiB of volumes",
      /^connect its disk again, .* only if it is gone for good: docs\/runbooks\/replace-a-failed-nvme.md/,
    ],
    [
      "that isn't this program's",
      { tags: [] },
      "vg_jts lacks the physical volume u9; no volume is on it",
      /^connect its disk again, .* vgreduce --removemissing vg_jts/,
    ],
    [
      "whose disk came back",
      { name: "/dev/sdc", number: "8:32" },
      "vg_jts counts /dev/sdc as missing, though it is there",
      /^if its data is good: vgextend --restoremissing vg_jts \/dev\/sdc$/,
    ],
  ])("refuses to take out a missing one %s, and says the harmless way first", (_what, changes, found, next) => {
    const physicalVolumes = [pv("/dev/sda"), pv("/dev/sdb"), gone(changes)];
    const { refusals = [] } = volumeGroup.plan(desired, { ...host, group: { ...group, physicalVolumes } });
    expect(refusals).toEqual([{ found, next: expect.stringMatching(next) as string }]);
  });

  it("forgets none that is still declared: its disk may come back", () => {
    const missing = new Map(devices).set("/dev/disk/by-id/b", undefined);
    const physicalVolumes = [pv("/dev/sda"), gone()];
    expect(
      read(volumeGroup.plan(desired, { ...host, group: { ...group, physicalVolumes }, devices: missing })),
    ).toEqual(["refused: there is no device /dev/disk/by-id/b"]);
  });

  const onlyA = [pv("/dev/sda")];
  it.each<[string, Partial<NonNullable<Seen["group"]>>, Partial<Seen>, string]>([
    ["an exported group", { isExported: true }, {}, "vg_jts is exported, to be moved to another host"],
    ["a shared group", { isShared: true, physicalVolumes: onlyA }, {}, "vg_jts is shared by several hosts"],
    ["a read-only group", { isReadOnly: true, physicalVolumes: onlyA }, {}, "vg_jts is read-only"],
    [
      "a group that takes no more",
      { isResizeable: false, physicalVolumes: onlyA },
      {},
      "vg_jts is set to neither get nor lose physical volumes",
    ],
    [
      "a group that is full",
      { maxPhysicalVolumes: 1, physicalVolumes: onlyA },
      {},
      "vg_jts has 1 physical volumes, and takes 1",
    ],
    [
      "a device of other logical blocks",
      { physicalVolumes: onlyA },
      { devices: new Map(devices).set("/dev/disk/by-id/b", device("/dev/sdb", { logicalBlockBytes: 4096 })) },
      "/dev/disk/by-id/b has logical blocks of 4096 bytes, and the devices of vg_jts of 512",
    ],
    [
      "a device that has no room for an extent",
      { physicalVolumes: onlyA },
      { devices: new Map(devices).set("/dev/disk/by-id/b", device("/dev/sdb", { sizeBytes: 4 * MIB })) },
      "/dev/disk/by-id/b has 4 MiB, too little for one extent of 4 MiB",
    ],
  ])("refuses to add a device to %s, before the first step", (_what, changes, seen, found) => {
    expect(read(volumeGroup.plan(desired, { ...host, ...seen, group: { ...group, ...changes } }))).toEqual([
      `refused: ${found}`,
    ]);
  });

  it("has no step in a group that can't be changed, where nothing is to change; a group of mixed blocks takes any", () => {
    for (const changes of [
      { isShared: true },
      { isReadOnly: true },
      { isResizeable: false },
      { maxPhysicalVolumes: 1 },
    ])
      expect(read(volumeGroup.plan(desired, { group: { ...group, ...changes }, ...host }))).toEqual([]);
    const large = new Map(devices).set("/dev/disk/by-id/b", device("/dev/sdb", { logicalBlockBytes: 4096 }));
    expect(
      volumeGroup.plan(desired, {
        group: { ...group, physicalVolumes: onlyA },
        devices: large,
        blockSizes: new Set([512, 4096]),
      }).refusals,
    ).toBeUndefined();
  });

  it("refuses to make one of devices with different logical blocks, which LVM would refuse too", () => {
    const large = new Map(devices).set("/dev/disk/by-id/b", device("/dev/sdb", { logicalBlockBytes: 4096 }));
    expect(read(volumeGroup.plan(desired, { group: undefined, devices: large, blockSizes: new Set() }))).toEqual([
      "refused: the devices of vg_jts have different logical blocks: " +
        "/dev/disk/by-id/a of 512 bytes; /dev/disk/by-id/b of 4096 bytes",
    ]);
  });
});

describe("the removal of a volume group", () => {
  it("proves its UUID in the same call, and does not force vgremove to remove volumes", () => {
    expect(read(volumeGroup.planDestroy({ ...desired, uuid: "u1" }, { group, ...host }))).toEqual([
      "guard: is-uuid vg vg_jts u1",
      "destroys-data: vgremove -- vg_jts",
    ]);
  });

  it("has no step where there is none", () => {
    expect(read(volumeGroup.planDestroy({ ...desired, uuid: "u1" }, { group: undefined, ...host }))).toEqual([]);
  });

  it("refuses another one, and one that still has volumes, with their names", () => {
    expect(read(volumeGroup.planDestroy({ ...desired, uuid: "u2" }, { group, ...host }))).toEqual([
      "refused: vg_jts is the volume group u1 instead of ours, u2",
    ]);
    const logicalVolumes = ["lv_a", "lv_b"].map((name) => linearVolume(name, MIB));
    expect(
      read(volumeGroup.planDestroy({ ...desired, uuid: "u1" }, { group: { ...group, logicalVolumes }, ...host })),
    ).toEqual(["refused: vg_jts still has lv_a, lv_b"]);
  });
});

describe("the volume group of a name", () => {
  it("refuses a name that two volume groups have: none of them is gone", () => {
    const other = { ...group, uuid: "u2", physicalVolumes: [pv("/dev/sdc")] };
    const report = { physicalVolumes: [], volumeGroups: [other, group, { ...group, name: "vg_other" }] };
    expect(volumeGroupOf(report, "vg_other", "h")?.name).toBe("vg_other");
    expect(volumeGroupOf(report, "vg_none", "h")).toBeUndefined();
    expect(() => volumeGroupOf(report, "vg_jts", "h")).toThrow(
      /^h: 2 volume groups are called vg_jts: u2 on \/dev\/sdc; u1 on \/dev\/sda, \/dev\/sdb\n *Next: .*vgrename UUID/,
    );
  });
});
