import fc from "fast-check";
import { fstabEntry } from "../../../providers/resources/fstabEntry.ts";
import { putEntry } from "../../../providers/values/fstabText.ts";
import { exampleOf } from "../example.ts";
import { ledgerOf, optional, path, word } from "../generators.ts";

/** What is seen beside the line and the mount of an ordinary host. */
export const NOTHING_ELSE = {
  twins: [],
  links: new Map<string, string>(),
  hider: undefined,
  namesakes: [],
  hasAutomount: false,
  isLink: false,
  unitFile: undefined,
  inForce: [],
};

/** What may be seen of a mount point, whatever is to be mounted there. */
export function seenAt(mountPoint: string) {
  return fc.record({
    text: fc.constantFrom("", "LABEL=root / ext4 defaults 0 1\n", "# comment\nproc /proc proc"),
    found: optional(
      fc.record({
        entry: fc.record({
          source: fc.constantFrom("LABEL=a", "/dev/sda", "nas:/a"),
          mountPoint: fc.constant(mountPoint),
          type: fc.constantFrom("ext4", "xfs", "nfs"),
          options: fc.subarray(["noatime", "commit=30", "vers=3"], { minLength: 1 }),
          dump: fc.constant(0),
          pass: fc.constantFrom(0, 2),
        }),
        isOurs: fc.boolean(),
      }),
    ),
    mount: optional(
      fc.record({
        target: fc.constant(mountPoint),
        source: fc.constantFrom("/dev/sda", "nas:/a"),
        type: fc.constant("ext4"),
        root: fc.constant("/"),
        number: fc.constant("8:1"),
        mountOptions: fc.subarray(["rw", "ro", "noatime", "nosuid"]),
        filesystemOptions: fc.subarray(["rw", "commit=30", "data=writeback"]),
      }),
    ),
    twins: fc.constant([]),
    links: fc.constant(new Map<string, string>()),
    hider: fc.constant(undefined),
    namesakes: fc.constant([]),
    hasAutomount: fc.boolean(),
    isLink: fc.constant(false),
    unitFile: fc.constant(undefined),
    inForce: fc.subarray(["noatime", "commit=30"]),
    isSource: fc.boolean(),
    isSameSource: fc.boolean(),
    made: ledgerOf([`immutable ${mountPoint}`, `directory ${mountPoint}`]),
  });
}

export const example = exampleOf(fstabEntry, {
  least: {
    declared: { source: "LABEL=jts-warm-storage", mountPoint: "/data/warm-storage", type: "btrfs" },
    added: {
      options: ["defaults"],
      dump: 0,
      pass: 0,
      fstabLine: "LABEL=jts-warm-storage /data/warm-storage btrfs defaults 0 0",
    },
  },
  declared: {
    source: "LABEL=jts-warm-storage",
    mountPoint: "/data/warm-storage",
    type: "btrfs",
    options: ["noatime", "nofail", "compress=zstd:3"],
  },
  before({ signatures }) {
    const label = "jts-warm-storage";
    signatures["/dev/sda2"] = { type: "btrfs", label, uuid: "fs-1", bytes: 999_129_350_144 };
  },
  drift({ files }) {
    const fstab = files["/etc/fstab"]!;
    fstab.content = fstab.content!.replace("compress=zstd:3", "compress=lzo");
  },
  // The line, and that the mount isn't as it says.
  drifted: {
    options: ["noatime", "nofail", "compress=lzo"],
    drift: ["remount /data/warm-storage (compress=lzo is missing)"],
  },
  takesAnyText: ["source", "mountPoint", "options"],

  inputs: fc.record({
    host: word,
    source: fc.constantFrom("LABEL=a", "UUID=1"),
    mountPoint: path,
    type: fc.constantFrom("ext4", "xfs", "btrfs"),
    options: fc.subarray(["noatime", "nofail", "commit=30", "x-systemd.device-timeout=5min", "defaults"], {
      minLength: 1,
    }),
    dump: fc.constant(0),
    pass: fc.constant(0),
  }),
  converged: ({ host: _, ...entry }) => ({
    text: putEntry("", entry),
    found: { entry, isOurs: true },
    mount: {
      target: entry.mountPoint,
      source: "/dev/sda",
      type: entry.type,
      root: "/",
      number: "8:1",
      mountOptions: ["rw", ...entry.options.filter((option) => option === "noatime")],
      filesystemOptions: ["rw", ...entry.options.filter((option) => option === "commit=30")],
    },
    ...NOTHING_ELSE,
    isSource: true,
    isSameSource: true,
    made: new Set<string>(),
  }),
  any: ({ mountPoint }) => seenAt(mountPoint),
});
