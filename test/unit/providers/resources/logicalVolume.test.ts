import { describe, expect, it } from "vitest";
import { logicalVolume } from "../../../../providers/resources/logicalVolume.ts";
import { read } from "./steps.ts";

type Inputs = Parameters<typeof logicalVolume.plan>[0];
type Seen = Parameters<typeof logicalVolume.plan>[1];

const GIB = 1024 ** 3;
const EXTENT = 4 * 1024 ** 2;
const desired: Inputs = { host: "h", volumeGroup: "vg_jts", name: "lv_redis", sizeBytes: 50 * GIB, onDelete: "retain" };
const group: NonNullable<Seen["group"]> = {
  name: "vg_jts",
  uuid: "u",
  extentBytes: EXTENT,
  extents: 100_000,
  freeExtents: 90_000,
  physicalVolumes: [],
  logicalVolumes: [],
};
const seen = (sizeBytes: number, origin?: string): Seen => ({
  group,
  volume: { name: "lv_redis", uuid: "u1", sizeBytes, origin },
});

describe("the plan of a logical volume", () => {
  it("makes one without asking about what the free extents still hold", () => {
    expect(read(logicalVolume.plan(desired, { group, volume: undefined }))).toEqual([
      "safe: lvcreate --yes --wipesignatures y --name lv_redis --size 53687091200b -- vg_jts",
    ]);
  });

  it("has no step where there is one of this size, or of this size in whole extents", () => {
    expect(read(logicalVolume.plan(desired, seen(50 * GIB)))).toEqual([]);
    expect(read(logicalVolume.plan({ ...desired, sizeBytes: 50 * GIB - 1 }, seen(50 * GIB)))).toEqual([]);
  });

  it("grows a smaller one to whole extents", () => {
    expect(read(logicalVolume.plan({ ...desired, sizeBytes: 60 * GIB + 1 }, seen(50 * GIB)))).toEqual([
      `safe: lvextend --size ${60 * GIB + EXTENT}b -- vg_jts/lv_redis`,
    ]);
  });

  it("refuses a larger one, even by one extent, and a snapshot of this name", () => {
    expect(read(logicalVolume.plan(desired, seen(50 * GIB + EXTENT)))).toEqual([
      "refused: vg_jts/lv_redis has 50.00 GiB, more than the declared 50 GiB",
    ]);
    expect(read(logicalVolume.plan(desired, seen(50 * GIB, "lv_postgres")))).toEqual([
      "refused: vg_jts/lv_redis is a snapshot of lv_postgres",
    ]);
  });
});

describe("the report of a logical volume", () => {
  it("has the declared size where LVM rounded it up, and otherwise the real one", () => {
    expect(logicalVolume.report({ ...desired, sizeBytes: 50 * GIB - 1 }, seen(50 * GIB)).inputs).toEqual({
      sizeBytes: 50 * GIB - 1,
    });
    expect(logicalVolume.report(desired, seen(40 * GIB)).inputs).toEqual({ sizeBytes: 40 * GIB });
  });
});

describe("the removal of a logical volume", () => {
  it("proves its UUID in the same call", () => {
    expect(read(logicalVolume.planDestroy({ ...desired, uuid: "u1" }, seen(50 * GIB)))).toEqual([
      "guard: is-uuid lv vg_jts/lv_redis u1",
      "destroys-data: remove-volume vg_jts/lv_redis",
    ]);
  });

  it("has no step where there is none, and refuses another one", () => {
    expect(read(logicalVolume.planDestroy({ ...desired, uuid: "u1" }, { group, volume: undefined }))).toEqual([]);
    expect(read(logicalVolume.planDestroy({ ...desired, uuid: "u2" }, seen(50 * GIB)))).toEqual([
      "refused: vg_jts/lv_redis is the volume u1 instead of ours, u2",
    ]);
  });
});
