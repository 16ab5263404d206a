import fc from "fast-check";
import type { BlockDevice } from "../../providers/facts/lsblk.ts";
import type { LogicalVolumeReport, VolumeGroupReport } from "../../providers/facts/lvm.ts";

/** What may be declared and seen, for the examples of several kinds. */

export const MIB = 1024 ** 2;
export const GIB = 1024 ** 3;
export const EXTENT = 4 * MIB;

export const word = fc
  .string({ unit: fc.constantFrom(..."abz019_"), minLength: 1, maxLength: 6 })
  .map((text) => `n${text}`);
export const path = fc.array(word, { minLength: 1, maxLength: 3 }).map((names) => `/${names.join("/")}`);
export const uuid = fc.constantFrom("uuid-1", "uuid-2");
export const onDelete = fc.constantFrom("retain" as const, "wipe" as const, "protect" as const);
export const bytes = fc.oneof(
  fc.integer({ min: 1, max: 4 * 1024 * 1024 * MIB }),
  fc.integer({ min: 1, max: 1024 * 1024 }).map((extents) => extents * EXTENT),
);
export const mode = fc.constantFrom("750", "755", "1777", "000");
export const optional = <T>(value: fc.Arbitrary<T>) => fc.option(value, { nil: undefined });
export const signs = fc.constantFrom<string[][]>([], ["a signature of gpt"], ["mounted at /data", "in use as swap"]);
/** A disk as it should be; a test says what it cares about. */
export const DISK: BlockDevice = {
  path: "/dev/sda",
  type: "disk",
  sizeBytes: 1000 * EXTENT,
  serial: undefined,
  number: "8:0",
  isInUse: false,
  logicalBlockBytes: 512,
  multipath: undefined,
};
export const device = fc.record({
  path: fc.constant("/dev/sda"),
  type: fc.constant("disk"),
  sizeBytes: bytes,
  serial: optional(fc.constantFrom("S1", "S2")),
  number: fc.constant("8:0"),
  isInUse: fc.boolean(),
  logicalBlockBytes: fc.constantFrom(512, 4096),
  multipath: fc.constantFrom(undefined, "/dev/mapper/mpatha"),
});
export const roundUp = (size: number) => Math.ceil(size / EXTENT) * EXTENT;
/** Some of these lines of the ledger. */
export const ledgerOf = (lines: readonly string[]) => fc.subarray([...lines]).map((some) => new Set(some));

/** A volume group with nothing in it. */
export const emptyGroup = (name: string): VolumeGroupReport => ({
  name,
  uuid: "uuid-1",
  extentBytes: EXTENT,
  extents: 9,
  freeExtents: 9,
  maxPhysicalVolumes: 0,
  maxLogicalVolumes: 0,
  isExported: false,
  isReadOnly: false,
  isResizeable: true,
  isShared: false,
  physicalVolumes: [],
  logicalVolumes: [],
});
export const anyGroup = (name: string): fc.Arbitrary<VolumeGroupReport> =>
  fc
    .record({
      uuid,
      extentBytes: fc.constantFrom(EXTENT, 2 * EXTENT),
      maxPhysicalVolumes: fc.constantFrom(0, 1),
      maxLogicalVolumes: fc.constantFrom(0, 1),
      isExported: fc.boolean(),
      isReadOnly: fc.boolean(),
      isResizeable: fc.boolean(),
      isShared: fc.boolean(),
    })
    .map((some) => ({ ...emptyGroup(name), ...some }));
export const linearVolume = (name: string, sizeBytes: number): LogicalVolumeReport => ({
  name,
  uuid: "uuid-1",
  sizeBytes,
  origin: undefined,
  layout: ["linear"],
  isActive: true,
  skipsActivation: false,
  isPartial: false,
});
