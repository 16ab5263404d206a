import { describe, expect, it } from "vitest";
import {
  FILESYSTEMS,
  filesystemOf,
  fsckPass,
  MADE_TYPES,
  packagesOf,
} from "../../../../providers/filesystems/index.ts";
import { canRemount } from "../../../../providers/filesystems/mountOptions.ts";

describe("what is known of a type", () => {
  it("is the same for nfs4 as for nfs, and nothing for a name that every JavaScript object has", () => {
    expect(filesystemOf("nfs4")).toBe(FILESYSTEMS.nfs);
    expect(filesystemOf("constructor")).toBe(filesystemOf("vfat"));
  });

  it("lets fsck(8) check only ext4 at boot, of the types that are made here", () => {
    expect(MADE_TYPES.filter((type) => fsckPass(type) !== 0)).toEqual(["ext4"]);
  });

  it.each([
    ["ext4", ["e2fsprogs"]],
    ["xfs", ["xfsprogs"]],
    ["btrfs", ["btrfs-progs"]],
    ["nfs", ["nfs-common"]],
    ["nfs4", ["nfs-common"]],
    ["none", []],
    ["vfat", []],
  ])("names the Debian packages of %s", (type, packages) => {
    expect(packagesOf(type)).toEqual(packages);
  });

  it.each(Object.entries(FILESYSTEMS))(
    "gives each reason for a refusal of %s in words that follow the option",
    (_type, known) => {
      for (const { reason } of [...known.refused, ...(known.mkfs?.refused ?? [])])
        expect(reason).toMatch(/^(does|is|loses|makes|forbids|needs) /);
    },
  );
});

describe("canRemount", () => {
  it.each([
    ["ext4", "commit=30 is missing", true],
    ["ext4", "data=writeback is missing", false],
    ["xfs", "noatime was not asked for", true],
    ["xfs", "logbufs=8 is missing", false],
    ["btrfs", "compress=zstd:3 is missing", true],
    ["btrfs", "subvol=/a is missing", false],
    ["btrfs", "subvolid=5 is missing", false],
    ["nfs", "ro was not asked for", false],
    ["nfs4", "ro was not asked for", false],
    ["none", "ro is missing", true],
    ["vfat", "uid=5 is missing", true],
  ])("for a mount of %s where %s is %s", (type, difference, expected) => {
    expect(canRemount(type, [difference])).toBe(expected);
  });

  it("is false where one of several differences needs a new mount", () => {
    expect(canRemount("ext4", ["commit=30 is missing", "data=journal is missing"])).toBe(false);
  });
});
