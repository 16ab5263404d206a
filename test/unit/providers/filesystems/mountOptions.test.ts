import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { FILESYSTEMS, MADE_FILESYSTEMS } from "../../../../providers/filesystems/index.ts";
import {
  liveDifferences,
  refusedOptions,
  remountOptions,
  type MountRequest,
} from "../../../../providers/filesystems/mountOptions.ts";
import { mountAt, mounts } from "../../../../providers/facts/mounts.ts";
import { findEntry, OURS } from "../../../../providers/values/fstabText.ts";
import { fixture } from "../../../fixtures/fixture.ts";
import { triedFlags, triedOptions } from "../../../support/tried.ts";

const good: MountRequest = { type: "ext4", source: "LABEL=a", options: ["noatime", "nofail"], pass: 0 };

describe("refusedOptions", () => {
  const withoutJournal = ["-O", "^has_journal"];
  it.each<[string, Partial<MountRequest>, string]>([
    [
      "commit= on an ext4 without journal",
      { options: ["commit=30"], mkfsOptions: withoutJournal },
      "commit=30 on ext4 does not mount",
    ],
    [
      "data= on an ext4 without journal",
      { options: ["data=writeback"], mkfsOptions: withoutJournal },
      "data=writeback on ext4 does not mount",
    ],
    [
      "data= on an ext4 without journal, written as one argument",
      { options: ["data=writeback"], mkfsOptions: ["-Oextent,^has_journal"] },
      "does not mount",
    ],
    ["barrier=0 on ext4", { options: ["barrier=0"] }, "loses committed data"],
    ["nobarrier on ext4", { options: ["nobarrier"] }, "loses committed data"],
    ["nobarrier on ext3", { type: "ext3", options: ["nobarrier"] }, "loses committed data"],
    ["nobarrier on btrfs", { type: "btrfs", options: ["nobarrier"] }, "loses committed data"],
    ["sparse_super2", { mkfsOptions: ["-O", "sparse_super2"] }, "forbids growing online"],
    [
      "sparse_super2 among others",
      { mkfsOptions: ["-E", "lazy_itable_init=0", "-O", "extent,sparse_super2"] },
      "forbids growing online",
    ],
    ["sparse_super2 with a value", { mkfsOptions: ["-Esparse_super2=1"] }, "forbids growing online"],
    ["nobarrier on XFS", { type: "xfs", options: ["nobarrier"] }, "unknown to XFS since Linux 4.19"],
    ["barrier on XFS", { type: "xfs", options: ["barrier"] }, "unknown to XFS since Linux 4.19"],
    ["an option that XFS lost in Linux 4.0", { type: "xfs", options: ["delaylog"] }, "unknown to XFS since Linux 4.0"],
    ["noacl on ext4", { options: ["noacl"] }, "does not mount"],
    ["an option that ext4 dropped", { options: ["nobh"] }, "is ignored by Linux 6.1"],
    [
      "a log buffer below the log's stripe unit",
      { type: "xfs", options: ["logbsize=32k"], mkfsOptions: ["-l", "size=128m,su=64k"] },
      "smaller than the log's stripe unit",
    ],
    ["norecovery on a writable XFS", { type: "xfs", options: ["norecovery"] }, "does not mount unless read-only"],
    [
      "nospace_cache on a btrfs that is made here",
      { type: "btrfs", options: ["nospace_cache"], mkfsOptions: [] },
      "free space tree",
    ],
    ["inode_cache on btrfs", { type: "btrfs", options: ["inode_cache"] }, "ignored since Linux 5.11"],
    ["check_int on btrfs", { type: "btrfs", options: ["check_int"] }, "Debian builds the kernel without it"],
    ["an automount of a disk", { options: ["x-systemd.automount"] }, "services start before that"],
    ["an automount of a bind mount", { type: "none", options: ["bind", "x-systemd.automount"] }, "leave it out"],
    ["an automount, by its old name", { options: ["comment=systemd.automount"] }, "services start before that"],
    ["a filesystem that boot would make", { type: "xfs", options: ["x-systemd.makefs"] }, "make a filesystem at boot"],
    ["NFS over UDP", { type: "nfs", source: "nas:/a", options: ["proto=udp"] }, "write proto=tcp"],
    [
      "lazytime on a bind mount",
      { type: "none", source: "/a", options: ["bind", "lazytime"] },
      "ignored by a bind mount",
    ],
    ["a typo", { options: ["noatimee"] }, "is not an option in ext4(5) and mount(8)"],
    ["a value that is not a number", { options: ["commit=abc"] }, "takes a number of seconds, see ext4(5)"],
    ["a value where there must be none", { options: ["noatime=1"] }, "takes no value"],
    ["an option without its value", { options: ["commit"] }, "takes a number of seconds"],
    ["a name that every JavaScript object has", { options: ["constructor"] }, "is not an option"],
    ["a compression level that btrfs cuts down", { type: "btrfs", options: ["compress=zstd:16"] }, "zstd[:1-15]"],
    ["too many log buffers", { type: "xfs", options: ["logbufs=9"] }, "takes 2, 3, 4, 5, 6, 7, 8, see xfs(5)"],
    [
      "a preallocation that is not a power of 2",
      { type: "xfs", options: ["allocsize=100m"] },
      "a size from 4k to 1g, a power of 2",
    ],
    ["a log buffer of an unknown size", { type: "xfs", options: ["logbsize=48k"] }, "takes 16k, 32k"],
    ["an option of ext4 on XFS", { type: "xfs", options: ["data=writeback"] }, "but one of ext4; leave it out"],
    ["an unknown NFS version", { type: "nfs", source: "nas:/a", options: ["vers=5"] }, "see nfs(5)"],
    ["an unknown NFS version, of type nfs4", { type: "nfs4", source: "nas:/a", options: ["vers=5"] }, "see nfs(5)"],
    [
      "an option of ext4 on a bind mount",
      { type: "none", source: "/a", options: ["bind", "commit=30"] },
      "is not an option in mount(8), but one of ext4, btrfs",
    ],
    ["-F of mkfs.ext4", { mkfsOptions: ["-F"] }, "proved without it"],
    ["-F among other flags", { mkfsOptions: ["-qF"] }, "proved without it"],
    ["-f of mkfs.xfs", { type: "xfs", mkfsOptions: ["-f"] }, "overwrite what it finds"],
    ["--force of mkfs.btrfs", { type: "btrfs", mkfsOptions: ["--force"] }, "overwrite what it finds"],
    ["a dry run of mkfs.ext4", { mkfsOptions: ["-n"] }, "makes no filesystem"],
    ["a dry run of mkfs.xfs", { type: "xfs", mkfsOptions: ["-N"] }, "makes no filesystem"],
    ["another type by mkfs.ext4", { mkfsOptions: ["-t", "ext2"] }, "something other than ext4"],
    ["a label", { mkfsOptions: ["-L", "theirs"] }, "is a label that nothing checks"],
    ["a UUID", { type: "btrfs", mkfsOptions: ["--uuid=11111111-2222-4333-8444-555555555555"] }, "is a UUID that"],
    [
      "a UUID of mkfs.xfs",
      { type: "xfs", mkfsOptions: ["-m", "uuid=11111111-2222-4333-8444-555555555555"] },
      "is a UUID that",
    ],
    ["blocks larger than a page", { type: "xfs", mkfsOptions: ["-b", "size=8192"] }, "larger than a page of memory"],
    ["copies on other devices", { type: "btrfs", mkfsOptions: ["--data", "raid1"] }, "needs more than one device"],
    [
      "a log on another device, which nobody proved blank",
      { type: "xfs", mkfsOptions: ["-l", "size=64m,logdev=/dev/sdb"] },
      "is not one of the words that -l takes",
    ],
    [
      "a journal on another device, which nobody proved blank",
      { mkfsOptions: ["-J", "device=/dev/sdb"] },
      "is not one of the words that -J takes",
    ],
    [
      "a realtime section",
      { type: "xfs", mkfsOptions: ["-r", "rtdev=/dev/sdb"] },
      "is not one of the flags of mkfs.xfs(8) that are accepted",
    ],
    [
      "values from a file of the host",
      { type: "xfs", mkfsOptions: ["-c", "options=/tmp/any"] },
      "is not one of the flags",
    ],
    ["only the superblocks", { mkfsOptions: ["-S"] }, "is not one of the flags of mkfs.ext4(8)"],
    ["a second device", { type: "btrfs", mkfsOptions: ["-d", "single", "../dev/sdb"] }, "would take it for a device"],
    ["an end of the flags", { mkfsOptions: ["--"] }, "is not one of the flags"],
    [
      "an abbreviated long flag, which getopt accepts",
      { type: "btrfs", mkfsOptions: ["--forc"] },
      "is not one of the flags",
    ],
    ["a feature with a typo", { mkfsOptions: ["-O", "^has_jornal"] }, "is not one of the words that -O takes"],
    [
      "an extended option with a typo",
      { mkfsOptions: ["-E", "lazy_itable_init=0,discrad"] },
      "is not one of the words that -E takes",
    ],
    [
      "a word of mkfs with an unknown value",
      { mkfsOptions: ["-E", "lazy_itable_init=2"] },
      "takes 0, 1, or no value, see mkfs.ext4(8)",
    ],
    ["an unknown value of a flag", { mkfsOptions: ["-b", "3000"] }, "takes 1024, 2048, 4096"],
    ["a flag without its value", { mkfsOptions: ["-b"] }, "takes 1024, 2048, 4096"],
    ["half of a stripe of mkfs.xfs", { type: "xfs", mkfsOptions: ["-d", "su=64k"] }, "needs both su= and sw="],
    ["its other half", { type: "xfs", mkfsOptions: ["-d", "sw=1"] }, "needs both su= and sw="],
    [
      "half of a stripe in sectors",
      { type: "xfs", mkfsOptions: ["-d", "swidth=128"] },
      "needs both sunit= and swidth=",
    ],
    ["a stripe without disks", { type: "xfs", mkfsOptions: ["-d", "su=64k,sw=0"] }, "no multiple of its unit"],
    ["a log's stripe that is too large", { type: "xfs", mkfsOptions: ["-l", "su=512k"] }, "a block up to 256 KiB"],
    ["a log's stripe of parts of blocks", { type: "xfs", mkfsOptions: ["-l", "sunit=100"] }, "a multiple of a block"],
    ["a log that is too large", { type: "xfs", mkfsOptions: ["-l", "size=3g"] }, "at least 64m, below 2038m"],
    [
      "a log of parts of its stripe",
      { type: "xfs", mkfsOptions: ["-l", "size=67112960,su=32k"] },
      "is no multiple of the log's stripe unit",
    ],
    [
      "inodes larger than half of a block",
      { type: "xfs", mkfsOptions: ["-b", "size=1k", "-i", "size=1024"] },
      "larger than half of a block",
    ],
    [
      "inodes smaller than the smallest",
      { type: "xfs", mkfsOptions: ["-b", "size=2048", "-i", "perblock=8"] },
      "smaller than 512 bytes",
    ],
    [
      "sectors larger than a block",
      { type: "xfs", mkfsOptions: ["-b", "size=1024", "-s", "size=4096"] },
      "makes sectors larger than a block",
    ],
    [
      "a size of inodes, twice said",
      { type: "xfs", mkfsOptions: ["-i", "perblock=8", "-i", "size=2048"] },
      "perblock=8 on xfs is beside size=",
    ],
    [
      "hints for copies that reflink would make",
      { type: "xfs", mkfsOptions: ["-m", "reflink=0", "-d", "cowextsize=32"] },
      "cowextsize=32 on xfs needs reflink",
    ],
    ["one allocation group", { type: "xfs", mkfsOptions: ["-d", "agcount=1"] }, "takes a number from 2 to"],
    [
      "a word of mkfs.xfs twice",
      { type: "xfs", mkfsOptions: ["-b", "size=1024", "-b", "size=2048"] },
      "size=2048 on xfs is written twice",
    ],
    [
      "a word of mkfs.xfs twice in one flag",
      { type: "xfs", mkfsOptions: ["-m", "bigtime=1,bigtime=1"] },
      "bigtime=1 on xfs is written twice",
    ],
    [
      "a seed of checksums that are off",
      { mkfsOptions: ["-O", "metadata_csum_seed,^metadata_csum"] },
      "metadata_csum_seed on ext4 needs metadata_csum",
    ],
    ["the size of groups that are off", { mkfsOptions: ["-O", "^flex_bg", "-G", "16"] }, "what ^flex_bg turns off"],
    ["a cluster's size without clusters", { mkfsOptions: ["-C", "16384"] }, "add `-O bigalloc`"],
    ["an encoding's flags alone", { mkfsOptions: ["-E", "encoding_flags=strict"] }, "add encoding=utf8"],
    ["seconds that mkfs refuses", { mkfsOptions: ["-E", "mmp_update_interval=301"] }, "from 0 to 300"],
    ["intr on NFS", { type: "nfs", source: "nas:/a", options: ["intr"] }, "ignored since Linux 2.6.25"],
    ["nointr on NFSv4", { type: "nfs4", source: "nas:/a", options: ["nointr"] }, "ignored since Linux 2.6.25"],
    ["fsck pass 2 on btrfs", { type: "btrfs", pass: 2 }, "write 0"],
    ["fsck pass 1 on XFS", { type: "xfs", pass: 1 }, "write 0"],
    ["fsck pass 2 on a bind mount", { type: "none", source: "/a", options: ["bind"], pass: 2 }, "write 0"],
    ["a loop device", { options: ["loop"] }, "mount a loop device in place of the device"],
    ["an offset, which needs a loop device", { type: "btrfs", options: ["offset=0"] }, "mount a loop device"],
    ["delalloc beside data in the journal", { options: ["data=journal", "delalloc"] }, "does not mount beside"],
    ["dioread_nolock beside data in the journal", { options: ["dioread_nolock", "data=journal"] }, "turned off by"],
    ["commits that need data=writeback", { options: ["journal_async_commit"] }, "write data=writeback beside it"],
    ["a stripe of 0, for which the superblock's is taken", { options: ["stripe=0"] }, "a number of blocks from 1 to"],
    ["data_err= on an ext4 without journal", { options: ["data_err=abort"], mkfsOptions: withoutJournal }, "a journal"],
    ["recovery on btrfs", { type: "btrfs", options: ["recovery"] }, "write usebackuproot"],
    ["nologreplay on btrfs", { type: "btrfs", options: ["nologreplay", "ro"] }, "write norecovery"],
    [
      "nodatacow beside compression",
      { type: "btrfs", options: ["compress=lzo", "nodatacow"] },
      "does not go with compression",
    ],
    ["nodatasum before compression", { type: "btrfs", options: ["nodatasum", "compress"] }, "write it after that"],
    ["nolock on NFS 4", { type: "nfs", options: ["vers=4.2", "nolock"] }, "ignored by NFS 4"],
    ["local locks on NFS 4", { type: "nfs", options: ["local_lock=all", "v4.1"] }, "ignored by NFS 4"],
    ["a client's address on NFS 3", { type: "nfs", options: ["vers=3", "clientaddr=10.0.0.1"] }, "ignored by NFS 3"],
    ["a minor version beside another", { type: "nfs", options: ["vers=4.2", "minorversion=1"] }, "needs vers=4"],
    ["a transfer size below the smallest", { type: "nfs", options: ["rsize=512"] }, "a number of bytes from 1024"],
    ["a quota's file without its format", { options: ["usrjquota=aquota.user"] }, "write jqfmt=vfsv1 beside it"],
    ["a group's quota without its format", { options: ["grpjquota=aquota.group"] }, "write jqfmt=vfsv1 beside it"],
    [
      "a journalled quota beside one that isn't",
      { options: ["usrjquota=a", "jqfmt=vfsv1", "grpquota"] },
      "grpquota on ext4 does not mount beside usrjquota=",
    ],
    [
      "a journalled quota of groups beside another one of users",
      { options: ["quota", "jqfmt=vfsv1", "grpjquota=a"] },
      "quota on ext4 does not mount beside grpjquota=",
    ],
    ["a place where no superblock is", { options: ["sb=8"] }, "takes 1, or the place of a backup"],
    ["more seconds than ticks", { options: ["commit=8589935"] }, "a number of seconds from 0 to 8589934, see ext4(5)"],
    ["a number above 32 bits", { options: ["max_dir_size_kb=4294967296"] }, "from 0 to 4294967295"],
    ["a user that nobody can be", { options: ["resuid=4294967295"] }, "from 0 to 4294967294"],
    ["an odd size", { options: ["debug_want_extra_isize=33"] }, "an even number of bytes"],
    [
      "more than an inode has",
      { options: ["debug_want_extra_isize=130"], mkfsOptions: [] },
      "more than an inode; write less, or a larger -I",
    ],
    ["a number with a sign for Linux 6.1", { type: "btrfs", options: ["commit=2147483648"] }, "from 0 to 2147483647"],
    ["no threads", { type: "btrfs", options: ["thread_pool=0"] }, "a number from 1 to"],
    ["a writable rescue", { type: "btrfs", options: ["rescue=usebackuproot:nologreplay"] }, "add ro"],
    ["all rescues on a writable mount", { type: "btrfs", options: ["rescue=all"] }, "add ro"],
    ["a stripe's unit alone", { type: "xfs", options: ["sunit=128"] }, "and both are there"],
    ["a stripe's width alone", { type: "xfs", options: ["swidth=128"] }, "and both are there"],
    ["noalign beside a stripe", { type: "xfs", options: ["noalign", "sunit=8", "swidth=8"] }, "does not mount beside"],
    ["no time for an answer", { type: "nfs", options: ["timeo=0"] }, "tenths of a second from 1 to 2147483647"],
    ["too many tries", { type: "nfs", options: ["retrans=2147483648"] }, "from 0 to 2147483647"],
    ["a port above the last", { type: "nfs", options: ["port=70000"] }, "a number from 0 to 65535, see nfs(5)"],
    ["a mountd's port above the last", { type: "nfs", options: ["mountport=65536"] }, "from 0 to 65535"],
    ["an age above 32 bits", { type: "nfs", options: ["acregmin=4294967296"] }, "from 0 to 4294967295"],
    ["the same option twice", { options: ["commit=5", "commit=30"] }, "contradicts commit=5; leave out one of them"],
    [
      "compression twice",
      { type: "btrfs", options: ["compress=zstd:3", "compress-force=zstd:3"] },
      "contradicts compress",
    ],
    [
      "compression with and without a level",
      { type: "btrfs", options: ["compress=zstd:1", "compress=zstd"] },
      "contradicts",
    ],
    ["two words on discards", { type: "btrfs", options: ["discard", "discard=async"] }, "contradicts discard"],
    ["two words on SSDs", { type: "btrfs", options: ["nossd", "ssd_spread"] }, "contradicts nossd"],
    ["two words on access times", { options: ["atime", "noatime"] }, "contradicts atime"],
    ["exec and noexec", { options: ["noexec", "exec"] }, "contradicts noexec"],
    ["ro and rw on a bind mount", { type: "none", options: ["bind", "ro", "rw"] }, "contradicts ro"],
    ["sync and async", { options: ["sync", "async"] }, "contradicts sync"],
    ["hard and soft", { type: "nfs", options: ["hard", "soft"] }, "contradicts hard"],
    ["two versions of NFS", { type: "nfs", options: ["vers=3", "nfsvers=4.2"] }, "contradicts vers=3"],
    ["two versions of NFS in other words", { type: "nfs4", options: ["v4.1", "vers=4.2"] }, "contradicts v4.1"],
    ["two protocols", { type: "nfs", options: ["tcp", "proto=tcp6"] }, "contradicts tcp"],
    ["attributes' ages twice", { type: "nfs", options: ["actimeo=30", "acregmin=5"] }, "contradicts actimeo=30"],
    ["two quotas of one kind", { type: "xfs", options: ["uquota", "uqnoenforce"] }, "contradicts uquota"],
    ["a quota and none", { type: "xfs", options: ["noquota", "pquota"] }, "contradicts noquota"],
    [
      "a quota and its journalled one",
      { options: ["usrquota", "usrjquota=aquota.user", "jqfmt=vfsv1"] },
      "contradicts",
    ],
    ["a SCSI disk's name", { source: "/dev/sda2" }, "may name another device after the next boot"],
    ["an NVMe disk's name", { source: "/dev/nvme0n1p1" }, "may name another device"],
    ["a device mapper number", { source: "/dev/dm-3" }, "may name another device"],
  ])("refuses %s, and only that, by name", (_what, request, reason) => {
    const refused = refusedOptions({ ...good, ...request });
    expect(refused).toHaveLength(1);
    expect(refused[0]?.reason).toContain(reason);
    expect(refused[0]?.reason).toContain(refused[0]?.option);
  });

  it("reports everything that is wrong at once", () => {
    const refused = refusedOptions({ type: "xfs", source: "/dev/sdb", options: ["nobarrier", "noatime"], pass: 2 });
    expect(refused.map(({ option }) => option)).toEqual(["nobarrier", "pass 2", "/dev/sdb"]);
  });

  const common = ["noatime", "nofail", "x-systemd.device-timeout=5min"];
  const ext4 = { type: "ext4", pass: 2, mkfsOptions: ["-E", "lazy_itable_init=0,lazy_journal_init=0,discard"] };
  it.each<[string, MountRequest]>([
    ["postgres", { ...ext4, source: "/dev/vg_jts/lv_postgres", options: [...common, "data=writeback", "commit=30"] }],
    ["clickhouse", { ...ext4, source: "/dev/vg_jts/lv_clickhouse", options: [...common, "data=ordered", "commit=5"] }],
    [
      "kafka",
      {
        type: "xfs",
        source: "/dev/vg_jts/lv_kafka",
        options: [...common, "logbufs=8", "logbsize=256k", "largeio", "swalloc"],
        pass: 0,
        mkfsOptions: ["-d", "agcount=32,su=64k,sw=1", "-l", "size=128m,su=64k"],
      },
    ],
    ["local backup", { ...ext4, source: "/dev/vg_jts/lv_local_backup", options: [...common, "nodev", "nosuid"] }],
    ["a bind mount", { type: "none", source: "/var/lib/kafka", options: ["bind", "nofail"], pass: 0 }],
    [
      "warm",
      {
        type: "btrfs",
        source: "LABEL=jts-warm-storage",
        options: ["compress=zstd:3", "autodefrag", "noatime", "nofail"],
        pass: 0,
      },
    ],
    [
      "cold",
      {
        type: "nfs",
        source: "192.168.1.101:/volume1/cocodev",
        options: [
          "vers=3",
          "rw",
          "hard",
          "rsize=1048576",
          "wsize=1048576",
          "timeo=600",
          "retrans=2",
          "_netdev",
          "nofail",
        ],
        pass: 0,
      },
    ],
    [
      "an ext4 that keeps its journal explicitly",
      { ...ext4, source: "UUID=1", options: ["commit=30"], mkfsOptions: ["-O", "has_journal,^sparse_super2"] },
    ],
  ])("accepts the options of %s", (_what, request) => {
    expect(refusedOptions(request)).toEqual([]);
  });

  it.each<[string, string, string[]]>([
    [
      "options for systemd, programs and people, of any type",
      "xfs",
      ["x-systemd.requires=a.mount", "X-mount.mkdir=0755", "comment=theirs"],
    ],
    ["any option of a type without rules", "vfat", ["noatimee", "uid=0"]],
    ["ro beside norecovery", "xfs", ["norecovery", "ro"]],
    ["space_cache=v1 on a btrfs that may be an old one", "btrfs", ["space_cache=v1"]],
    ["one option in two words", "xfs", ["uquota", "usrquota", "quota"]],
    ["quotas of all kinds", "xfs", ["uquota", "gquota", "pquota"]],
    ["compression by two words that agree", "btrfs", ["compress", "compress=zlib:3"]],
    ["a default and the word for it", "ext4", ["atime", "relatime", "rw", "suid"]],
    ["users who may run programs", "ext4", ["users", "exec"]],
    ["nodatasum after compression", "btrfs", ["compress=zstd:3", "nodatasum"]],
    ["nodatacow without compression", "btrfs", ["compress=no", "nodatacow"]],
    ["a version in two words that agree", "nfs", ["vers=4.2", "nfsvers=4.2", "v4.2"]],
    ["a backup of the superblock", "ext4", ["sb=131072"]],
    ["both journalled quotas", "ext4", ["usrjquota=a", "grpjquota=b", "jqfmt=vfsv0"]],
    ["a format of quotas without their files", "ext4", ["jqfmt=vfsv1"]],
    ["the last of each range", "ext4", ["commit=8589934", "stripe=4294967295", "debug_want_extra_isize=3968"]],
    ["an old root, writable", "btrfs", ["rescue=usebackuproot"]],
    ["rescues, read-only", "btrfs", ["rescue=all", "ro"]],
    ["a subvolume above 32 bits", "btrfs", ["subvolid=4294967296"]],
    ["a stripe of several units", "xfs", ["sunit=128", "swidth=256"]],
    ["no stripe, in half of the words", "xfs", ["sunit=0", "noalign"]],
    ["an export by rpcbind", "nfs", ["vers=3", "port=0"]],
    ["levels within their bounds", "btrfs", ["compress=zstd:15"]],
  ])("accepts %s", (_what, type, options) => {
    expect(refusedOptions({ ...good, type, options })).toEqual([]);
  });

  it.each<[string, string, string[]]>([
    ["a flag's value that looks like another flag", "ext4", ["-N", "1000", "-O", "^has_journal", "-m", "0", "-K"]],
    ["-n of mkfs.xfs, which means something else to other mkfs", "xfs", ["-n", "size=8192"]],
    ["the last of two words on a feature", "ext4", ["-O", "metadata_csum_seed,^metadata_csum,metadata_csum"]],
    ["several usages in one flag", "ext4", ["-T", "news,big"]],
    ["what mkfs.ext4 takes twice", "ext4", ["-b", "1024", "-b", "2048"]],
    ["one name in two flags of mkfs.xfs", "xfs", ["-b", "size=1024", "-n", "size=4096", "-s", "size=512"]],
    [
      "a log of parts of the data's stripe, which it doesn't have on a disk with sectors of 4 KiB",
      "xfs",
      ["-d", "su=64k,sw=1", "-l", "size=67112960"],
    ],
    ["a stripe of nothing", "xfs", ["-d", "su=0"]],
    ["a stripe of sectors", "xfs", ["-d", "sunit=8,swidth=16", "-l", "sunit=8"]],
    ["no hint for copies, without reflink", "xfs", ["-m", "reflink=0", "-d", "cowextsize=0"]],
    ["a node size larger than a page", "btrfs", ["-n", "16384", "-d", "single", "-m", "dup"]],
  ])("accepts %s", (_what, type, mkfsOptions) => {
    expect(refusedOptions({ ...good, type, options: [], mkfsOptions })).toEqual([]);
  });

  it.each(Object.entries(FILESYSTEMS))(
    "accepts every option of %s that the kernel was seen to accept",
    (type, known) => {
      for (const option of triedOptions(known))
        expect(refusedOptions({ type, source: "", options: option.split(","), pass: 0 })).toEqual([]);
    },
  );

  it.each(Object.entries(MADE_FILESYSTEMS))(
    "accepts every flag of mkfs.%s that was seen to make a filesystem that mounts",
    (type, { mkfs }) => {
      for (const mkfsOptions of triedFlags(mkfs))
        expect(refusedOptions({ type, source: "", options: [], pass: 0, mkfsOptions })).toEqual([]);
    },
  );

  it.each(Object.entries(FILESYSTEMS))("refuses the examples of each rule of %s", (type, { refused, mkfs }) => {
    for (const { examples, reason } of [...refused, ...(mkfs?.refused ?? [])]) {
      for (const example of examples) {
        const refusals = refusedOptions({ type, source: "", options: [], pass: 0, ...example });
        expect(refusals.map((refusal) => refusal.reason)).toContainEqual(expect.stringContaining(reason));
      }
    }
  });
});

it("refusedOptions judges whatever is written, and each reason begins with the option that was written", () => {
  const types = fc.constantFrom(...Object.keys(FILESYSTEMS), "nfs4", "vfat", "constructor");
  const names = Object.values(FILESYSTEMS).flatMap(({ options = {} }) => Object.keys(options));
  const option = fc.oneof(
    fc.string(),
    fc.constantFrom(...names),
    fc.tuple(fc.constantFrom(...names), fc.string()).map(([name, value]) => `${name}=${value}`),
  );
  const mkfsOption = fc.oneof(
    fc.string(),
    fc.constantFrom(...Object.values(MADE_FILESYSTEMS).flatMap(({ mkfs }) => Object.keys(mkfs.flags))),
  );
  fc.assert(
    fc.property(types, fc.array(option), fc.array(mkfsOption), (type, options, mkfsOptions) => {
      for (const refusal of refusedOptions({ type, source: "", pass: 0, options, mkfsOptions })) {
        expect(refusal.reason.startsWith(`${refusal.option} on ${type} `)).toBe(true);
        expect([...options, ...mkfsOptions].some((written) => written.includes(refusal.option))).toBe(true);
      }
    }),
    { numRuns: 1000 },
  );
});

/** The differences in words. */
const wordsOf = (type: string, declared: readonly string[], live: readonly string[]) =>
  liveDifferences(type, declared, live).map(({ words }) => words);

describe("liveDifferences", () => {
  const all = mounts.parse(fixture("findmnt-jts.json"), undefined);
  const live = (target: string) => {
    const mount = mountAt(all, target);
    return mount === undefined ? [] : [...mount.mountOptions, ...mount.filesystemOptions];
  };
  const fstab = fixture("fstab-jts.txt").stdout;
  const ours = fstab
    .split("\n")
    .filter((line) => line.includes(OURS))
    .map((line) => line.split(" ")[1] ?? "");

  it.each(ours)(
    "finds the captured mount of %s as its line in fstab declares it, though NFS sizes were negotiated down",
    (target) => {
      const { type, options } = findEntry(fstab, target)!.entry;
      expect(wordsOf(type, options, live(target))).toEqual([]);
    },
  );

  it.each<[string, string, string[], string]>([
    ["a changed value", "/var/lib/postgresql", ["noatime", "commit=60", "data=writeback"], "commit=60 is missing"],
    [
      "an option that the kernel would show",
      "/var/lib/redis",
      ["noatime", "data=writeback", "commit=30"],
      "commit=30 is missing",
    ],
    ["another default", "/var/lib/redis", ["noatime", "data=ordered"], "data=ordered is missing"],
    ["a missing flag", "/var/lib/docker-jts", ["noatime", "nosuid"], "nosuid is missing"],
    ["a flag that nobody asked for", "/data/local-backup", ["noatime", "nodev"], "nosuid was not asked for"],
    [
      "another compression level",
      "/data/warm-storage",
      ["noatime", "autodefrag", "compress=zstd:9"],
      "compress=zstd:9 is missing",
    ],
    [
      "another log buffer size",
      "/var/lib/kafka",
      ["noatime", "largeio", "swalloc", "logbsize=128k"],
      "logbsize=128k is missing",
    ],
    ["an NFS size larger than declared", "/mnt/synology", ["rsize=32768"], "rsize=32768 is missing"],
    ["another NFS version", "/mnt/synology", ["vers=4"], "vers=4 is missing"],
    ["soft instead of hard", "/mnt/synology", ["soft"], "soft is missing"],
  ])("reports %s", (_what, target, declared, difference) => {
    const type = mountAt(all, target)!.type;
    expect(wordsOf(type, declared, live(target))).toEqual([difference]);
  });

  it("reports a declared number where the kernel shows 0, and accepts a declared 0", () => {
    expect(wordsOf("ext4", ["init_itable=10"], ["rw", "init_itable=0"])).toEqual(["init_itable=10 is missing"]);
    expect(wordsOf("ext4", ["init_itable=0"], ["rw", "init_itable=0"])).toEqual([]);
  });

  it("ignores for nfs4 what it ignores for nfs", () => {
    for (const type of ["nfs", "nfs4"]) expect(wordsOf(type, ["lock", "ac"], ["rw", "vers=4.2"])).toEqual([]);
  });

  it("reports that a mount fell back to read-only", () => {
    expect(wordsOf("ext4", ["rw", "noatime"], ["ro", "noatime", "rw"])).toEqual(["ro was not asked for"]);
  });

  it.each<[string, string, string[], string[]]>([
    [
      "words that are only for mount(8) and systemd",
      "ext4",
      ["defaults", "nofail", "_netdev", "noauto", "x-systemd.device-timeout=5min", "X-mount.mkdir"],
      ["rw"],
    ],
    ["flags that are the default", "ext4", ["rw", "suid", "dev", "exec", "async"], ["rw", "relatime"]],
    ["values that are the kernel's default", "ext4", ["commit=5", "data=ordered", "acl", "user_xattr"], ["rw"]],
    ["a size in another unit", "xfs", ["allocsize=64m"], ["rw", "allocsize=65536k"]],
    ["a compression level left to the kernel", "btrfs", ["compress=zstd"], ["rw", "compress=zstd:3"]],
    ["a subvolume without its slash", "btrfs", ["subvol=data"], ["rw", "subvolid=256", "subvol=/data"]],
    ["NFS 4 with the minor version that both sides support", "nfs", ["vers=4"], ["rw", "vers=4.2", "rsize=65536"]],
    [
      "other words for NFS",
      "nfs",
      ["nfsvers=3", "tcp", "bg", "retry=2", "actimeo=30"],
      ["rw", "vers=3", "proto=tcp", "acregmin=30", "acregmax=30", "acdirmax=30"],
    ],
    ["the flags that a bind mount inherits", "none", ["bind"], ["rw", "nosuid", "nodev", "noatime"]],
  ])("reports no difference for %s", (_what, type, declared, shown) => {
    expect(wordsOf(type, declared, shown)).toEqual([]);
  });

  /** Each tried option, and what its mount showed on Linux 6.18: `type|option|flags|options of the filesystem`. */
  const captured = fixture("findmnt-options-6.18.txt")
    .stdout.trim()
    .split("\n")
    .map((row) => row.split("|"))
    .map(([type = "", option = "", flags = "", others = ""]) => ({
      type,
      declared: [...(type === "none" ? ["bind"] : []), ...option.split(",")],
      shown: [...flags.split(","), ...others.split(",")],
    }));
  it.each(captured)("finds a mount of $type with $declared as it is declared", ({ type, declared, shown }) => {
    expect(wordsOf(type, declared, shown)).toEqual([]);
  });

  it("has a captured mount of each option that is tried, but for quotas of XFS, which that kernel is built without", () => {
    for (const type of ["ext4", "xfs", "btrfs", "none"]) {
      const tried = triedOptions(FILESYSTEMS[type]!).filter(
        (option) => !(type === "xfs" && /quota$|noenforce$/.test(option) && option !== "noquota"),
      );
      const seen = captured
        .filter((one) => one.type === type)
        .map(({ declared }) => declared.filter((one) => one !== "bind").join());
      expect(tried.filter((option) => option !== "bind" && !seen.includes(option))).toEqual([]);
    }
  });

  it.each(captured)(
    "takes back $declared of $type by options that are accepted, or by a new mount",
    ({ type, declared, shown }) => {
      const differences = liveDifferences(type, [], shown);
      const [, ...options] = remountOptions(type, [], differences)?.split(",") ?? [];
      expect(refusedOptions({ type, source: "", pass: 0, options })).toEqual([]);
      // None of those that are the default, or that only fstab tells.
      if (declared.every((option) => option === "bind" || option === "defaults")) expect(differences).toEqual([]);
    },
  );

  it.each<[string, string, string[]]>([
    [
      "ext4",
      "of a Debian whose superblock has defaults",
      ["rw", "relatime", "rw", "errors=continue", "stripe=32", "resuid=5"],
    ],
    ["ext4", "whose superblock has data in the journal", ["rw", "relatime", "rw", "nodioread_nolock", "nodelalloc"]],
    ["ext4", "under SELinux", ["rw", "relatime", "rw", "seclabel"]],
    ["xfs", "on Linux 6.1", ["rw", "relatime", "rw", "attr2", "inode64", "logbufs=8", "logbsize=32k", "noquota"]],
    [
      "xfs",
      "on a RAID",
      ["rw", "relatime", "rw", "attr2", "inode64", "logbufs=8", "logbsize=256k", "sunit=512", "swidth=2048", "noquota"],
    ],
    ["btrfs", "on Linux 6.1", ["rw", "relatime", "rw", "ssd", "space_cache=v2", "subvolid=5", "subvol=/"]],
    [
      "btrfs",
      "on Linux 6.12",
      ["rw", "relatime", "rw", "ssd", "discard=async", "space_cache=v2", "subvolid=5", "subvol=/"],
    ],
    [
      "nfs",
      "of version 3",
      "rw,relatime,rw,vers=3,rsize=65536,wsize=65536,namlen=255,hard,proto=tcp,timeo=600,retrans=2,sec=sys,mountaddr=192.168.1.101,mountvers=3,mountport=20048,mountproto=tcp,local_lock=none,addr=192.168.1.101".split(
        ",",
      ),
    ],
    [
      "nfs",
      "of version 4, beside another mount of the server",
      "rw,relatime,rw,sync,vers=4.2,rsize=65536,wsize=65536,namlen=255,hard,nocto,nosharecache,proto=tcp,nconnect=4,timeo=600,retrans=2,sec=sys,clientaddr=192.168.1.100,local_lock=none,addr=192.168.1.101".split(
        ",",
      ),
    ],
  ])("takes nothing for surplus in a mount of %s %s", (type, _what, shown) => {
    expect(wordsOf(type, ["defaults"], shown)).toEqual([]);
  });

  it.each<[string, string[], string[]]>([
    ["xfs", ["pquota"], ["rw", "prjquota"]],
    ["xfs", ["uquota", "gquota"], ["rw", "usrquota", "grpquota"]],
    ["xfs", ["quota"], ["rw", "usrquota"]],
    ["xfs", ["qnoenforce"], ["rw", "uqnoenforce"]],
    ["xfs", ["attr2", "ikeep"], ["rw", "attr2", "ikeep"]],
    ["btrfs", ["nodiscard"], ["rw", "space_cache=v2"]],
    ["btrfs", ["max_inline=64k"], ["rw", "max_inline=4096"]],
    ["btrfs", ["thread_pool=8"], ["rw"]],
    ["ext4", ["commit=030"], ["rw", "commit=30"]],
    ["ext4", ["users"], ["rw", "nosuid", "nodev", "noexec", "relatime"]],
    ["ext4", ["users", "exec"], ["rw", "nosuid", "nodev", "relatime"]],
    ["nfs", ["vers=4.2", "lock", "port=2049"], ["rw", "vers=4.2", "hard"]],
    ["nfs", ["vers=4", "minorversion=1"], ["rw", "vers=4.1", "hard"]],
    ["nfs", ["vers=3", "port=2049", "nolock"], ["rw", "vers=3", "nolock", "local_lock=all", "port=2049"]],
    ["nfs", ["noac"], ["rw", "sync", "noac", "acregmin=0", "acregmax=0", "acdirmin=0", "acdirmax=0"]],
    ["nfs", ["lookupcache=all", "write=lazy", "retry=3", "mountproto=tcp"], ["rw", "vers=3"]],
    ["nfs", ["lookupcache=positive"], ["rw", "lookupcache=pos"]],
  ])("finds a mount of %s with %j as it is declared, where %j is shown", (type, declared, shown) => {
    expect(wordsOf(type, declared, shown)).toEqual([]);
  });

  it.each<[string, string[], string[], string[]]>([
    [
      "btrfs",
      [],
      ["rw", "compress=zstd:3", "autodefrag"],
      ["compress=zstd:3 was not asked for", "autodefrag was not asked for"],
    ],
    ["btrfs", ["nodiscard"], ["rw", "discard=async"], ["discard=async was not asked for"]],
    ["btrfs", ["compress=no"], ["rw", "compress=zstd:3"], ["compress=no is missing"]],
    ["btrfs", ["compress=zstd:3"], ["rw", "compress-force=zstd:3"], ["compress=zstd:3 is missing"]],
    ["ext4", ["atime"], ["rw", "noatime"], ["noatime was not asked for"]],
    ["ext4", ["nodiscard"], ["rw", "discard"], ["discard was not asked for"]],
    [
      "ext4",
      [],
      ["rw", "discard", "sync", "commit=60", "nodelalloc"],
      ["discard", "sync", "commit=60", "nodelalloc"].map((one) => `${one} was not asked for`),
    ],
    [
      "ext4",
      [],
      ["rw", "nosuid", "nodev", "noexec"],
      ["nosuid", "nodev", "noexec"].map((one) => `${one} was not asked for`),
    ],
    ["xfs", ["noquota"], ["rw", "prjquota"], ["prjquota was not asked for"]],
    ["xfs", ["pquota"], ["rw", "pqnoenforce"], ["pquota is missing"]],
    ["nfs", [], ["rw", "soft"], ["soft was not asked for"]],
    ["vfat", ["uid=5", "quiet"], ["rw", "uid=0"], ["uid=5 is missing"]],
  ])("reports on a mount of %s with %j, where %j is shown, %j", (type, declared, shown, words) => {
    expect(wordsOf(type, declared, shown)).toEqual(words);
  });
});
