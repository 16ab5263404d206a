import { describe, expect, it } from "vitest";
import { physicalVolume } from "../../../../providers/resources/physicalVolume.ts";
import { contents } from "../../../../providers/facts/contents.ts";
import type { Ask } from "../../../../providers/facts/fact.ts";
import { blockDevices } from "../../../../providers/facts/lsblk.ts";
import { lvm } from "../../../../providers/facts/lvm.ts";
import { deviceLinks } from "../../../../providers/facts/realPath.ts";
import { emptyGroup } from "../../../support/generators.ts";
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
  device: {
    path: "/dev/nvme0n1",
    type: "disk",
    sizeBytes: 1000 * MIB,
    serial: "S1",
    number: "8:1",
    isInUse: false,
    logicalBlockBytes: 512,
    multipath: undefined,
  },
  volume: undefined,
  signs: [],
  group: undefined,
  blockSizes: new Set(),
};
const volume = {
  name: "/dev/nvme0n1",
  uuid: "u1",
  number: "8:1",
  isMissing: false,
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

  it("adopts one that another tool made, wherever its data starts and whatever is left over at its end", () => {
    expect(read(physicalVolume.plan(desired, { ...made, volume: { ...volume, dataStartBytes: MIB } }))).toEqual([]);
    const group = { ...emptyGroup("vg_jts"), extentBytes: 512 * MIB };
    const inGroup = { ...volume, volumeGroup: "vg_jts", sizeBytes: 512 * MIB, dataStartBytes: MIB };
    expect(read(physicalVolume.plan(desired, { ...made, group, volume: inGroup }))).toEqual([]);
  });

  it("finds one by the device's number: LVM calls it /dev/mapper/crypt where the kernel says /dev/dm-0", async () => {
    const crypt = { ...blank.device!, path: "/dev/dm-0", number: "253:0" };
    const report = { physicalVolumes: [{ ...volume, name: "/dev/mapper/crypt", number: "253:0" }], volumeGroups: [] };
    const answers = new Map<string, unknown>([
      [lvm.name, report],
      [blockDevices.name, new Map([["/dev/dm-0", crypt]])],
      [deviceLinks.name, new Map([[path, "/dev/dm-0"]])],
      [contents.name, { signatures: [{ type: "LVM2_member" }], bytes: undefined }],
    ]);
    const ask = (({ name }: { name: string }) => Promise.resolve(answers.get(name))) as Ask;
    const seen = await physicalVolume.observe(ask, desired);
    expect(seen.volume?.name).toBe("/dev/mapper/crypt");
    expect(read(physicalVolume.plan(desired, seen))).toEqual([]);
  });

  it.each<[string, readonly string[], RegExp]>([
    ["opened encryption", ["a signature of crypto_LUKS", "crypt /dev/mapper/c on it"], /^declare \/dev\/mapper\/c, /],
    ["closed encryption", ["a signature of crypto_LUKS"], /^open it with cryptsetup, /],
    ["a PV that LVM doesn't list", ["a signature of LVM2_member"], /^where LVM should use it, have LVM list it: /],
    ["anything else", ["a signature of ext4"], /^declare what is there, which adopts it; /],
  ])("refuses %s with the harmless way first, and the runbook that empties it last", (_what, signs, expected) => {
    const [refusal] = physicalVolume.plan(desired, { ...blank, signs }).refusals ?? [];
    expect(refusal?.next).toMatch(expected);
    expect(refusal?.next).toMatch(
      /only where nobody needs what is on it, empty it by docs\/runbooks\/clear-a-device.md\.$/,
    );
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
      { device: { ...blank.device!, serial: undefined, number: "8:1" } },
      [`refused: ${path} (/dev/nvme0n1) has the serial number unknown instead of S1`],
    ],
    [
      "a device that holds something, sign by sign",
      {},
      { signs: ["a signature of gpt", "part /dev/nvme0n1p1 on it"] },
      [`refused: ${path} is not blank: a signature of gpt`, `refused: ${path} is not blank: part /dev/nvme0n1p1 on it`],
    ],
    [
      "a path of a multipath device, by the name of that device",
      {},
      {
        device: { ...blank.device!, multipath: "/dev/mapper/mpatha" },
        signs: ["a signature of LVM2_member", "mpath /dev/mapper/mpatha on it"],
      },
      [`refused: ${path} (/dev/nvme0n1) is one path of the multipath device /dev/mapper/mpatha`],
    ],
    [
      "a device of other logical blocks than its group's, before it is a PV",
      { volumeGroup: "vg_jts" },
      {
        device: { ...blank.device!, logicalBlockBytes: 4096 },
        group: emptyGroup("vg_jts"),
        blockSizes: new Set([512]),
      },
      [`refused: ${path} has logical blocks of 4096 bytes, and the devices of vg_jts of 512`],
    ],
    [
      "a device for a group that can't be changed, before it is a PV",
      { volumeGroup: "vg_jts" },
      { group: { ...emptyGroup("vg_jts"), isExported: true } },
      ["refused: vg_jts is exported, to be moved to another host"],
    ],
    [
      "a device smaller than an extent of its group, before it is a PV",
      { volumeGroup: "vg_jts" },
      { group: { ...emptyGroup("vg_jts"), extentBytes: 1000 * MIB } },
      [`refused: ${path} has 1000 MiB, too little for one extent of 1000 MiB`],
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
