import type { FilesystemType, MadeFilesystem } from "./filesystemType.ts";
import { writtenBytes, writtenValue, type MkfsWord } from "./mkfsWords.ts";
import {
  beside,
  features,
  flag,
  flags,
  number,
  OF_DEVICE,
  oneOf,
  orNothing,
  partlyTried,
  size,
  text,
  untried,
  words,
} from "./options.ts";
import {
  losesCommittedData,
  made,
  makesNothing,
  mounted,
  setsLabel,
  setsUuid,
  type Declared,
  type Example,
  type Rule,
} from "./rules.ts";

const hasNoJournal = ({ mkfs = [] }: Declared) => mkfs.some(({ word }) => word === "^has_journal");

const withoutJournal = (option: string): Example => ({ mkfsOptions: ["-O", "^has_journal"], options: [option] });

/** A feature, or one that is turned off, that mkfs takes only beside another one. */
const needs = (matches: RegExp, other: string, reason: string, example: string): Rule => ({
  matches,
  when: ({ mkfs = [] }) => !mkfs.some(({ flag, word }) => flag === "-O" && word === other),
  reason,
  examples: made(`-O ${example}`),
  outcome: "mkfs refuses",
});

const MIB = 1024 ** 2;

/** As mkfs.ext4(8) and mke2fs.conf(5) have it: below 512 MiB blocks are of 1 KiB, and inodes of 256 bytes. */
function refusedSize(bytes: number, words: readonly MkfsWord[]): string[] {
  const usage = writtenValue(words, ["-T"]);
  const isSmall = usage === undefined ? bytes < 512 * MIB : /^(floppy|small)$/.test(usage);
  const block = writtenBytes(words, ["-b"]) ?? (isSmall ? 1024 : 4096);
  const inode = writtenBytes(words, ["-I"]) ?? 256;
  const numberOf = (flag: string, name = "") => {
    const written = Number(writtenValue(words, [flag], name));
    return Number.isNaN(written) ? undefined : written;
  };
  const [journal, group, ratio, count, resize] = [
    numberOf("-J", "size="),
    ...[numberOf("-g"), numberOf("-i"), numberOf("-N"), numberOf("-E", "resize=")],
  ];
  const problems: string[] = [];
  if (journal !== undefined && journal * MIB < 1024 * block)
    problems.push(
      `has a journal of ${journal} MiB, and the least is ${(1024 * block) / MIB} MiB; write a larger -J size=`,
    );
  if (journal !== undefined && journal * MIB * 2 >= bytes)
    problems.push(
      `is too small: a journal of ${journal} MiB takes half of it; write a larger size, or a smaller -J size=`,
    );
  if (inode > block)
    problems.push(`has blocks of ${block} bytes, too small for inodes of ${inode}; write a smaller -I, or a larger -b`);
  if (ratio !== undefined && (ratio < 1024 || ratio > 67108864))
    problems.push(`takes for -i a number from 1024 to 67108864, not ${ratio}`);
  else if ((ratio !== undefined && inode >= ratio) || (count !== undefined && inode * count >= bytes))
    problems.push("would be all inodes; write a larger -i, or a smaller -N or -I");
  if (group !== undefined && (group % 8 !== 0 || group < 256 || group > Math.min(8 * block, 65528)))
    problems.push(`takes for -g a multiple of 8 from 256 to ${Math.min(8 * block, 65528)}, not ${group}`);
  if (resize !== undefined && resize * block <= bytes)
    problems.push("is larger already than -E resize= lets it grow; write more blocks, or leave that out");
  return problems;
}

/** ext4(5), mkfs.ext4(8), e2label(8), resize2fs(8). */
export const ext4: MadeFilesystem = {
  manual: "ext4(5)",
  pass: 2,
  packages: ["e2fsprogs"],
  // mkfs.ext4 cuts a longer one, and says so only on standard error.
  label: { maxBytes: 16 },
  canRemount: (name) => name !== "data",
  silentDefaults: [
    "commit=5",
    "data=ordered",
    "errors=continue",
    "barrier=1",
    "barrier",
    "acl",
    "user_xattr",
    "delalloc",
  ],

  options: {
    ...OF_DEVICE,
    ...flags(`
      acl user_xattr
      bsddf minixdf
      debug
      grpid bsdgroups nogrpid sysvgroups
      nouid32
      noload norecovery
      journal_checksum nojournal_checksum
      delalloc nodelalloc
      noauto_da_alloc
      noinit_itable
      discard nodiscard
      block_validity noblock_validity
      dioread_lock dioread_nolock nodioread_nolock
      nombcache no_mbcache
      inlinecrypt
      warn_on_error nowarn_on_error
      no_prefetch_block_bitmaps
      quota noquota usrquota grpquota
    `),
    journal_async_commit: beside("data=writeback", flag),
    prjquota: untried("needs `-O project,quota`", flag),
    usrjquota: beside("jqfmt=vfsv1", text("aquota.user", "a file's name", /^=[^/]*$/)),
    grpjquota: beside("jqfmt=vfsv1", text("aquota.group", "a file's name", /^=[^/]*$/)),
    jqfmt: oneOf("vfsold", "vfsv0", "vfsv1"),
    barrier: orNothing(oneOf("1")),
    auto_da_alloc: orNothing(oneOf("0", "1")),
    commit: number(30, "seconds"),
    data: oneOf("writeback", "ordered", "journal"),
    data_err: oneOf("abort", "ignore"),
    errors: oneOf("continue", "remount-ro", "panic"),
    init_itable: orNothing(number(10)),
    inode_readahead_blks: text("32", "a power of 2", /^=(0|1|2|4|8|16|32|64|128|256|512|1024|2048|4096)$/),
    stripe: number(16, "blocks"),
    max_batch_time: number(15000, "microseconds"),
    min_batch_time: number(0, "microseconds"),
    journal_ioprio: oneOf("0", "1", "2", "3", "4", "5", "6", "7"),
    max_dir_size_kb: number(1024, "KiB"),
    mb_optimize_scan: oneOf("0", "1"),
    debug_want_extra_isize: number(32, "bytes"),
    resuid: number(0),
    resgid: number(0),
    sb: number(1),
    dax: partlyTried(
      ["=inode", "=never"],
      "needs persistent memory, or is turned off",
      orNothing(oneOf("always", "inode", "never")),
    ),
    journal_dev: untried("needs a journal on another device", number(0)),
    journal_path: untried("needs a journal on another device", text("/dev/x", "a path")),
  },

  refused: [
    {
      matches: /^(commit|data)=/,
      when: hasNoJournal,
      reason: "does not mount on an ext4 without a journal; leave out `-O ^has_journal`, or this option",
      examples: ["commit=30", "data=ordered", "data=writeback", "data=journal"].map(withoutJournal),
      outcome: "does not mount",
    },
    losesCommittedData(...mounted("barrier=0", "nobarrier")),
    {
      matches: /^no(acl|user_xattr)$/,
      reason: "is unknown to ext4 of Linux 6.1, and does not mount; leave it out",
      examples: mounted("noacl", "nouser_xattr"),
      outcome: "does not mount",
    },
    {
      matches:
        /^(bh|nobh|oldalloc|orlov|check=none|nocheck|(no)?reservation|journal=\d+|(no)?mblk_io_submit|i_version|prefetch_block_bitmaps)$/,
      reason: 'is ignored by Linux 6.1 ("Ignoring removed option"); leave it out',
      examples: mounted(
        "bh",
        "nobh",
        "oldalloc",
        "orlov",
        "check=none",
        "nocheck",
        "reservation",
        "noreservation",
        "journal=1",
        "mblk_io_submit",
        "nomblk_io_submit",
        "i_version",
        "prefetch_block_bitmaps",
      ),
      outcome: "is ignored",
    },
  ],

  mkfs: {
    manual: "mkfs.ext4(8)",
    valued: /^-[bCdeEgGiIJlLmMNoOrTtUz]$/,
    flags: {
      "-b": oneOf("1024", "2048", "4096", "1k", "2k", "4k"),
      "-c": flag,
      "-C": untried("needs `-O bigalloc`", size()),
      "-D": flag,
      "-e": oneOf("continue", "remount-ro", "panic"),
      "-E": words({
        ...flags("discard nodiscard no_copy_xattrs"),
        assume_storage_prezeroed: orNothing(oneOf("0", "1")),
        encoding: oneOf("utf8", "utf8-12.1"),
        encoding_flags: beside("encoding=utf8", oneOf("strict")),
        hash_seed: text("11111111-2222-4333-8444-555555555555", "a UUID", /^=[0-9a-f-]{36}$/i),
        lazy_itable_init: orNothing(oneOf("0", "1")),
        lazy_journal_init: orNothing(oneOf("0", "1")),
        mmp_update_interval: number(5, "seconds"),
        packed_meta_blocks: orNothing(oneOf("0", "1")),
        resize: number(10_000_000, "blocks"),
        root_owner: text("0:0", "a user's and a group's number", /^(=\d+:\d+)?$/),
        stride: number(16, "blocks"),
        stripe_width: number(32, "blocks"),
        "stripe-width": number(32, "blocks"),
      }),
      "-g": number(8192, "blocks"),
      "-G": text("16", "a power of 2", /^=(1|2|4|8|16|32|64|128|256|512|1024|2048|4096|8192|16384)$/),
      "-i": number(16384, "bytes"),
      "-I": oneOf("256", "512", "1024", "2048", "4096"),
      "-j": flag,
      "-J": words({ size: number(64, "MiB") }),
      "-K": flag,
      "-m": text("0.5", "a percentage up to 50", /^=([0-4]?\d(\.\d+)?|50)$/),
      "-M": text("/mnt", "a path"),
      "-N": number(65536),
      "-o": oneOf("Linux", "linux"),
      "-O": features(
        `
          64bit bigalloc casefold dir_index dir_nlink ea_inode encrypt ext_attr extra_isize fast_commit filetype
          flex_bg has_journal huge_file inline_data large_dir large_file metadata_csum metadata_csum_seed mmp
          project quota resize_inode stable_inodes uninit_bg verity
        `,
        flags("extent extents sparse_super ^meta_bg ^sparse_super2"),
      ),
      "-q": flag,
      "-r": oneOf("1"),
      "-t": oneOf("ext4"),
      "-T": words(flags("big default floppy huge largefile largefile4 news small")),
      "-v": flag,
    },
    refused: [
      {
        matches: / sparse_super2(=.*)?$/,
        reason: 'forbids growing online ("kernel does not support online resize with sparse_super2"); leave it out',
        examples: made("-O sparse_super2"),
        outcome: "does not grow online",
      },
      {
        matches: /^-F$/,
        reason:
          "makes mkfs do what it would refuse, such as blocks that don't mount; leave it out: that the device is blank is proved without it",
        examples: made("-F -b 8192"),
        outcome: "overwrites",
      },
      makesNothing(/^-[nV]$/, ...made("-n", "-V")),
      {
        matches: /^-[tO] (ext[23]|journal_dev)$/,
        reason: "makes something other than ext4; leave it out",
        examples: made("-t ext2", "-t ext3", "-O journal_dev"),
        outcome: "makes no such filesystem",
      },
      setsLabel(...made("-L theirs")),
      setsUuid(...made("-U 11111111-2222-4333-8444-555555555555")),
      {
        matches: /^-b (8192|8k|16384|16k|32768|32k|65536|64k)$/i,
        reason: "is larger than a page of memory, 4 KiB on x86-64, so mkfs refuses; write 4096, or leave it out",
        examples: made("-b 8192", "-b 16384", "-b 65536"),
        outcome: "mkfs refuses",
      },
      needs(
        /^-O \^extents?$/,
        "^64bit",
        "is needed by 64-bit block numbers, so mkfs refuses; add ^64bit, or leave it out",
        "^extent",
      ),
      needs(
        /^-O meta_bg$/,
        "^resize_inode",
        "does not go with resize_inode, so mkfs refuses; add ^resize_inode, or leave it out",
        "meta_bg",
      ),
      needs(
        /^-O \^sparse_super$/,
        "^resize_inode",
        "does not go with resize_inode, so mkfs refuses; add ^resize_inode, or leave it out",
        "^sparse_super",
      ),
    ],
    refusedSize,
  },
};

/** ext3, which the kernel mounts as an ext4. Nothing else of it is judged. */
export const ext3: FilesystemType = {
  manual: "ext3(5)",
  pass: 2,
  packages: ["e2fsprogs"],
  canRemount: ext4.canRemount,
  refused: [losesCommittedData()],
};
