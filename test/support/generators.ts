import fc from "fast-check";

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
export const device = fc.record({
  path: fc.constant("/dev/sda"),
  type: fc.constant("disk"),
  sizeBytes: bytes,
  serial: optional(fc.constantFrom("S1", "S2")),
  number: fc.constant("8:0"),
  isInUse: fc.boolean(),
});
export const roundUp = (size: number) => Math.ceil(size / EXTENT) * EXTENT;
/** Some of these lines of the ledger. */
export const ledgerOf = (lines: readonly string[]) => fc.subarray([...lines]).map((some) => new Set(some));
