import { describe, expect, it } from "vitest";
import type { Ask } from "../../../../providers/facts/fact.ts";
import { filesystem } from "../../../../providers/resources/filesystem.ts";
import { read } from "./steps.ts";

type Inputs = Parameters<typeof filesystem.plan>[0];
type Seen = Parameters<typeof filesystem.plan>[1];

const GIB = 1024 ** 3;
const MIB = 1024 ** 2;
const path = "/dev/vg_jts/lv_redis";
const desired: Inputs = {
  host: "h",
  device: path,
  type: "ext4",
  mkfsOptions: ["-E", "lazy_itable_init=0,discard"],
  onDelete: "retain",
};
const device: NonNullable<Seen["device"]> = {
  path: "/dev/dm-3",
  type: "lvm",
  sizeBytes: 50 * GIB,
  serial: undefined,
  number: "8:1",
  isInUse: false,
  logicalBlockBytes: 512,
  multipath: undefined,
};
const blank: Seen = { device, filesystem: undefined, signs: [], namesakes: [] };
const made = (bytes = 50 * GIB, label?: string): Seen => ({
  ...blank,
  filesystem: { type: "ext4", uuid: "u1", label, bytes, unusableBytes: 0, devices: 1 },
});

describe("the plan of a filesystem", () => {
  it("makes one on a device that the same call proves to be blank and of this size", () => {
    expect(read(filesystem.plan(desired, blank))).toEqual([
      `guard: find-signs-of-use ${path} 53687091200 ''`,
      `safe: make-filesystem ext4 '' ${path} -E lazy_itable_init=0,discard`,
      `safe: udevadm trigger --action=change --settle -- ${path}`,
    ]);
  });

  it("makes one with its label, on the disk of the declared serial number", () => {
    const part = {
      path: "/dev/sda2",
      type: "part",
      sizeBytes: 100 * GIB,
      serial: "S1",
      number: "8:1",
      isInUse: false,
      logicalBlockBytes: 512,
      multipath: undefined,
    };
    const plan = filesystem.plan(
      { ...desired, device: "/dev/sda2", serial: "S1", type: "btrfs", label: "my data", mkfsOptions: [] },
      { ...blank, device: part },
    );
    expect(read(plan).slice(0, 2)).toEqual([
      "guard: find-signs-of-use /dev/sda2 107374182400 S1",
      "safe: make-filesystem btrfs 'my data' /dev/sda2",
    ]);
  });

  it("has no step where it exists, even if some bytes at the device's end stay unused", () => {
    expect(read(filesystem.plan(desired, made()))).toEqual([]);
    expect(read(filesystem.plan({ ...desired, label: "a" }, made(50 * GIB - MIB, "a")))).toEqual([]);
  });

  it("finishes a grow that was interrupted after the device had grown", () => {
    expect(read(filesystem.plan(desired, made(40 * GIB)))).toEqual([`safe: grow-filesystem ext4 ${path}`]);
    expect(read(filesystem.plan(desired, made(50 * GIB - 16 * MIB)))).toEqual([`safe: grow-filesystem ext4 ${path}`]);
  });

  it("has no step where the geometry can't use the rest of the device, and grows it where that is larger", () => {
    const withInodes = (unused: number): Seen => ({
      ...blank,
      filesystem: { ...made(50 * GIB - unused).filesystem!, unusableBytes: 33 * MIB },
    });
    expect(read(filesystem.plan(desired, withInodes(28 * MIB)))).toEqual([]);
    expect(read(filesystem.plan(desired, withInodes(33 * MIB)))).toEqual([`safe: grow-filesystem ext4 ${path}`]);
  });

  it("ignores another label where none is declared, and never makes a filesystem again because of mkfs options", () => {
    expect(read(filesystem.plan({ ...desired, mkfsOptions: ["-m", "0"] }, made(50 * GIB, "theirs")))).toEqual([]);
  });

  it.each<[string, Partial<Inputs>, Seen, string[]]>([
    ["a missing device", {}, { ...blank, device: undefined }, [`refused: there is no device ${path}`]],
    [
      "a device that holds something, sign by sign",
      {},
      { ...blank, signs: ["a signature of xfs", "mounted at /data"] },
      [`refused: ${path} is not blank: a signature of xfs`, `refused: ${path} is not blank: mounted at /data`],
    ],
    [
      "a device of another size",
      { sizeBytes: 1 },
      blank,
      [`refused: ${path} (/dev/dm-3) has 53687091200 bytes instead of 1`],
    ],
    [
      "a device of another serial number, the filesystem on it too",
      { serial: "S1" },
      made(),
      [`refused: ${path} (/dev/dm-3) has the serial number unknown instead of S1`],
    ],
    [
      "the right filesystem of another label",
      { label: "ours" },
      made(50 * GIB, "theirs"),
      [`refused: the ext4 on ${path} has the label theirs instead of ours`],
    ],
    [
      "a filesystem on several devices, of which any may be mounted",
      {},
      { ...blank, filesystem: { ...made().filesystem!, devices: 2 } },
      [`refused: the ext4 on ${path} lies on 2 devices`],
    ],
    [
      "to make a second filesystem of one label",
      { label: "ours" },
      { ...blank, namesakes: [{ device: "/dev/sdz1", number: "65:145", label: "ours", uuid: "u2" }] },
      [
        `refused: the filesystem on /dev/sdz1 has the label ours, too, by which a boot may mount it in place of the one on ${path}`,
      ],
    ],
    [
      "the right filesystem without the label",
      { label: "ours" },
      made(),
      [`refused: the ext4 on ${path} has the label none instead of ours`],
    ],
  ])("refuses %s", (_what, changes, seen, expected) => {
    expect(read(filesystem.plan({ ...desired, ...changes }, seen))).toEqual(expected);
  });
});

describe("the look at a filesystem", () => {
  const look = (types: string[], label?: string, signs = types.map((type) => `a signature of ${type}`)) =>
    filesystem.observe((fact, args) => {
      const answers: Record<string, unknown> = {
        "the links to devices": new Map([[path, device.path]]),
        "the block devices": new Map([[device.path, device]]),
        "what is on the device": {
          signatures: types.map((type) => ({ type, uuid: "u1", label })),
          bytes: types.includes("ext4") ? 50 * GIB : undefined,
          unusableBytes: 0,
          devices: 1,
        },
        "the signs of use": signs,
      };
      if (!(fact.name in answers)) throw new Error(`${fact.name} ${JSON.stringify(args)}`);
      return Promise.resolve(answers[fact.name] as never);
    }, desired);

  it("finds only the declared type", async () => {
    expect((await look(["ext4"])).filesystem).toMatchObject({ type: "ext4", bytes: 50 * GIB });
  });

  it.each([[["xfs"]], [["ext4", "gpt"]], [["gpt", "ext4"]], [["LVM2_member"]]])(
    "finds in %j signs of use, not the declared filesystem",
    async (types) => {
      expect(await look(types)).toMatchObject({
        filesystem: undefined,
        signs: types.map((type) => `a signature of ${type}`),
      });
    },
  );

  it("finds nothing on a blank device", async () => {
    expect(filesystem.isAbsent(desired, await look([]))).toBe(true);
  });

  it("finds nothing where the making was interrupted, and signs of use where there are files after all", async () => {
    const seen = await look(["ext4"], "jts-making", []);
    expect(filesystem.isAbsent(desired, seen)).toBe(true);
    expect(read(filesystem.plan(desired, seen))[1]).toBe(
      `safe: make-filesystem ext4 '' ${path} -E lazy_itable_init=0,discard`,
    );
    expect(read(filesystem.plan(desired, await look(["ext4"], "jts-making")))).toEqual([
      `refused: ${path} is not blank: a signature of ext4`,
    ]);
  });
});

describe("the proof that a filesystem is gone", () => {
  it("is a search for every sign of use, which fails where the device can't be read", async () => {
    const proof = (signs: Promise<string[]>) =>
      filesystem.isProvedAbsent!(
        ((fact: { name: string }) => {
          expect(fact.name).toBe("the signs of use");
          return signs;
        }) as Ask,
        desired,
      );
    expect(await proof(Promise.resolve([]))).toBe(true);
    expect(await proof(Promise.resolve(["in use as swap"]))).toBe(false);
    await expect(proof(Promise.reject(new Error("Input/output error")))).rejects.toThrow("Input/output error");
  });
});

describe("what is absent", () => {
  it("is a filesystem on a blank device, not one whose device is missing, nor one that another has replaced", () => {
    expect(filesystem.isAbsent(desired, blank)).toBe(true);
    expect(filesystem.isAbsent(desired, { ...blank, device: undefined })).toBe(false);
    expect(filesystem.isAbsent(desired, { ...blank, signs: ["a signature of xfs"] })).toBe(false);
    expect(filesystem.isAbsent(desired, made())).toBe(false);
  });
});

describe("the checked options of a filesystem", () => {
  it("refuse in preview a size that mkfs can't make, where it is declared", () => {
    const small = { ...desired, type: "xfs" as const, mkfsOptions: [] };
    expect(filesystem.refuse?.({ ...small, sizeBytes: 200 * MIB })).toEqual([
      { property: "sizeBytes", reason: expect.stringContaining("xfs of 200 MiB is too small") as string },
    ]);
    expect(filesystem.refuse?.(small)).toEqual([]);
  });

  it.each([
    ["xfs", ["-d", "agcount=4,size=10g"]],
    ["btrfs", ["-b", "10g"]],
    ["btrfs", ["--byte-count=10g"]],
  ] as const)("refuse in preview what makes an %s smaller than its device: %j", (type, mkfsOptions) => {
    expect(filesystem.refuse?.({ ...desired, type, mkfsOptions: [...mkfsOptions] })).toEqual([
      { property: "mkfsOptions", reason: expect.stringContaining("smaller than its device") as string },
    ]);
  });

  it("refuse in preview what forbids growing online", () => {
    expect(filesystem.refuse?.({ ...desired, mkfsOptions: ["-O", "sparse_super2"] })).toEqual([
      {
        property: "mkfsOptions",
        reason: expect.stringContaining("sparse_super2 on ext4 forbids growing online") as string,
      },
    ]);
    expect(filesystem.refuse?.({ ...desired, device: "/dev/sda2" })).toEqual([]);
  });

  it.each([
    ["ext4", 16],
    ["xfs", 12],
    ["btrfs", 255],
  ] as const)("refuse in preview a label longer than %s takes, counted in bytes", (type, bytes) => {
    expect(filesystem.refuse?.({ ...desired, mkfsOptions: [], type, label: "a".repeat(bytes) })).toEqual([]);
    for (const label of ["a".repeat(bytes + 1), "ä".repeat(Math.ceil((bytes + 1) / 2)), "jts-making"])
      expect(filesystem.refuse?.({ ...desired, mkfsOptions: [], type, label })).toMatchObject([{ property: "label" }]);
  });
});

it("an XFS label with white space is refused in preview", () => {
  expect(filesystem.refuse?.({ ...desired, mkfsOptions: [], type: "xfs", label: "my data" })).toMatchObject([
    { property: "label" },
  ]);
  expect(filesystem.refuse?.({ ...desired, label: "my data" })).toEqual([]);
});

describe("the removal of a filesystem", () => {
  it("proves its UUID in the same call, and never forces wipefs onto a mounted one", () => {
    expect(read(filesystem.planDestroy({ ...desired, uuid: "u1" }, made()))).toEqual([
      `guard: is-uuid filesystem ${path} u1`,
      `destroys-data: wipe-filesystem ${path}`,
    ]);
  });

  it("has no step where there is none, and refuses another one", () => {
    expect(read(filesystem.planDestroy({ ...desired, uuid: "u1" }, blank))).toEqual([]);
    expect(read(filesystem.planDestroy({ ...desired, uuid: "u2" }, made()))).toEqual([
      `refused: ${path} holds the ext4 u1 instead of ours, u2`,
    ]);
  });
});
