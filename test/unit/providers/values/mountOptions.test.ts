import { describe, expect, it } from "vitest";
import { mountAt, mounts } from "../../../../providers/facts/mounts.ts";
import { findEntry, OURS } from "../../../../providers/values/fstabText.ts";
import { liveDifferences, refusedOptions, type MountRequest } from "../../../../providers/values/mountOptions.ts";
import { fixture } from "../../../fixtures/fixture.ts";

const good: MountRequest = { type: "ext4", source: "LABEL=a", options: ["noatime", "nofail"], pass: 0 };

describe("refusedOptions", () => {
  const withoutJournal = ["-O", "^has_journal"];
  it.each<[string, Partial<MountRequest>, string]>([
    ["commit= on an ext4 without journal", { options: ["commit=30"], mkfsOptions: withoutJournal }, "commit=30 on ext4 does not mount"],
    ["data= on an ext4 without journal", { options: ["data=writeback"], mkfsOptions: withoutJournal }, "data=writeback on ext4 does not mount"],
    ["data= on an ext4 without journal, written as one argument", { options: ["data=writeback"], mkfsOptions: ["-Oextent,^has_journal"] }, "does not mount"],
    ["barrier=0 on ext4", { options: ["barrier=0"] }, "loses committed data"],
    ["nobarrier on ext4", { options: ["nobarrier"] }, "loses committed data"],
    ["nobarrier on ext3", { type: "ext3", options: ["nobarrier"] }, "loses committed data"],
    ["nobarrier on btrfs", { type: "btrfs", options: ["nobarrier"] }, "loses committed data"],
    ["sparse_super2", { mkfsOptions: ["-O", "sparse_super2"] }, "forbids growing online"],
    ["sparse_super2 among others", { mkfsOptions: ["-E", "lazy_itable_init=0", "-O", "extent,sparse_super2"] }, "forbids growing online"],
    ["sparse_super2 with a value", { mkfsOptions: ["-Esparse_super2=1"] }, "forbids growing online"],
    ["nobarrier on XFS", { type: "xfs", options: ["nobarrier"] }, "unknown to XFS since Linux 4.19"],
    ["barrier on XFS", { type: "xfs", options: ["barrier"] }, "unknown to XFS since Linux 4.19"],
    ["intr on NFS", { type: "nfs", source: "nas:/a", options: ["intr"] }, "ignored since Linux 2.6.25"],
    ["nointr on NFSv4", { type: "nfs4", source: "nas:/a", options: ["nointr"] }, "ignored since Linux 2.6.25"],
    ["fsck pass 2 on btrfs", { type: "btrfs", pass: 2 }, "write 0"],
    ["fsck pass 1 on XFS", { type: "xfs", pass: 1 }, "write 0"],
    ["fsck pass 2 on a bind mount", { type: "none", source: "/a", options: ["bind"], pass: 2 }, "write 0"],
    ["a SCSI disk's name", { source: "/dev/sda2" }, "may name another device after the next boot"],
    ["an NVMe disk's name", { source: "/dev/nvme0n1p1" }, "may name another device"],
    ["a device mapper number", { source: "/dev/dm-3" }, "may name another device"],
  ])("refuses %s, alone and by name", (_what, request, reason) => {
    const refused = refusedOptions({ ...good, ...request });
    expect(refused).toHaveLength(1);
    expect(refused[0]?.reason).toContain(reason);
    expect(refused[0]?.reason).toContain(refused[0]?.option);
  });

  it("tells everything that is wrong at once", () => {
    const refused = refusedOptions({ type: "xfs", source: "/dev/sdb", options: ["nobarrier", "noatime"], pass: 2 });
    expect(refused.map(({ option }) => option)).toEqual(["nobarrier", "pass 2", "/dev/sdb"]);
  });

  const common = ["noatime", "nofail", "x-systemd.device-timeout=5min"];
  const ext4 = { type: "ext4", pass: 2, mkfsOptions: ["-E", "lazy_itable_init=0,lazy_journal_init=0,discard"] };
  it.each<[string, MountRequest]>([
    ["postgres", { ...ext4, source: "/dev/vg_jts/lv_postgres", options: [...common, "data=writeback", "commit=30"] }],
    ["clickhouse", { ...ext4, source: "/dev/vg_jts/lv_clickhouse", options: [...common, "data=ordered", "commit=5"] }],
    ["kafka", { type: "xfs", source: "/dev/vg_jts/lv_kafka", options: [...common, "logbufs=8", "logbsize=256k", "largeio", "swalloc"], pass: 0, mkfsOptions: ["-d", "agcount=32,su=64k,sw=1", "-l", "size=128m,su=64k"] }],
    ["local backup", { ...ext4, source: "/dev/vg_jts/lv_local_backup", options: [...common, "nodev", "nosuid"] }],
    ["a bind mount", { type: "none", source: "/var/lib/kafka", options: ["bind", "nofail"], pass: 0 }],
    ["warm", { type: "btrfs", source: "LABEL=jts-warm-storage", options: ["compress=zstd:3", "autodefrag", "noatime", "nofail"], pass: 0 }],
    ["cold", { type: "nfs", source: "192.168.1.101:/volume1/cocodev", options: ["vers=3", "rw", "hard", "rsize=1048576", "wsize=1048576", "timeo=600", "retrans=2", "_netdev", "nofail"], pass: 0 }],
    ["an ext4 that keeps its journal explicitly", { ...ext4, source: "UUID=1", options: ["commit=30"], mkfsOptions: ["-O", "has_journal,^sparse_super2"] }],
  ])("takes the options of %s", (_what, request) => {
    expect(refusedOptions(request)).toEqual([]);
  });
});

describe("liveDifferences", () => {
  const all = mounts.parse(fixture("findmnt-jts.json"), undefined);
  const live = (target: string) => {
    const mount = mountAt(all, target);
    return mount === undefined ? [] : [...mount.mountOptions, ...mount.filesystemOptions];
  };
  const fstab = fixture("fstab-jts.txt").stdout;
  const ours = fstab.split("\n").filter((line) => line.includes(OURS)).map((line) => line.split(" ")[1] ?? "");

  it.each(ours)("finds the captured mount of %s as its line of fstab declares it, the NFS sizes negotiated down", (target) => {
    const { type, options } = findEntry(fstab, target)!.entry;
    expect(liveDifferences(type, options, live(target))).toEqual([]);
  });

  it.each<[string, string, string[], string]>([
    ["a changed value", "/var/lib/postgresql", ["noatime", "commit=60", "data=writeback"], "commit=60 is missing"],
    ["an option that the kernel would show", "/var/lib/redis", ["noatime", "data=writeback", "commit=30"], "commit=30 is missing"],
    ["another default", "/var/lib/redis", ["noatime", "data=ordered"], "data=ordered is missing"],
    ["a missing flag", "/var/lib/docker-jts", ["noatime", "nosuid"], "nosuid is missing"],
    ["a flag that nobody asked for", "/data/local-backup", ["noatime", "nodev"], "nosuid was not asked for"],
    ["another compression level", "/data/warm-storage", ["noatime", "compress=zstd:9"], "compress=zstd:9 is missing"],
    ["another log buffer size", "/var/lib/kafka", ["noatime", "logbsize=128k"], "logbsize=128k is missing"],
    ["an NFS size larger than declared", "/mnt/synology", ["rsize=32768"], "rsize=32768 is missing"],
    ["another NFS version", "/mnt/synology", ["vers=4"], "vers=4 is missing"],
    ["soft instead of hard", "/mnt/synology", ["soft"], "soft is missing"],
  ])("tells %s", (_what, target, declared, difference) => {
    const type = mountAt(all, target)!.type;
    expect(liveDifferences(type, declared, live(target))).toEqual([difference]);
  });

  it("tells that a mount fell back to read-only", () => {
    expect(liveDifferences("ext4", ["rw", "noatime"], ["ro", "noatime", "rw", "commit=30"])).toEqual(["ro was not asked for"]);
  });

  it.each<[string, string, string[], string[]]>([
    ["words for mount(8) and systemd alone", "ext4", ["defaults", "nofail", "_netdev", "noauto", "x-systemd.device-timeout=5min", "X-mount.mkdir"], ["rw"]],
    ["flags that are so anyway", "ext4", ["rw", "suid", "dev", "exec", "async"], ["rw", "relatime"]],
    ["values that are the kernel's default", "ext4", ["commit=5", "data=ordered", "acl", "user_xattr"], ["rw"]],
    ["a size in another unit", "xfs", ["allocsize=64m"], ["rw", "allocsize=65536k"]],
    ["a compression level left to the kernel", "btrfs", ["compress=zstd"], ["rw", "compress=zstd:3"]],
    ["a subvolume without its slash", "btrfs", ["subvol=data"], ["rw", "subvolid=256", "subvol=/data"]],
    ["NFS 4 of the minor version that both speak", "nfs", ["vers=4"], ["rw", "vers=4.2", "rsize=65536"]],
    ["other words for NFS", "nfs", ["nfsvers=3", "tcp", "bg", "retry=2", "actimeo=30"], ["rw", "vers=3", "proto=tcp", "acregmin=30"]],
    ["the flags that a bind mount takes over", "none", ["bind"], ["rw", "nosuid", "nodev", "noatime"]],
  ])("tells no difference for %s", (_what, type, declared, shown) => {
    expect(liveDifferences(type, declared, shown)).toEqual([]);
  });
});
