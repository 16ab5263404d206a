import fc from "fast-check";
import { filesystem } from "../../../providers/resources/filesystem.ts";
import { exampleOf } from "../example.ts";
import { DISK, bytes, device, EXTENT, GIB, onDelete, optional, path, signs, uuid, word } from "../generators.ts";

export const example = exampleOf(filesystem, {
  least: {
    declared: { device: "/dev/vg_jts/lv_redis", type: "ext4" },
    added: { mkfsOptions: [], onDelete: "retain" },
  },
  declared: { device: "/dev/sda2", serial: "SATA1", type: "btrfs", label: "jts-warm-storage", onDelete: "wipe" },
  drift: ({ signatures }) => void (signatures["/dev/sda2"]!.bytes = 900 * GIB),
  drifted: { drift: ["grow the btrfs on /dev/sda2 from 900 GiB to 930.51 GiB"] },
  takesAnyText: ["device", "serial", "label", "mkfsOptions"],

  inputs: fc.record({
    host: word,
    device: path,
    sizeBytes: optional(bytes),
    serial: optional(fc.constantFrom("S1", "S2")),
    type: fc.constantFrom("ext4" as const, "xfs" as const, "btrfs" as const),
    label: optional(word),
    mkfsOptions: fc.constantFrom<string[][]>([], ["-K"]),
    onDelete,
  }),
  converged: ({ sizeBytes = 1000 * EXTENT, serial, type, label }) => ({
    device: { ...DISK, sizeBytes, serial },
    filesystem: { type, label, uuid: "uuid-1", bytes: Math.max(1, sizeBytes - EXTENT), unusableBytes: 0, devices: 1 },
    signs: [],
    namesakes: [],
  }),
  any: ({ type }) =>
    fc.record({
      device: optional(device),
      filesystem: optional(
        fc.record({
          type: fc.constant(type),
          label: optional(word),
          uuid,
          bytes,
          unusableBytes: fc.constantFrom(0, GIB),
          devices: fc.constantFrom(1, 2),
        }),
      ),
      signs,
      namesakes: fc.constantFrom([], [{ device: "/dev/sdz", number: "65:144", label: "data", uuid: "uuid-2" }]),
    }),
});
