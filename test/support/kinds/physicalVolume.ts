import fc from "fast-check";
import { physicalVolume } from "../../../providers/resources/physicalVolume.ts";
import { exampleOf } from "../example.ts";
import {
  DISK,
  anyGroup,
  bytes,
  device,
  EXTENT,
  GIB,
  MIB,
  onDelete,
  optional,
  path,
  signs,
  uuid,
  word,
} from "../generators.ts";

export const example = exampleOf(physicalVolume, {
  least: {
    declared: { device: "/dev/nvme0n1" },
    added: { dataAlignmentBytes: 4 * MIB, onDelete: "retain" },
  },
  declared: { device: "/dev/disk/by-id/nvme-1", serial: "NVME1", sizeBytes: 4_000_787_030_016, onDelete: "wipe" },
  drift: ({ signatures }) => void (signatures["/dev/nvme0n1"]!.bytes -= GIB),
  drifted: { drift: ["grow the physical volume /dev/disk/by-id/nvme-1 to its device's 4000787030016 bytes"] },
  takesAnyText: ["device", "serial"],

  inputs: fc.record({
    host: word,
    device: path,
    sizeBytes: optional(bytes),
    serial: optional(fc.constantFrom("S1", "S2")),
    dataAlignmentBytes: fc.constantFrom(MIB, EXTENT),
    onDelete,
  }),
  converged: ({ sizeBytes = 1000 * EXTENT, serial, dataAlignmentBytes }) => ({
    device: { ...DISK, sizeBytes, serial },
    volume: {
      name: "/dev/sda",
      uuid: "uuid-1",
      number: "8:0",
      isMissing: false,
      volumeGroup: "",
      deviceBytes: sizeBytes,
      sizeBytes: sizeBytes - dataAlignmentBytes,
      dataStartBytes: dataAlignmentBytes,
      usedBytes: 0,
      freeBytes: 1000 * EXTENT,
      tags: [],
    },
    signs: [],
    group: undefined,
    blockSizes: new Set<number>(),
  }),
  any: () =>
    fc.record({
      device: optional(device),
      volume: optional(
        fc.record({
          name: fc.constant("/dev/sda"),
          uuid,
          number: fc.constant("8:0"),
          isMissing: fc.boolean(),
          volumeGroup: fc.constantFrom("", "vg"),
          deviceBytes: bytes,
          sizeBytes: bytes,
          dataStartBytes: fc.constantFrom(MIB, EXTENT, 1000),
          usedBytes: fc.constant(0),
          freeBytes: fc.constant(0),
          tags: fc.constant([]),
        }),
      ),
      signs,
      group: optional(anyGroup("vg")),
      blockSizes: fc.constantFrom(new Set<number>(), new Set([512]), new Set([512, 4096])),
    }),
});
