import fc from "fast-check";
import { logicalVolume } from "../../../providers/resources/logicalVolume.ts";
import { exampleOf } from "../example.ts";
import {
  anyGroup,
  bytes,
  emptyGroup,
  EXTENT,
  GIB,
  linearVolume,
  onDelete,
  optional,
  roundUp,
  uuid,
  word,
} from "../generators.ts";

export const example = exampleOf(logicalVolume, {
  least: {
    declared: { volumeGroup: "vg_jts", name: "lv_redis", sizeBytes: 50 * GIB },
    added: { onDelete: "retain", path: "/dev/vg_jts/lv_redis" },
  },
  declared: { volumeGroup: "vg_jts", name: "lv_redis", sizeBytes: 50 * GIB, onDelete: "wipe" },
  before(machine) {
    machine.signatures["/dev/nvme0n1"] = { type: "LVM2_member", label: null, uuid: "pv-1", bytes: 4_000_787_030_016 };
    machine.volumeGroups.vg_jts = { uuid: "vg-1", extentBytes: EXTENT, devices: ["/dev/nvme0n1"] };
  },
  drift: ({ devices }) => void (devices["/dev/dm-0"]!.bytes = 40 * GIB),
  drifted: { sizeBytes: 40 * GIB },
  takesAnyText: [],

  inputs: fc.record({ host: word, volumeGroup: word, name: word, sizeBytes: bytes, onDelete }),
  converged: ({ volumeGroup, name, sizeBytes }) => ({
    group: emptyGroup(volumeGroup),
    volume: linearVolume(name, roundUp(sizeBytes)),
  }),
  any: ({ volumeGroup, name }) =>
    fc.record({
      group: optional(anyGroup(volumeGroup)),
      volume: optional(
        fc.record({
          name: fc.constant(name),
          uuid,
          sizeBytes: bytes.map(roundUp),
          origin: optional(word),
          layout: fc.constantFrom(["linear"], ["striped"], ["cache"], ["thin", "pool"]),
          isActive: fc.boolean(),
          skipsActivation: fc.boolean(),
          isPartial: fc.boolean(),
        }),
      ),
    }),
});
