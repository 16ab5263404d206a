import { describe, expect, it } from "vitest";
import {
  FILESYSTEMS,
  filesystemOf,
  fsckPass,
  MADE_TYPES,
  packagesOf,
} from "../../../../providers/filesystems/index.ts";
import { liveDifferences, remountOptions } from "../../../../providers/filesystems/mountOptions.ts";

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

describe("remountOptions", () => {
  it.each<[string, string[], string[], string | undefined]>([
    ["ext4", ["commit=30"], ["rw"], "remount"],
    ["ext4", ["data=writeback"], ["rw"], undefined],
    ["ext4", ["commit=30", "data=journal"], ["rw"], undefined],
    ["ext4", ["delalloc"], ["rw", "nodelalloc"], "remount,delalloc"],
    ["ext4", ["nodelalloc"], ["rw"], undefined],
    ["ext4", [], ["rw", "commit=60", "noatime"], "remount,commit=5,relatime"],
    ["ext4", ["strictatime"], ["rw", "noatime"], "remount,relatime"],
    ["ext4", ["rw"], ["ro"], "remount,rw"],
    ["xfs", [], ["rw", "noatime"], "remount,relatime"],
    ["xfs", ["logbufs=8"], ["rw", "logbufs=4"], undefined],
    ["xfs", [], ["rw", "inode32"], "remount,inode64"],
    ["xfs", ["ro", "norecovery", "nosuid"], ["ro", "norecovery"], undefined],
    ["ext4", ["dirsync", "nosuid"], ["rw", "dirsync"], undefined],
    ["btrfs", ["compress=zstd:3"], ["rw"], "remount"],
    ["btrfs", [], ["rw", "compress=zstd:3", "autodefrag"], "remount,compress=no,noautodefrag"],
    ["btrfs", ["subvol=/a"], ["rw", "subvol=/"], undefined],
    ["btrfs", ["subvolid=5"], ["rw", "subvolid=256"], undefined],
    ["nfs", ["rw"], ["ro"], undefined],
    ["nfs4", ["rw"], ["ro"], undefined],
    ["none", ["bind", "ro"], ["rw"], "remount,bind"],
    ["vfat", ["uid=5"], ["rw", "uid=0"], "remount"],
  ])("for a mount of %s with %j declared and %j shown is %s", (type, declared, shown, expected) => {
    const differences = liveDifferences(type, declared, shown);
    expect(differences).not.toEqual([]);
    expect(remountOptions(type, declared, differences)).toBe(expected);
  });
});
