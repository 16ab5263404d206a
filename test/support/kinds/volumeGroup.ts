import fc from "fast-check";
import type { BlockDevice } from "../../../providers/facts/lsblk.ts";
import type { PhysicalVolumeReport } from "../../../providers/facts/lvm.ts";
import { volumeGroup } from "../../../providers/resources/volumeGroup.ts";
import { exampleOf } from "../example.ts";
import {
  DISK,
  anyGroup,
  emptyGroup,
  EXTENT,
  linearVolume,
  MIB,
  onDelete,
  optional,
  path,
  word,
} from "../generators.ts";

/** A device number for each name. */
const numberOf = (name: string) => `8:${[...name].reduce((sum, letter) => (sum * 31 + letter.charCodeAt(0)) % 1e9, 0)}`;
const deviceOf = (path: string): BlockDevice => ({
  ...DISK,
  path: `real ${path}`,
  number: numberOf(`real ${path}`),
});
const physicalVolume = (name: string, tags: string[] = []): PhysicalVolumeReport => ({
  name,
  uuid: `uuid of ${name}`,
  number: numberOf(name),
  isMissing: false,
  volumeGroup: "vg",
  deviceBytes: 1000 * EXTENT,
  sizeBytes: 1000 * EXTENT,
  dataStartBytes: EXTENT,
  usedBytes: 0,
  freeBytes: 1000 * EXTENT,
  tags,
});

export const example = exampleOf(volumeGroup, {
  least: {
    declared: { name: "vg_jts", physicalVolumes: ["/dev/nvme0n1"] },
    added: { extentSizeBytes: 4 * MIB, onDelete: "retain" },
  },
  declared: { name: "vg_jts", physicalVolumes: ["/dev/disk/by-id/nvme-1", "/dev/sda2"], onDelete: "wipe" },
  before(machine) {
    for (const device of ["/dev/nvme0n1", "/dev/sda2"]) {
      const { bytes } = machine.devices[device]!;
      machine.signatures[device] = { type: "LVM2_member", label: null, uuid: `pv ${device}`, bytes };
    }
  },
  drift: ({ volumeGroups }) => void volumeGroups.vg_jts!.devices.pop(),
  drifted: { physicalVolumes: ["/dev/disk/by-id/nvme-1"] },
  takesAnyText: ["physicalVolumes"],

  inputs: fc.record({
    host: word,
    name: word,
    physicalVolumes: fc.uniqueArray(path, { minLength: 1, maxLength: 3 }),
    extentSizeBytes: fc.constantFrom(EXTENT, 2 * EXTENT),
    onDelete,
  }),
  converged: ({ name, physicalVolumes, extentSizeBytes }) => ({
    group: {
      ...emptyGroup(name),
      extentBytes: extentSizeBytes,
      physicalVolumes: physicalVolumes.map((one) =>
        physicalVolume(`real ${one}`, physicalVolumes.length > 1 ? ["jts-storage"] : []),
      ),
    },
    devices: new Map(physicalVolumes.map((one) => [one, deviceOf(one)])),
    blockSizes: new Set([512]),
  }),
  any({ name, physicalVolumes }) {
    const devices = fc.subarray([
      ...physicalVolumes.map((one) => physicalVolume(`real ${one}`)),
      physicalVolume("/dev/other"),
      physicalVolume("/dev/leaving", ["jts-storage"]),
      { ...physicalVolume("[unknown]", ["jts-storage"]), number: undefined, isMissing: true },
      { ...physicalVolume("[unknown]"), number: undefined, isMissing: true, usedBytes: EXTENT },
    ]);
    return fc.record({
      group: optional(
        fc
          .tuple(anyGroup(name), devices, fc.constantFrom([], [linearVolume("lv", 1)]))
          .map(([group, physicalVolumes, logicalVolumes]) => ({ ...group, physicalVolumes, logicalVolumes })),
      ),
      devices: fc
        .subarray(physicalVolumes)
        .map((there) => new Map(physicalVolumes.map((one) => [one, there.includes(one) ? deviceOf(one) : undefined]))),
      blockSizes: fc.constantFrom(new Set([512]), new Set([4096]), new Set([512, 4096])),
    });
  },
});
