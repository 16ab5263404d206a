import { describe, expect, it } from "vitest";
import { logicalVolume } from "../../../../providers/resources/logicalVolume.ts";
import { emptyGroup, linearVolume } from "../../../support/generators.ts";
import { read } from "./steps.ts";

type Inputs = Parameters<typeof logicalVolume.plan>[0];
type Seen = Parameters<typeof logicalVolume.plan>[1];

const GIB = 1024 ** 3;
const EXTENT = 4 * 1024 ** 2;
const desired: Inputs = { host: "h", volumeGroup: "vg_jts", name: "lv_redis", sizeBytes: 50 * GIB, onDelete: "retain" };
const group: NonNullable<Seen["group"]> = emptyGroup("vg_jts");
const anyPhysicalVolume: NonNullable<Seen["group"]>["physicalVolumes"][number] = {
  name: "/dev/sda",
  uuid: "u9",
  number: "8:0",
  isMissing: false,
  volumeGroup: "vg_jts",
  deviceBytes: 100 * GIB,
  sizeBytes: 100 * GIB,
  dataStartBytes: EXTENT,
  usedBytes: 0,
  freeBytes: 100 * GIB,
  tags: ["jts-storage"],
};
type Volume = NonNullable<Seen["volume"]>;
const seen = (sizeBytes: number, changes: Partial<Volume> = {}): Seen => ({
  group,
  volume: { ...linearVolume("lv_redis", sizeBytes), uuid: "u1", ...changes },
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
    expect(read(logicalVolume.plan(desired, seen(50 * GIB, { origin: "lv_postgres" })))).toEqual([
      "refused: vg_jts/lv_redis is a snapshot of lv_postgres",
    ]);
  });

  it.each<[string, Partial<Volume>, string]>([
    ["", {}, "safe: lvchange --activate y -- vg_jts/lv_redis"],
    [
      ", even one that is otherwise skipped",
      { skipsActivation: true },
      "safe: lvchange --activate y --ignoreactivationskip -- vg_jts/lv_redis",
    ],
  ])("activates one that isn't%s", (_what, changes, expected) => {
    const inactive = { isActive: false, ...changes };
    expect(read(logicalVolume.plan(desired, seen(50 * GIB, inactive)))).toEqual([expected]);
    expect(read(logicalVolume.plan(desired, seen(40 * GIB, inactive)))).toEqual([
      expected,
      `safe: lvextend --size ${50 * GIB}b -- vg_jts/lv_redis`,
    ]);
  });

  it("activates none that a disk is missing of, and names the harmless way first", () => {
    expect(logicalVolume.plan(desired, seen(50 * GIB, { isActive: false, isPartial: true })).refusals).toEqual([
      {
        found: "vg_jts/lv_redis is not active, and a disk of it is missing",
        next: expect.stringMatching(
          /^connect that disk again: .*Only if it is gone for good: .*replace-a-failed-nvme/,
        ) as string,
      },
    ]);
  });

  it("takes one with a cache, or of any other layout, as a volume, and grows it", () => {
    for (const layout of [["cache"], ["writecache"], ["raid", "raid1"], ["mirror"], ["thin", "sparse"], ["striped"]]) {
      expect(read(logicalVolume.plan(desired, seen(50 * GIB, { layout })))).toEqual([]);
      expect(read(logicalVolume.plan(desired, seen(40 * GIB, { layout })))).toEqual([
        `safe: lvextend --size ${50 * GIB}b -- vg_jts/lv_redis`,
      ]);
    }
  });

  it("calls a pool what it is", () => {
    expect(read(logicalVolume.plan(desired, seen(50 * GIB, { layout: ["thin", "pool"] })))).toEqual([
      "refused: vg_jts/lv_redis is a thin pool, which holds no filesystem of its own",
    ]);
  });

  it("takes a striped one for as declared where LVM rounded it up to an extent on each disk", () => {
    const physicalVolumes = ["/dev/sda", "/dev/sdb"].map((name) => ({ ...anyPhysicalVolume, name }));
    const striped = (extents: number): Seen => ({
      group: { ...group, physicalVolumes },
      volume: { ...linearVolume("lv_redis", 50 * GIB + extents * EXTENT), layout: ["striped"] },
    });
    expect(read(logicalVolume.plan(desired, striped(1)))).toEqual([]);
    expect(logicalVolume.report(desired, striped(1)).inputs).toEqual({ sizeBytes: 50 * GIB });
    expect(read(logicalVolume.plan(desired, striped(2)))).toEqual([
      "refused: vg_jts/lv_redis has 50.01 GiB, more than the declared 50 GiB",
    ]);
  });

  it("refuses to grow one that has snapshots, which LVM can't while it is in use, but those of a thin pool", () => {
    const snapshot = { ...linearVolume("lv_redis_kept", GIB), origin: "lv_redis" };
    const withSnapshot = (layout: string[]): Seen => ({
      ...seen(40 * GIB),
      group: { ...group, logicalVolumes: [{ ...snapshot, layout }] },
    });
    expect(logicalVolume.plan(desired, withSnapshot(["linear"])).refusals).toEqual([
      {
        found: "vg_jts/lv_redis can't grow while it has snapshots: vg_jts/lv_redis_kept",
        next: "wait until lvm-backup.sh has removed them; or, where they are no longer needed: lvremove vg_jts/lv_redis_kept",
      },
    ]);
    expect(logicalVolume.plan(desired, withSnapshot(["thin", "sparse"])).refusals).toBeUndefined();
    expect(read(logicalVolume.plan({ ...desired, sizeBytes: 40 * GIB }, withSnapshot(["linear"])))).toEqual([]);
  });

  const missing = { ...anyPhysicalVolume, name: "[unknown]", number: undefined, isMissing: true, usedBytes: GIB };
  it.each<[string, Partial<NonNullable<Seen["group"]>>, string]>([
    ["is exported", { isExported: true }, "vg_jts is exported, to be moved to another host"],
    ["is shared", { isShared: true }, "vg_jts is shared by several hosts"],
    ["is read-only", { isReadOnly: true }, "vg_jts is read-only"],
    ["lacks a disk", { physicalVolumes: [missing] }, "vg_jts lacks the physical volume u9, which has 1 GiB of volumes"],
  ])("neither makes nor grows one in a group that %s", (_what, changes, found) => {
    const inGroup = { ...group, ...changes };
    expect(read(logicalVolume.plan(desired, { group: inGroup, volume: undefined }))).toEqual([`refused: ${found}`]);
    expect(read(logicalVolume.plan(desired, { ...seen(40 * GIB), group: inGroup }))).toEqual([`refused: ${found}`]);
    expect(read(logicalVolume.plan(desired, { ...seen(50 * GIB), group: inGroup }))).toEqual([]);
  });

  it("makes none in a group that has as many as it takes", () => {
    const full = { ...group, maxLogicalVolumes: 1, logicalVolumes: [linearVolume("lv_a", GIB)] };
    expect(read(logicalVolume.plan(desired, { group: full, volume: undefined }))).toEqual([
      "refused: vg_jts has 1 logical volumes, and takes 1",
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
