import { describe, expect, it } from "vitest";
import { physicalVolume } from "../../../../providers/resources/physicalVolume.ts";
import { read } from "./steps.ts";

type Inputs = Parameters<typeof physicalVolume.plan>[0];
type Seen = Parameters<typeof physicalVolume.plan>[1];

const MIB = 1024 ** 2;
const path = "/dev/disk/by-id/nvme-1";
const desired: Inputs = {
  host: "h",
  device: path,
  sizeBytes: 1000 * MIB,
  serial: "S1",
  dataAlignmentBytes: 4 * MIB,
  onDelete: "retain",
};
const blank: Seen = {
  device: { path: "/dev/nvme0n1", type: "disk", sizeBytes: 1000 * MIB, serial: "S1", number: "8:1", isInUse: false },
  volume: undefined,
  signs: [],
};
const volume = {
  name: "/dev/nvme0n1",
  uuid: "u1",
  volumeGroup: "",
  deviceBytes: 1000 * MIB,
  sizeBytes: 992 * MIB,
  dataStartBytes: 4 * MIB,
  usedBytes: 0,
  freeBytes: 992 * MIB,
  tags: [],
};
const made: Seen = { ...blank, volume };

describe("the plan of a physical volume", () => {
  it("makes one on a device that the same call proves to be blank, with that size and serial number", () => {
    expect(read(physicalVolume.plan(desired, blank))).toEqual([
      `guard: find-signs-of-use ${path} 1048576000 S1`,
      `safe: pvcreate --dataalignment 4194304b -- ${path}`,
    ]);
  });

  it("has no step where there is one, even if an extent or two of its device stay unused", () => {
    expect(read(physicalVolume.plan(desired, made))).toEqual([]);
  });

  it("has no step where it is in the declared VG, or in none yet", () => {
    for (const volumeGroup of ["vg_jts", ""])
      expect(
        read(
          physicalVolume.plan({ ...desired, volumeGroup: "vg_jts" }, { ...made, volume: { ...volume, volumeGroup } }),
        ),
      ).toEqual([]);
  });

  it("grows one to a device that has grown", () => {
    const grown = {
      ...made,
      device: { ...blank.device!, sizeBytes: 2000 * MIB },
      volume: { ...volume, deviceBytes: 2000 * MIB },
    };
    expect(read(physicalVolume.plan({ ...desired, sizeBytes: undefined }, grown))).toEqual([
      `safe: pvresize -- ${path}`,
    ]);
  });

  it.each<[string, Partial<Inputs>, Partial<Seen>, string[]]>([
    ["a missing device", {}, { device: undefined }, [`refused: there is no device ${path}`]],
    [
      "a device of another size",
      { sizeBytes: 999 },
      {},
      [`refused: ${path} (/dev/nvme0n1) has 1048576000 bytes instead of 999`],
    ],
    [
      "a device of another serial number",
      { serial: "S2" },
      {},
      [`refused: ${path} (/dev/nvme0n1) has the serial number S1 instead of S2`],
    ],
    [
      "a device without serial number, where one is declared",
      {},
      { device: { ...blank.device!, serial: undefined, number: "8:1", isInUse: false } },
      [`refused: ${path} (/dev/nvme0n1) has the serial number unknown instead of S1`],
    ],
    [
      "a device that holds something, sign by sign",
      {},
      { signs: ["a signature of gpt", "part /dev/nvme0n1p1 on it"] },
      [`refused: ${path} is not blank: a signature of gpt`, `refused: ${path} is not blank: part /dev/nvme0n1p1 on it`],
    ],
    [
      "a PV whose data isn't aligned",
      {},
      { volume: { ...volume, dataStartBytes: MIB } },
      ["refused: the physical volume's data starts at 1048576 bytes, which is not aligned to 4194304"],
    ],
    [
      "a PV of another VG",
      { volumeGroup: "vg_jts" },
      { volume: { ...volume, volumeGroup: "foreign", sizeBytes: 500 * MIB } },
      [`refused: ${path} is a physical volume of the volume group foreign, not of vg_jts`],
    ],
    [
      "a PV on the wrong device",
      { serial: "S2" },
      { volume },
      [`refused: ${path} (/dev/nvme0n1) has the serial number S1 instead of S2`],
    ],
  ])("refuses %s", (_what, changes, seen, expected) => {
    expect(read(physicalVolume.plan({ ...desired, ...changes }, { ...blank, ...seen }))).toEqual(expected);
  });
});

describe("the removal of a physical volume", () => {
  it("proves its UUID in the same call", () => {
    expect(read(physicalVolume.planDestroy({ ...desired, uuid: "u1" }, made))).toEqual([
      `guard: is-uuid pv ${path} u1`,
      `destroys-data: pvremove -- ${path}`,
    ]);
  });

  it("has no step where there is none", () => {
    expect(read(physicalVolume.planDestroy({ ...desired, uuid: "u1" }, blank))).toEqual([]);
  });

  it.each<[string, string | undefined, Partial<typeof volume>, string]>([
    ["another one", "u2", {}, `refused: ${path} holds the physical volume u1 instead of ours, u2`],
    [
      "one whose UUID the state doesn't know",
      undefined,
      {},
      `refused: ${path} holds the physical volume u1 instead of ours, undefined`,
    ],
    ["one in use by a VG", "u1", { volumeGroup: "vg_jts" }, `refused: ${path} is in use by the volume group vg_jts`],
  ])("refuses %s", (_what, uuid, changes, expected) => {
    expect(
      read(physicalVolume.planDestroy({ ...desired, uuid }, { ...made, volume: { ...volume, ...changes } })),
    ).toEqual([expected]);
  });
});
