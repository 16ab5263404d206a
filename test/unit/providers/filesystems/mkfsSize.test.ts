import { existsSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { contents } from "../../../../providers/facts/contents.ts";
import { MADE_FILESYSTEMS, type MadeType } from "../../../../providers/filesystems/index.ts";
import { refusedOptions } from "../../../../providers/filesystems/mountOptions.ts";
import { refusedSize } from "../../../../providers/filesystems/mkfsSize.ts";
import { filesystem } from "../../../../providers/resources/filesystem.ts";
import { DISK } from "../../../support/generators.ts";
import { triedFlags } from "../../../support/tried.ts";
import { read } from "../resources/steps.ts";
import { runLocally } from "../runLocally.ts";

const MIB = 1024 ** 2;
const GIB = 1024 ** 3;
const KAFKA = ["-d", "agcount=32,su=64k,sw=1", "-l", "size=128m,su=64k"];

// In memory, where that is possible: mkfs waits for the disk.
const folder = mkdtempSync(join(existsSync("/dev/shm") ? "/dev/shm" : tmpdir(), "jts-mkfs-"));
const device = join(folder, "device");
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Whether mkfs makes it, on a sparse file of that size. */
function makes(type: MadeType, bytes: number, mkfsOptions: readonly string[]): boolean {
  rmSync(device, { force: true });
  writeFileSync(device, "");
  truncateSync(device, bytes);
  return runLocally({ argv: [`mkfs.${type}`, "-q", ...mkfsOptions, "-L", "jts-making", device] }).exitCode === 0;
}

/** The plan right after mkfs. */
function planAfterwards(type: MadeType, bytes: number, mkfsOptions: readonly string[]): string[] {
  const args = { device, type };
  const {
    signatures,
    bytes: ownBytes = 0,
    unusableBytes,
    devices,
  } = contents.parse(runLocally(contents.command(args)), args);
  const seen = { ...DISK, path: device, type: "loop", sizeBytes: bytes };
  return read(
    filesystem.plan(
      { host: "h", device, type, mkfsOptions: [...mkfsOptions], onDelete: "retain" },
      {
        device: seen,
        filesystem: { ...signatures[0]!, bytes: ownBytes, unusableBytes, devices },
        signs: [],
        namesakes: [],
      },
    ),
  );
}

const PATH = (process.env.PATH ?? "").split(":");
const has = (type: MadeType) => PATH.some((bin) => existsSync(join(bin, `mkfs.${type}`)));

const isAccepted = (type: MadeType, mkfsOptions: readonly string[]) =>
  refusedOptions({ type, source: "", options: [], pass: 0, mkfsOptions }).length === 0;

/** With the first size mkfs refuses, and so does the preview; with the second one both accept. */
const LIMITS: readonly [MadeType, string, refused: number, accepted: number][] = [
  ["xfs", "", 300 * MIB - 4096, 300 * MIB],
  ["xfs", KAFKA.join(" "), 4 * GIB, 4 * GIB + 4 * MIB],
  ["xfs", "-d agcount=4,su=64k,sw=1 -l size=64m,su=64k", 296 * MIB, 300 * MIB],
  ["xfs", "-d agcount=8", 512 * MIB, 516 * MIB],
  ["xfs", "-d su=64k,sw=1", 512 * MIB, 516 * MIB],
  ["xfs", "-d sunit=128,swidth=128 -l size=900m", 8 * GIB + 4 * MIB, 8 * GIB],
  ["xfs", "-l size=512m", 2 * GIB, 2 * GIB + 4 * MIB],
  ["xfs", "-d agsize=1g", GIB, 2 * GIB],
  ["xfs", "-d agsize=1g", GIB + 60 * MIB, GIB + 68 * MIB],
  ["xfs", "-d agsize=16m", 20 * GIB, Number.NaN],
  ["xfs", "-d agcount=1", 20 * GIB, Number.NaN],
  ["xfs", "-l agnum=4", 20 * GIB, Number.NaN],
  ["xfs", "-d cowextsize=40000", GIB, 2 * GIB],
  ["xfs", "-d extszinherit=1638401", 50 * GIB, 60 * GIB],
  ["xfs", "-d su=256m,sw=1", GIB, 8 * GIB],
  ["btrfs", "", 109 * MIB - 4096, 109 * MIB],
  ["btrfs", "-m single", 45 * MIB - 4096, 45 * MIB],
  ["btrfs", "--data dup", 229 * MIB - 4096, 229 * MIB],
  ["btrfs", "-d dup --metadata single", 165 * MIB - 4096, 165 * MIB],
  ["btrfs", "-M", 16 * MIB - 4096, 16 * MIB],
  ["ext4", "-J size=1024", 2 * GIB, 3 * GIB],
  ["ext4", "-J size=3", GIB, Number.NaN],
  ["ext4", "-I 2048", 508 * MIB, 512 * MIB],
  ["ext4", "-b 1024 -I 2048", GIB, Number.NaN],
  ["ext4", "-N 10000000", 2 * GIB, 5 * GIB],
  ["ext4", "-i 4096 -I 4096", GIB, Number.NaN],
  ["ext4", "-i 512", GIB, Number.NaN],
  ["ext4", "-g 1001", GIB, Number.NaN],
  ["ext4", "-g 100", GIB, Number.NaN],
  ["ext4", "-I 4096 -T news", 5 * GIB, Number.NaN],
  ["ext4", "-I 4096 -b 4096", 508 * MIB, 512 * MIB],
  ["ext4", "-I 4096 -T small,big", 5 * GIB, Number.NaN],
  ["ext4", "-O bigalloc -C 2048", GIB, 508 * MIB],
  ["ext4", "-O bigalloc -C 64m", 508 * MIB, GIB],
  ["ext4", "-E resize=1000000", 4 * GIB, 3 * GIB],
];

describe("refusedSize", () => {
  it.each(LIMITS)("of %s with `%s` is what mkfs itself refuses", (type, flags, refused, accepted) => {
    const words = flags === "" ? [] : flags.split(" ");
    expect(refusedSize(type, refused, words)).toHaveLength(1);
    if (has(type)) expect(makes(type, refused, words), `${refused} bytes`).toBe(false);
    if (Number.isNaN(accepted)) return;
    expect(refusedSize(type, accepted, words)).toEqual([]);
    if (has(type)) expect(makes(type, accepted, words), `${accepted} bytes`).toBe(true);
  });

  it.each([
    ["ext4", "-I 4096 -T news -O bigalloc"],
    ["ext4", "-I 4096 -T news,big"],
    ["ext4", "-I 4096 -T news -N 1000"],
    ["xfs", "-d su=0 -l su=32k"],
  ] as const)("of %s with `%s` is nothing that mkfs makes", (type, flags) => {
    const bytes = type === "xfs" ? 300 * MIB : 5 * GIB;
    expect(refusedSize(type, bytes, flags.split(" "))).toEqual([]);
    if (has(type)) expect(makes(type, bytes, flags.split(" "))).toBe(true);
  });

  it("says why, and what to write instead", () => {
    expect(refusedSize("xfs", 2 * GIB, KAFKA)).toEqual([
      "is too small: its 32 allocation groups of 64 MiB have no room for a log of 128 MiB; " +
        "write a size above 4 GiB, or a smaller `agcount=` of -d or `size=` of -l",
    ]);
  });

  const SIZES = [300 * MIB, 512 * MIB, 516 * MIB, GIB, 5 * GIB + 28 * MIB, 8 * GIB + 4 * MIB, 50 * GIB, 600 * GIB];
  it.each(Object.keys(MADE_FILESYSTEMS) as MadeType[])(
    "of %s refuses nothing that mkfs makes, with any flag that is accepted",
    (type) => {
      if (!has(type)) return;
      for (const flags of triedFlags(MADE_FILESYSTEMS[type].mkfs).filter((one) => isAccepted(type, one)))
        for (const bytes of SIZES.filter((one) => refusedSize(type, one, flags).length > 0))
          expect(makes(type, bytes, flags), `${flags.join(" ")} at ${bytes}`).toBe(false);
    },
  );
});

it.each(Object.keys(MADE_FILESYSTEMS) as MadeType[])("mkfs.%s refuses what a rule says that it refuses", (type) => {
  if (!has(type)) return;
  for (const { examples } of MADE_FILESYSTEMS[type].mkfs.refused.filter(({ outcome }) => outcome === "mkfs refuses"))
    for (const { mkfsOptions = [] } of examples)
      expect(makes(type, 50 * GIB, mkfsOptions), mkfsOptions.join(" ")).toBe(false);
});

describe("right after mkfs there is nothing to grow", () => {
  // What is left after 5 GiB is too small for a block group of large inodes.
  const SIZES = [5 * GIB + 28 * MIB];
  const MORE: Readonly<Record<MadeType, readonly string[]>> = {
    ext4: ["-b 1024 -I 1024", "-i 1024", "-O ^flex_bg -I 4096", "-O bigalloc -C 262144", "-G 16384 -I 4096"],
    xfs: [KAFKA.join(" "), "-d su=1m,sw=7", "-d agsize=1g,su=192k,sw=5", "-d agcount=7,su=1m,sw=3"],
    btrfs: ["-M -d dup -m dup", "-m single -d dup"],
  };
  /** One value of each flag and word: the last one, mostly the largest. */
  const lastTried = (type: MadeType) =>
    new Map(triedFlags(MADE_FILESYSTEMS[type].mkfs).map((all) => [all.join(" ").replace(/( [0-9]|=).*/, ""), all]));
  it.each(Object.keys(MADE_FILESYSTEMS) as MadeType[])("on %s, with each flag that is accepted", (type) => {
    if (!has(type)) return;
    const all = [...lastTried(type).values(), ...MORE[type].map((flags) => flags.split(" "))];
    let made = 0;
    for (const flags of all.filter((one) => isAccepted(type, one))) {
      for (const bytes of SIZES) {
        if (refusedSize(type, bytes, flags).length > 0) continue;
        expect(makes(type, bytes, flags), `${flags.join(" ")} at ${bytes}`).toBe(true);
        expect(planAfterwards(type, bytes, flags), `${flags.join(" ")} at ${bytes}`).toEqual([]);
        made++;
      }
    }
    expect(made).toBeGreaterThan(all.length / 2);
  });

  it("on an ext4 whose last block group has no room for its inodes, which leaves more unused than any other", () => {
    const [bytes, flags] = [5 * GIB + 28 * MIB, ["-I", "4096"]];
    if (!has("ext4")) return;
    makes("ext4", bytes, flags);
    const args = { device, type: "ext4" };
    const found = contents.parse(runLocally(contents.command(args)), args);
    expect(found.bytes).toBe(5 * GIB);
    expect(found.unusableBytes).toBeGreaterThan(28 * MIB);
    expect(found.unusableBytes).toBeLessThan(40 * MIB);
  });
});
