import { describe, expect, it } from "vitest";
import { volumeGroup } from "../../../../providers/resources/volumeGroup.ts";
import { read } from "./steps.ts";

type Inputs = Parameters<typeof volumeGroup.plan>[0];
type Seen = Parameters<typeof volumeGroup.plan>[1];

const MIB = 1024 ** 2;
const desired: Inputs = { host: "h", name: "vg_jts", physicalVolumes: ["/dev/disk/by-id/a", "/dev/disk/by-id/b"], extentSizeBytes: 4 * MIB, onDelete: "retain" };
const names: Seen["names"] = new Map([["/dev/disk/by-id/a", "/dev/sda"], ["/dev/disk/by-id/b", "/dev/sdb"]]);
const group: NonNullable<Seen["group"]> = { name: "vg_jts", uuid: "u1", extentBytes: 4 * MIB, extents: 100, freeExtents: 100, physicalVolumes: ["/dev/sda", "/dev/sdb"], logicalVolumes: [] };

describe("the plan of a volume group", () => {
  it("makes one of the declared devices and extents", () => {
    expect(read(volumeGroup.plan(desired, { group: undefined, names }))).toEqual(["guard: pvs --noheadings --options pv_name -- /dev/disk/by-id/a /dev/disk/by-id/b", "safe: vgcreate --physicalextentsize 4194304b -- vg_jts /dev/disk/by-id/a /dev/disk/by-id/b"]);
  });

  it("has no step where there is one, though its devices go by other names", () => {
    expect(read(volumeGroup.plan(desired, { group, names }))).toEqual([]);
  });

  it("adds a device that is declared and not in it", () => {
    expect(read(volumeGroup.plan(desired, { group: { ...group, physicalVolumes: ["/dev/sda"] }, names }))).toEqual(["guard: pvs --noheadings --options pv_name -- /dev/disk/by-id/b", "safe: vgextend -- vg_jts /dev/disk/by-id/b"]);
  });

  it.each<[string, Partial<NonNullable<Seen["group"]>>, string[]]>([
    ["extents of another size", { extentBytes: 8 * MIB }, ["refused: vg_jts has extents of 8388608 bytes instead of 4194304"]],
    ["a device that isn't declared", { physicalVolumes: ["/dev/sda", "/dev/sdb", "/dev/sdc"] }, ["refused: vg_jts also has the physical volume /dev/sdc"]],
    ["a group of this name on other devices alone", { physicalVolumes: ["/dev/sdc"] }, ["refused: vg_jts also has the physical volume /dev/sdc", "refused: a volume group vg_jts exists already, on /dev/sdc"]],
  ])("refuses %s", (_what, changes, expected) => {
    expect(read(volumeGroup.plan(desired, { group: { ...group, ...changes }, names }))).toEqual(expected);
  });

  it("takes a declared device that isn't there for no device of the group", () => {
    const missing = new Map<string, string | undefined>([...names, ["/dev/disk/by-id/b", undefined]]);
    expect(read(volumeGroup.plan(desired, { group, names: missing }))).toEqual(["refused: vg_jts also has the physical volume /dev/sdb"]);
  });
});

describe("the removal of a volume group", () => {
  it("proves its UUID in the same breath, and lets vgremove ask about volumes", () => {
    expect(read(volumeGroup.planDestroy({ ...desired, uuid: "u1" }, { group, names }))).toEqual(["guard: is-uuid vg vg_jts u1", "destroys-data: vgremove -- vg_jts"]);
  });

  it("has no step where there is none", () => {
    expect(read(volumeGroup.planDestroy({ ...desired, uuid: "u1" }, { group: undefined, names }))).toEqual([]);
  });

  it("refuses another one, and one that still has volumes, with their names", () => {
    expect(read(volumeGroup.planDestroy({ ...desired, uuid: "u2" }, { group, names }))).toEqual(["refused: vg_jts is the volume group u1 instead of ours, u2"]);
    const logicalVolumes = ["lv_a", "lv_b"].map((name) => ({ name, uuid: name, sizeBytes: MIB, origin: undefined }));
    expect(read(volumeGroup.planDestroy({ ...desired, uuid: "u1" }, { group: { ...group, logicalVolumes }, names }))).toEqual(["refused: vg_jts still has lv_a, lv_b"]);
  });
});
