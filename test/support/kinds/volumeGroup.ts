import fc from "fast-check";
import { volumeGroup } from "../../../providers/resources/volumeGroup.ts";
import { exampleOf } from "../example.ts";
import { EXTENT, MIB, onDelete, optional, path, uuid, word } from "../generators.ts";

const physicalVolume = (name: string, tags: string[] = []) => ({
  name,
  uuid: `uuid of ${name}`,
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
      name,
      uuid: "uuid-1",
      extentBytes: extentSizeBytes,
      extents: 9,
      freeExtents: 9,
      physicalVolumes: physicalVolumes.map((one) =>
        physicalVolume(`real ${one}`, physicalVolumes.length > 1 ? ["jts-storage"] : []),
      ),
      logicalVolumes: [],
    },
    names: new Map(physicalVolumes.map((one) => [one, `real ${one}`])),
  }),
  any({ name, physicalVolumes }) {
    const devices = fc.subarray([
      ...physicalVolumes.map((one) => physicalVolume(`real ${one}`)),
      physicalVolume("/dev/other"),
      physicalVolume("/dev/leaving", ["jts-storage"]),
    ]);
    const volumes = fc.constantFrom<{ name: string; uuid: string; sizeBytes: number; origin: undefined }[][]>(
      [],
      [{ name: "lv", uuid: "u", sizeBytes: 1, origin: undefined }],
    );
    return fc.record({
      group: optional(
        fc.record({
          name: fc.constant(name),
          uuid,
          extentBytes: fc.constantFrom(EXTENT, 2 * EXTENT),
          extents: fc.constant(9),
          freeExtents: fc.constant(9),
          physicalVolumes: devices,
          logicalVolumes: volumes,
        }),
      ),
      names: fc
        .subarray(physicalVolumes)
        .map((there) => new Map(physicalVolumes.map((one) => [one, there.includes(one) ? `real ${one}` : undefined]))),
    });
  },
});
