import { describe, expect, it } from "vitest";
import { volumeGroup } from "../../../../providers/resources/volumeGroup.ts";
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
const names: Seen["names"] = new Map([
  ["/dev/disk/by-id/a", "/dev/sda"],
  ["/dev/disk/by-id/b", "/dev/sdb"],
]);
const GIB = 1024 ** 3;
type PhysicalVolume = NonNullable<Seen["group"]>["physicalVolumes"][number];
const pv = (name: string, changes: Partial<PhysicalVolume> = {}): PhysicalVolume => ({
  name,
  uuid: `uuid of ${name}`,
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
  name: "vg_jts",
  uuid: "u1",
  extentBytes: 4 * MIB,
  extents: 100,
  freeExtents: 100,
  physicalVolumes: [pv("/dev/sda"), pv("/dev/sdb")],
  logicalVolumes: [],
};

describe("the plan of a volume group", () => {
  it("makes one with the declared devices and extents", () => {
    expect(read(volumeGroup.plan(desired, { group: undefined, names }))).toEqual([
      "guard: pvs --noheadings --options pv_name -- /dev/disk/by-id/a /dev/disk/by-id/b",
      "safe: vgcreate --physicalextentsize 4194304b -- vg_jts /dev/disk/by-id/a /dev/disk/by-id/b",
      "safe: pvchange --quiet --addtag jts-storage -- /dev/disk/by-id/a /dev/disk/by-id/b",
    ]);
  });

  it("has no step where there is one, even if its devices have other names", () => {
    expect(read(volumeGroup.plan(desired, { group, names }))).toEqual([]);
  });

  it("adds a declared device that is not in it, and tags all as its own, so that each can be removed later", () => {
    expect(
      read(volumeGroup.plan(desired, { group: { ...group, physicalVolumes: [pv("/dev/sda", { tags: [] })] }, names })),
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
          names: new Map([["/dev/disk/by-id/a", "/dev/sda"]]),
        }),
      ),
    ).toEqual([]);
  });

  it("moves a device's extents away and removes it where it is no longer declared, has the tag, and the others have room", () => {
    const physicalVolumes = [pv("/dev/sda"), pv("/dev/sdb"), pv("/dev/sdc", { usedBytes: 4 * GIB })];
    expect(read(volumeGroup.plan(desired, { group: { ...group, physicalVolumes }, names }))).toEqual([
      "guard: is-uuid pv /dev/sdc 'uuid of /dev/sdc'",
      "safe: take-out-physical-volume vg_jts /dev/sdc",
    ]);
  });

  it("refuses to remove a device where the others have no room, with the figures", () => {
    const physicalVolumes = [
      pv("/dev/sda", { freeBytes: GIB }),
      pv("/dev/sdb", { freeBytes: GIB }),
      pv("/dev/sdc", { usedBytes: 4 * GIB }),
    ];
    expect(read(volumeGroup.plan(desired, { group: { ...group, physicalVolumes }, names }))).toEqual([
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
    expect(read(volumeGroup.plan(desired, { group: { ...group, ...changes }, names }))).toEqual(expected);
  });

  it("does not count a declared device that is missing as a device of the group", () => {
    const missing = new Map<string, string | undefined>([...names, ["/dev/disk/by-id/b", undefined]]);
    expect(
      read(
        volumeGroup.plan(desired, {
          group: { ...group, physicalVolumes: [pv("/dev/sda"), pv("/dev/sdb", { tags: [] })] },
          names: missing,
        }),
      ),
    ).toEqual(["refused: vg_jts also has the physical volume /dev/sdb"]);
  });
});

describe("the removal of a volume group", () => {
  it("proves its UUID in the same call, and does not force vgremove to remove volumes", () => {
    expect(read(volumeGroup.planDestroy({ ...desired, uuid: "u1" }, { group, names }))).toEqual([
      "guard: is-uuid vg vg_jts u1",
      "destroys-data: vgremove -- vg_jts",
    ]);
  });

  it("has no step where there is none", () => {
    expect(read(volumeGroup.planDestroy({ ...desired, uuid: "u1" }, { group: undefined, names }))).toEqual([]);
  });

  it("refuses another one, and one that still has volumes, with their names", () => {
    expect(read(volumeGroup.planDestroy({ ...desired, uuid: "u2" }, { group, names }))).toEqual([
      "refused: vg_jts is the volume group u1 instead of ours, u2",
    ]);
    const logicalVolumes = ["lv_a", "lv_b"].map((name) => ({ name, uuid: name, sizeBytes: MIB, origin: undefined }));
    expect(
      read(volumeGroup.planDestroy({ ...desired, uuid: "u1" }, { group: { ...group, logicalVolumes }, names })),
    ).toEqual(["refused: vg_jts still has lv_a, lv_b"]);
  });
});
