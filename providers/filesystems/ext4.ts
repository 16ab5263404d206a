import type { FilesystemType, MadeFilesystem } from "./filesystemType.ts";
import { hasWord, writtenBytes, writtenValue, type MkfsWord } from "./mkfsWords.ts";
import {
  about,
  beside,
  byDefault,
  called,
  counted,
  features,
  fixed,
  flag,
  flags,
  ITSELF,
  maybeOn,
  means,
  number,
  number32,
  OF_FILESYSTEM,
  oneOf,
  onOff,
  orNothing,
  partlyTried,
  size,
  text,
  undoneBy,
  unshown,
  untried,
  within,
  words,
} from "./options.ts";
import {
  losesCommittedData,
  made,
  makesNothing,
  mkfsRefuses,
  mounted,
  mountsLoopDevice,
  setsLabel,
  setsUuid,
  type Declared,
  type Example,
  type Rule,
} from "./rules.ts";

const hasNoJournal = ({ mkfs = [] }: Declared) => mkfs.some(({ word }) => word === "^has_journal");

const hasDataInJournal = ({ options }: Declared) => options.includes("data=journal");

const withoutJournal = (option: string): Example => ({ mkfsOptions: ["-O", "^has_journal"], options: [option] });

/** Whether a feature is turned off by the last word on it. */
const isOff = (words: readonly MkfsWord[], feature: string): boolean =>
  words.findLast(({ flag, word }) => flag === "-O" && [feature, `^${feature}`].includes(word))?.word === `^${feature}`;

/** A feature, or one that is turned off, that mkfs takes only beside another one. */
const needs = (matches: RegExp, other: string, reason: string, example: string): Rule => ({
  matches,
  when: ({ mkfs = [] }) => !mkfs.some(({ flag, word }) => flag === "-O" && word === other),
  reason,
  examples: made(`-O ${example}`),
  outcome: "mkfs refuses",
});

/** A quota whose file is journalled for one kind, and not for the other one. */
const mixesQuotas = (matches: RegExp, other: string, examples: readonly string[]): Rule => ({
  matches,
  when: ({ options }) => options.some((option) => option.startsWith(`${other}=`)),
  reason: `does not mount beside ${other}=; write the journalled word for both, or for none`,
  examples: examples.map((option) => ({ options: [option, `${other}=aquota.any`, "jqfmt=vfsv1"] })),
  outcome: "does not mount",
});

/** Whether inodes as they are made have too few bytes for it. */
const isAboveExtraInode = ({ options, mkfs }: Declared) => {
  const wanted = options.map((option) => /^debug_want_extra_isize=(\d+)$/.exec(option)?.[1]).findLast(Boolean);
  return mkfs !== undefined && Number(wanted) > (writtenBytes(mkfs, ["-I"]) ?? 256) - 128;
};

const MIB = 1024 ** 2;

/** The bytes for which mke2fs.conf(5) has one inode; by -T, else by the size. */
const USUAL_RATIOS: Readonly<Record<string, number>> = {
  small: 4096,
  floppy: 8192,
  big: 32768,
  huge: 65536,
  news: 4096,
  largefile: 1048576,
  largefile4: 4194304,
};

/** As mkfs.ext4(8) and mke2fs.conf(5) have it: below 512 MiB blocks are of 1 KiB, and inodes of 256 bytes. */
function refusedSize(bytes: number, words: readonly MkfsWord[]): string[] {
  const usages = words.flatMap(({ flag, word }) => (flag === "-T" ? word : []));
  // Of several, the last one that says something of it counts.
  const ofBlocks = usages.findLast((one) => /^(floppy|small|largefile4?)$/.test(one)) ?? "";
  const isSmall = usages.length === 0 ? bytes < 512 * MIB : /^(floppy|small)$/.test(ofBlocks);
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
  const ofRatio = usages.findLast((one) => Object.hasOwn(USUAL_RATIOS, one));
  const usualRatio = USUAL_RATIOS[ofRatio ?? (isSmall && bytes >= 3 * MIB ? "small" : "")] ?? Infinity;
  const cluster = writtenBytes(words, ["-C"]);
  // Of clusters, there is at most one inode for each.
  const isOfClusters = hasWord(words, "-O", "bigalloc");
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
  else if (
    (count === undefined && !isOfClusters && inode >= (ratio ?? usualRatio)) ||
    (count !== undefined && inode * count >= bytes)
  )
    problems.push("would be all inodes; write a larger -i, or a smaller -N or -I");
  if (cluster !== undefined && cluster < block)
    problems.push(
      `has blocks of ${block} bytes, larger than clusters of ${cluster}; write a larger -C, or a smaller -b`,
    );
  if (cluster !== undefined && cluster > 32768 * block && !isOff(words, "has_journal"))
    problems.push(`has a journal, which takes no clusters above ${(32768 * block) / MIB} MiB; write a smaller -C`);
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

  // A mount shows an option only where it differs from the superblock's own default, which `tune2fs -o` sets.
  optionsFile: (device) => `/proc/fs/ext4/${device}/options`,
  options: {
    ...OF_FILESYSTEM,
    ...onOff("minixdf", "bsddf"),
    ...onOff("grpid", "nogrpid"),
    bsdgroups: means(flag, "grpid"),
    sysvgroups: means(flag, "nogrpid"),
    ...onOff("discard", "nodiscard"),
    ...onOff("noblock_validity", "block_validity"),
    ...onOff("warn_on_error", "nowarn_on_error"),
    // A remount turns it on again, but not off.
    ...onOff("nodelalloc", "delalloc"),
    nodelalloc: { ...about("delalloc", undoneBy("delalloc", flag)), fixed: true },
    ...maybeOn("nodioread_nolock", "dioread_nolock"),
    // Data in the journal shows both, whether a mount or the superblock asks for it.
    nodioread_nolock: { ...about("dioread_nolock", flag), covers: ["delalloc"] },
    dioread_lock: means(flag, "nodioread_nolock"),
    ...called("acl user_xattr", byDefault(flag)),
    debug: flag,
    nouid32: flag,
    norecovery: flag,
    noload: means(flag, "norecovery"),
    no_mbcache: means(flag, "nombcache"),
    no_prefetch_block_bitmaps: flag,
    ...fixed({
      // Which of them is the default depends on how the filesystem was made.
      journal_checksum: about("journal_checksum", byDefault(flag)),
      nojournal_checksum: about("journal_checksum", byDefault(flag)),
      journal_async_commit: beside("data=writeback", { ...flag, covers: ["journal_checksum"] }),
      data: undoneBy("", byDefault(oneOf("writeback", "ordered", "journal"), "=ordered")),
      nombcache: flag,
      inlinecrypt: byDefault(flag),
      // The first backup of a superblock is farther away.
      sb: byDefault(
        text("1", "1, or the place of a backup in blocks of 1 KiB", /^=0*(1|25[7-9]|2[6-9]\d|[3-9]\d\d|[1-9]\d{3,})$/),
        "=1",
      ),
      dax: partlyTried(["=inode", "=never"], "needs persistent memory, or is turned off", {
        ...orNothing(oneOf("always", "inode", "never")),
        shown: (tail) => (tail === "" ? ["dax=always"] : tail === "=inode" ? [ITSELF, ""] : [ITSELF]),
      }),
      journal_dev: untried("needs a journal on another device", unshown("no kernel shows it", number32(0))),
      journal_path: untried(
        "needs a journal on another device",
        unshown("no kernel shows it", text("/dev/x", "a path")),
      ),
    }),
    usrquota: flag,
    grpquota: flag,
    prjquota: untried("needs `-O project,quota`", flag),
    quota: means(flag, "usrquota"),
    noquota: about("usrquota grpquota prjquota", byDefault(flag)),
    usrjquota: about("usrquota", beside("jqfmt=vfsv1", text("aquota.user", "a file's name", /^=[^/]+$/))),
    grpjquota: about("grpquota", beside("jqfmt=vfsv1", text("aquota.group", "a file's name", /^=[^/]+$/))),
    jqfmt: oneOf("vfsold", "vfsv0", "vfsv1"),
    barrier: byDefault(orNothing(oneOf("1"))),
    noauto_da_alloc: about("auto_da_alloc", undoneBy("auto_da_alloc", flag)),
    auto_da_alloc: {
      ...byDefault(orNothing(oneOf("0", "1"))),
      shown: (tail) => (tail === "=0" ? ["noauto_da_alloc"] : [ITSELF, ""]),
    },
    // Where the kernel counts 250 times a second, as Debian's does.
    commit: counted("commit", within(0, 8_589_934, number(30, "seconds")), 5, 0),
    data_err: undoneBy("data_err=ignore", byDefault(oneOf("abort", "ignore"), "=ignore")),
    errors: undoneBy("errors=continue", byDefault(oneOf("continue", "remount-ro", "panic"), "=continue")),
    init_itable: { ...byDefault(orNothing(number32(10)), "", "=10"), undo: () => "init_itable=10" },
    noinit_itable: about("init_itable", undoneBy("init_itable=10", flag)),
    inode_readahead_blks: counted(
      "inode_readahead_blks",
      text("32", "a power of 2", /^=(0|1|2|4|8|16|32|64|128|256|512|1024|2048|4096)$/),
      32,
    ),
    // By default that of the superblock, which 0 stands for too.
    stripe: within(1, 2 ** 32 - 1, number(16, "blocks")),
    max_batch_time: counted("max_batch_time", number32(15000, "microseconds"), 15000),
    min_batch_time: counted("min_batch_time", number32(0, "microseconds"), 0),
    max_dir_size_kb: counted("max_dir_size_kb", number32(1024, "KiB"), 0),
    journal_ioprio: unshown("no kernel shows it", oneOf("0", "1", "2", "3", "4", "5", "6", "7")),
    mb_optimize_scan: unshown("it depends on the size whether a mount shows it", oneOf("0", "1")),
    debug_want_extra_isize: unshown(
      "no kernel shows it",
      within(4, 4096 - 128, text("32", "an even number of bytes", /^=\d*[02468]$/)),
    ),
    resuid: byDefault(within(0, 2 ** 32 - 2, number(0)), "=0"),
    resgid: byDefault(within(0, 2 ** 32 - 2, number(0)), "=0"),
  },

  refused: [
    {
      matches: /^((commit|data)=.*|data_err=abort|journal_checksum|journal_async_commit)$/,
      when: hasNoJournal,
      reason: "does not mount on an ext4 without a journal; leave out `-O ^has_journal`, or this option",
      examples: [
        ...["commit=30", "data=ordered", "data=writeback", "data=journal", "data_err=abort"],
        ...["journal_checksum", "journal_async_commit"],
      ].map(withoutJournal),
      outcome: "does not mount",
    },
    {
      matches: /^journal_async_commit$/,
      when: ({ options }) => !options.some((option) => /^data=(writeback|journal)$/.test(option)),
      reason: "does not mount with data=ordered, the default; write data=writeback beside it, or leave it out",
      examples: mounted("journal_async_commit"),
      outcome: "does not mount",
    },
    {
      matches: /^delalloc$/,
      when: hasDataInJournal,
      reason: "does not mount beside data=journal; leave out one of them",
      examples: [{ options: ["data=journal", "delalloc"] }],
      outcome: "does not mount",
    },
    {
      matches: /^dioread_nolock$/,
      when: hasDataInJournal,
      reason: "is turned off by data=journal; leave out one of them",
      examples: [{ options: ["data=journal", "dioread_nolock"] }],
      outcome: { shows: "nodioread_nolock" },
    },
    {
      matches: /^(usr|grp)jquota=./,
      when: ({ options }) => !options.some((option) => option.startsWith("jqfmt=")),
      reason: "does not mount without the format of its file; write jqfmt=vfsv1 beside it",
      examples: mounted("usrjquota=aquota.user", "grpjquota=aquota.group"),
      outcome: "does not mount",
    },
    mixesQuotas(/^(usrquota|quota)$/, "grpjquota", ["usrquota", "quota"]),
    mixesQuotas(/^grpquota$/, "usrjquota", ["grpquota"]),
    {
      matches: /^debug_want_extra_isize=/,
      when: isAboveExtraInode,
      reason: "does not mount where it and the first 128 bytes are more than an inode; write less, or a larger -I",
      examples: [
        { mkfsOptions: [], options: ["debug_want_extra_isize=130"] },
        { mkfsOptions: ["-I", "512"], options: ["debug_want_extra_isize=512"] },
      ],
      outcome: "does not mount",
    },
    mountsLoopDevice(...mounted("loop", "offset=0", "sizelimit=0")),
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
        hash_seed: text(
          "11111111-2222-4333-8444-555555555555",
          "a UUID",
          /^=[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i,
        ),
        lazy_itable_init: orNothing(oneOf("0", "1")),
        lazy_journal_init: orNothing(oneOf("0", "1")),
        mmp_update_interval: within(0, 300, number(5, "seconds")),
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
      "-N": within(1, 2 ** 32 - 1, number(65536)),
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
      needs(/^-O \^extents?$/, "^64bit", "is needed by 64-bit block numbers, so mkfs refuses; leave it out", "^extent"),
      needs(/^-O meta_bg$/, "^resize_inode", "does not go with resize_inode, so mkfs refuses; leave it out", "meta_bg"),
      needs(
        /^-O \^sparse_super$/,
        "^resize_inode",
        "does not go with resize_inode, so mkfs refuses; leave it out",
        "^sparse_super",
      ),
      mkfsRefuses(
        /^-O metadata_csum_seed$/,
        (words) => isOff(words, "metadata_csum"),
        "needs metadata_csum, so mkfs refuses; leave out it or ^metadata_csum",
        "-O metadata_csum_seed,^metadata_csum",
      ),
      mkfsRefuses(
        /^-G /,
        (words) => isOff(words, "flex_bg"),
        "is the size of what ^flex_bg turns off, so mkfs refuses; leave out one of them",
        "-O ^flex_bg -G 16",
      ),
      mkfsRefuses(
        /^-C /,
        (words) => !hasWord(words, "-O", "bigalloc"),
        "needs bigalloc, so mkfs refuses; add `-O bigalloc`, or leave it out",
        "-C 16384",
      ),
      mkfsRefuses(
        /^-E encoding_flags=/,
        (words) => !hasWord(words, "-E", "encoding"),
        "needs an encoding, so mkfs refuses; add encoding=utf8, or leave it out",
        "-E encoding_flags=strict",
      ),
      ...["-t", "-T"].map((name) =>
        mkfsRefuses(
          new RegExp(`^${name} `),
          (words) => new Set(words.flatMap(({ flag, flagNumber }) => (flag === name ? flagNumber : []))).size > 1,
          `is in one of two ${name}, so mkfs refuses; write it once, its words with commas between`,
          name === "-t" ? "-t ext4 -t ext4" : "-T news -T big",
        ),
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
  canRemount: (name) => name !== "data",
  refused: [losesCommittedData()],
};
