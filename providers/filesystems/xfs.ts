import type { MadeFilesystem } from "./filesystemType.ts";
import { formatBytes } from "../values/size.ts";
import { hasWord, writtenBytes, writtenValue, type MkfsWord } from "./mkfsWords.ts";
import {
  about,
  beside,
  byDefault,
  called,
  counted,
  fixed,
  flag,
  ITSELF,
  means,
  number,
  number32,
  OF_FILESYSTEM,
  oneOf,
  onOff,
  orNothing,
  size,
  text,
  undoneBy,
  untried,
  within,
  words,
  type KnownOptions,
} from "./options.ts";
import {
  hasBlocksAboveAPage,
  isSmaller,
  made,
  makesNothing,
  mkfsRefuses,
  mounted,
  mountsLoopDevice,
  needsReadOnly,
  overwrites,
  setsLabel,
  setsUuid,
  type Declared,
  type Rule,
} from "./rules.ts";

const SECTOR_BYTES = 512;

/** The size of a block, by default 4 KiB. */
const blockBytes = (words: readonly MkfsWord[]): number => writtenBytes(words, ["-b"], "size=") ?? 4096;

/** Whether a stripe's width is not one unit or several; of neither there may be none. */
const isPartOfStripe = (unit: number, width: number): boolean =>
  unit === 0 ? width !== 0 : width === 0 || width % unit !== 0;

/** The number of sectors that an option says; undefined: it isn't there. */
const sectorsOf = (options: readonly string[], name: string): number | undefined => {
  const written = options.findLast((option) => new RegExp(`^${name}=\\d+$`).test(option));
  return written === undefined ? undefined : Number(written.slice(name.length + 1));
};

/** The stripe of a mount's options; a part that is left out is 0. */
const stripeOf = ({ options }: Declared) => ({
  unit: sectorsOf(options, "sunit") ?? 0,
  width: sectorsOf(options, "swidth") ?? 0,
});

/** A stripe that isn't whole blocks, whatever the device: 1 KiB is the smallest block. */
const hasPartOfBlock = ({ options, mkfs }: Declared) => {
  const block = mkfs === undefined ? 1024 : blockBytes(mkfs);
  return (stripeOf({ options, mkfs }).unit * SECTOR_BYTES) % block !== 0;
};

/** Each in bytes, in k and, from there on, in m: 4k to 1g. */
const ALLOCSIZE = new RegExp(
  `^=(1g|${Array.from({ length: 19 }, (_, power) => 4 * 2 ** power)
    .flatMap((kib) => [kib * 1024, `${kib}k`, ...(kib < 1024 ? [] : [`${kib / 1024}m`])])
    .join("|")})$`,
  "i",
);

/** Whether the log's buffers are smaller than the stripe unit that the log is made with. */
const isBelowLogStripe = ({ options, mkfs = [] }: Declared) => {
  const written = mkfs.find(({ flag, word }) => flag === "-l" && word.startsWith("su="))?.word ?? "";
  const stripeKib = /^su=(\d+)k$/.exec(written)?.[1];
  const buffer = options.map((option) => /^logbsize=(\d+)(k?)$/.exec(option)).findLast((match) => match !== null);
  if (stripeKib === undefined || buffer === undefined) return false;
  return Number(buffer?.[1]) * (buffer?.[2] === "k" ? 1 : 1 / 1024) < Number(stripeKib);
};

const MIB = 1024 ** 2;
const GIB = 1024 ** 3;

/** mkfs.xfs(8) since xfsprogs 5.19; so is the least size of the log. */
const LEAST_BYTES = 300 * MIB;
const LEAST_LOG_BYTES = 64 * MIB;

/** mkfs.xfs(8); 32 bits, and the longest log. */
const MOST_STRIPE_BYTES = 2 ** 31 - 1;
const MOST_LOG_BYTES = 2_136_997_888;
const MOST_LOG_STRIPE_BYTES = 256 * 1024;
const LEAST_INODE_BYTES = 512;
/** The longest extent, which a hint of its size can't be above. */
const MOST_EXTENT_BLOCKS = 2 ** 21 - 1;

/** The unit of a stripe, of the data or of the log, in its own words or in sectors. */
const stripeUnitBytes = (words: readonly MkfsWord[], flag: "-d" | "-l"): number =>
  writtenBytes(words, [flag], "su=") ?? (writtenBytes(words, [flag], "sunit=") ?? 0) * SECTOR_BYTES;

/** The width of the data's stripe. */
const stripeWidthBytes = (words: readonly MkfsWord[]): number => {
  const disks = writtenBytes(words, ["-d"], "sw=");
  return disks === undefined
    ? (writtenBytes(words, ["-d"], "swidth=") ?? 0) * SECTOR_BYTES
    : disks * stripeUnitBytes(words, "-d");
};

/** What mkfs.xfs says no to, whatever the device: each was tried with that of Debian 12. */
const refusedTogether: readonly Rule[] = [
  mkfsRefuses(
    /^-d (su|sw|sunit|swidth)=/,
    (words) => hasWord(words, "-d", "noalign"),
    "does not go with noalign, so mkfs refuses; leave out one of them",
    "-d noalign,su=64k,sw=1",
    "-d sunit=128,swidth=128,noalign",
  ),
  mkfsRefuses(
    /^-d (sunit|swidth)=/,
    (words) => hasWord(words, "-d", "su", "sw"),
    "is beside su= or sw=, which say the same in other units, so mkfs refuses; write su= and sw=, or sunit= and swidth=",
    "-d su=64k,sunit=128",
    "-d su=64k,sw=1,swidth=128",
  ),
  mkfsRefuses(
    /^-d (su|sw)=0*[1-9]/,
    (words) => !hasWord(words, "-d", "su") || !hasWord(words, "-d", "sw"),
    "needs both su= and sw=, so mkfs refuses; write both, for example su=64k,sw=1",
    "-d su=64k",
    "-d sw=1",
  ),
  mkfsRefuses(
    /^-d (sunit|swidth)=/,
    (words) => !hasWord(words, "-d", "sunit") || !hasWord(words, "-d", "swidth"),
    "needs both sunit= and swidth=, so mkfs refuses; write both, for example sunit=128,swidth=128",
    "-d sunit=128",
    "-d swidth=128",
  ),
  mkfsRefuses(
    /^-d (sw|swidth)=/,
    (words) => isPartOfStripe(stripeUnitBytes(words, "-d"), stripeWidthBytes(words)),
    "makes a stripe that is no multiple of its unit, so mkfs refuses; write sw= or swidth= for one unit or several",
    "-d su=64k,sw=0",
    "-d sunit=128,swidth=192",
    "-d sunit=0,swidth=128",
  ),
  mkfsRefuses(
    /^-d (su|sunit)=/,
    (words) => stripeUnitBytes(words, "-d") % blockBytes(words) !== 0,
    "is no multiple of a block, so mkfs refuses; write a multiple of 4 KiB, or of the declared `-b size=`",
    "-d su=5k,sw=1",
    "-d sunit=100,swidth=100",
  ),
  mkfsRefuses(
    /^-d (su|sw|sunit|swidth)=/,
    (words) => Math.max(stripeUnitBytes(words, "-d"), stripeWidthBytes(words)) > MOST_STRIPE_BYTES,
    "makes a stripe of 2 GiB or more, so mkfs refuses; write less",
    "-d su=2g,sw=1",
    "-d su=4k,sw=524288",
  ),
  mkfsRefuses(
    /^-d agcount=/,
    (words) => hasWord(words, "-d", "agsize"),
    "is beside agsize=, which says the same, so mkfs refuses; leave out one of them",
    "-d agcount=4,agsize=1g",
  ),
  mkfsRefuses(
    /^-d agsize=/,
    (words) => (writtenBytes(words, ["-d"], "agsize=") ?? 0) % blockBytes(words) !== 0,
    "is no multiple of a block, so mkfs refuses; write a multiple of 4 KiB, or of the declared `-b size=`",
    "-d agsize=1073741825",
  ),
  mkfsRefuses(
    /^-d cowextsize=0*[1-9]/,
    (words) => writtenValue(words, ["-m"], "reflink=") === "0",
    "needs reflink, so mkfs refuses; leave out it or reflink=0",
    "-m reflink=0 -d cowextsize=32",
  ),
  mkfsRefuses(
    /^-l sunit=/,
    (words) => hasWord(words, "-l", "su"),
    "is beside su=, which says the same, so mkfs refuses; leave out one of them",
    "-l su=32k,sunit=64",
  ),
  mkfsRefuses(
    /^-l (su|sunit)=/,
    (words) => {
      const unit = stripeUnitBytes(words, "-l");
      return unit === 0 || unit > MOST_LOG_STRIPE_BYTES || unit % blockBytes(words) !== 0;
    },
    "is not a multiple of a block up to 256 KiB, so mkfs refuses; write a multiple of 4 KiB, or of the declared `-b size=`",
    "-l su=512k",
    "-l su=5k",
    "-l su=0",
    "-l sunit=100",
  ),
  mkfsRefuses(
    /^-l size=/,
    (words) => {
      const log = writtenBytes(words, ["-l"], "size=") ?? LEAST_LOG_BYTES;
      return log < LEAST_LOG_BYTES || log > MOST_LOG_BYTES || log % SECTOR_BYTES !== 0;
    },
    "is no size of a log: at least 64m, below 2038m, and a multiple of 512 bytes; write for example size=128m",
    "-l size=3g",
    "-l size=10m",
    "-l size=100000001",
  ),
  mkfsRefuses(
    /^-l size=/,
    (words) => {
      const unit = stripeUnitBytes(words, "-l");
      return (
        unit > 0 && ((writtenBytes(words, ["-l"], "size=") ?? 0) / blockBytes(words)) % (unit / blockBytes(words)) >= 1
      );
    },
    "is no multiple of the log's stripe unit, so mkfs refuses; write a multiple of it, or another su= or sunit=",
    "-l size=67112960,su=32k",
  ),
  mkfsRefuses(
    /^-i perblock=/,
    (words) => hasWord(words, "-i", "size"),
    "is beside size=, which says the same, so mkfs refuses; leave out one of them",
    "-i perblock=8,size=512",
    "-i perblock=8 -i size=2048",
  ),
  mkfsRefuses(
    /^-i perblock=/,
    (words) => blockBytes(words) / Number(writtenValue(words, ["-i"], "perblock=")) < LEAST_INODE_BYTES,
    "makes inodes smaller than 512 bytes, so mkfs refuses; write fewer in a block, or a larger `-b size=`",
    "-b size=2048 -i perblock=8",
    "-b size=1024 -i perblock=4",
  ),
  mkfsRefuses(
    /^-i size=/,
    (words) => (writtenBytes(words, ["-i"], "size=") ?? 0) * 2 > blockBytes(words),
    "makes inodes larger than half of a block, so mkfs refuses; write a smaller size=, or a larger `-b size=`",
    "-b size=1k -i size=1024",
    "-b size=2k -i size=2048",
  ),
  mkfsRefuses(
    /^-s size=/,
    (words) => (writtenBytes(words, ["-s"], "size=") ?? 0) > blockBytes(words),
    "makes sectors larger than a block, so mkfs refuses; write a smaller size=, or a larger `-b size=`",
    "-b size=1024 -s size=4096",
  ),
];

/** How many allocation groups mkfs.xfs makes by itself, up to some TiB; more for a stripe of several disks. */
function usualGroups(bytes: number, words: readonly MkfsWord[]): number {
  if (stripeUnitBytes(words, "-d") === 0) return 4;
  return bytes > 512 * GIB ? 32 : bytes > 8 * GIB ? 16 : 8;
}

/** The log lies in one allocation group; mkfs.xfs(8), `-l size=`. */
function refusedSize(bytes: number, words: readonly MkfsWord[]): string[] {
  if (bytes < LEAST_BYTES)
    return [`is too small: an XFS has at least ${formatBytes(LEAST_BYTES)}; write a larger size, or ext4`];
  const groupBytes = writtenBytes(words, ["-d"], "agsize=");
  const count = Number(writtenValue(words, ["-d"], "agcount=") ?? usualGroups(bytes, words));
  const groups = groupBytes === undefined ? count : Math.ceil(bytes / groupBytes);
  if (groups < 2) return ["has room for less than two allocation groups; write a smaller `agsize=`, or `agcount=2`"];
  const logGroup = writtenValue(words, ["-l"], "agnum=");
  if (logGroup !== undefined && Number(logGroup) >= groups)
    return [`has ${groups} allocation groups, from 0, and none is number ${logGroup}; leave out \`agnum=\``];
  // Of two, the log is in the second one.
  const group = groupBytes === undefined ? bytes / groups : groups === 2 ? bytes - groupBytes : groupBytes;
  const most = Math.min(Math.floor(group / blockBytes(words) / 2), MOST_EXTENT_BLOCKS);
  const hint = ["cowextsize=", "extszinherit="].find((name) => Number(writtenValue(words, ["-d"], name) ?? 0) > most);
  if (hint !== undefined)
    return [`has allocation groups that take no \`${hint}\` above ${most} blocks; write a smaller one`];
  if (stripeUnitBytes(words, "-d") >= group)
    return [`has allocation groups of ${formatBytes(group)}, no larger than a stripe unit; write a smaller one`];
  const log = writtenBytes(words, ["-l"], "size=") ?? LEAST_LOG_BYTES;
  if (group > log) return [];
  const [perGroup, wanted, least] = [group, log, log * groups].map((one) => formatBytes(one));
  return [
    `is too small: its ${groups} allocation groups of ${perGroup} have no room for a log of ${wanted}; ` +
      (groupBytes === undefined
        ? `write a size above ${least}, or a smaller \`agcount=\` of -d or \`size=\` of -l`
        : "write a larger size, or another `agsize=` of -d"),
  ];
}

/** A quota that is enforced, and one that is only counted: what a mount shows, and their other names. */
const quota = (enforced: string, others: string, onlyCounted: string, otherOnlyCounted = ""): KnownOptions => ({
  ...called(`${enforced} ${onlyCounted}`, about(enforced, undoneBy("", flag))),
  ...called(others, means(flag, enforced)),
  ...called(otherOnlyCounted, means(flag, onlyCounted)),
});

/** xfs(5), mkfs.xfs(8), xfs_admin(8), xfs_growfs(8). */
export const xfs: MadeFilesystem = {
  manual: "xfs(5)",
  pass: 0,
  packages: ["xfsprogs"],
  label: { maxBytes: 12, refused: { pattern: /\s/, words: "white space, which xfs_db(8) can't set" } },

  options: {
    ...OF_FILESYSTEM,
    inode32: about("inode64", undoneBy("inode64", flag)),
    inode64: about("inode64", byDefault(flag)),
    ...fixed({
      attr2: byDefault(flag),
      ...onOff("discard", "nodiscard"),
      ...onOff("grpid", "nogrpid"),
      bsdgroups: means(flag, "grpid"),
      sysvgroups: means(flag, "nogrpid"),
      filestreams: undoneBy("", flag),
      // Newer kernels take it, and show nothing.
      ikeep: about("ikeep", byDefault(flag)),
      noikeep: about("ikeep", byDefault(flag)),
      ...onOff("largeio", "nolargeio"),
      noalign: flag,
      nouuid: flag,
      swalloc: undoneBy("", flag),
      wsync: undoneBy("", flag),
      // It makes wsync too, which a remount doesn't take back.
      sync: { ...undoneBy("", flag), covers: ["wsync"] },
      ...quota("usrquota", "quota uquota", "uqnoenforce", "qnoenforce"),
      ...quota("grpquota", "gquota", "gqnoenforce"),
      ...quota("prjquota", "pquota", "pqnoenforce"),
      noquota: about("usrquota grpquota prjquota", byDefault(flag)),
      norecovery: beside("ro", { ...undoneBy("", flag), unrepeatable: true }),
      allocsize: undoneBy("", text("64m", "a size from 4k to 1g, a power of 2", ALLOCSIZE)),
      logbufs: counted("logbufs", oneOf("2", "3", "4", "5", "6", "7", "8"), 8),
      // By default as large as the log's stripe unit, if that is larger than 32k.
      logbsize: byDefault(
        oneOf("16k", "32k", "64k", "128k", "256k", "16384", "32768", "65536", "131072", "262144"),
        "=32k",
      ),
      sunit: byDefault(beside("swidth=128", number32(128, "blocks of 512 bytes")), "=0"),
      swidth: byDefault(beside("sunit=128", number32(128, "blocks of 512 bytes")), "=0"),
      dax: {
        ...orNothing(oneOf("always", "inode", "never")),
        // Without persistent memory the kernel turns it off.
        shown: (tail) =>
          ["", "=always"].includes(tail) ? ["dax=always", "dax=never"] : tail === "=inode" ? [ITSELF, ""] : [ITSELF],
      },
      logdev: untried("needs a log on another device", text("/dev/x", "a path")),
      rtdev: untried("needs a realtime section on another device", text("/dev/x", "a path")),
    }),
  },

  refused: [
    {
      matches: /^(no)?barrier$/,
      reason: "is unknown to XFS since Linux 4.19, and does not mount; leave it out",
      examples: mounted("barrier", "nobarrier"),
      outcome: "does not mount",
    },
    {
      matches: /^((no)?delaylog|ihashsize=.*|irixsgid|osyncis[do]sync)$/,
      reason: "is unknown to XFS since Linux 4.0, and does not mount; leave it out",
      examples: mounted("delaylog", "nodelaylog", "ihashsize=1024", "irixsgid", "osyncisdsync", "osyncisosync"),
      outcome: "does not mount",
    },
    {
      matches: /^noattr2$/,
      reason: "does not mount on XFS of version 5, which mkfs.xfs makes; leave it out",
      examples: mounted("noattr2"),
      outcome: "does not mount",
    },
    {
      matches: /^logbsize=/,
      when: isBelowLogStripe,
      reason:
        "does not mount where it is smaller than the log's stripe unit; write a larger one, or a smaller `-l su=`",
      examples: [{ mkfsOptions: ["-l", "su=64k"], options: ["logbsize=32k"] }],
      outcome: "does not mount",
    },
    {
      matches: /^(sunit|swidth)=/,
      when: (declared) => {
        const { unit, width } = stripeOf(declared);
        return isPartOfStripe(unit, width);
      },
      reason: "does not mount unless swidth= is a multiple of sunit=, and both are there; correct or add the other one",
      examples: [
        ...mounted("sunit=128", "swidth=128"),
        { options: ["sunit=128", "swidth=192"] },
        { options: ["swidth=128", "sunit=0"] },
      ],
      outcome: "does not mount",
    },
    {
      matches: /^(sunit|swidth)=/,
      when: hasPartOfBlock,
      reason: "does not mount: sunit= is no multiple of the filesystem's blocks; write one of 8, which are 4 KiB",
      examples: [{ options: ["sunit=12", "swidth=12"], mkfsOptions: ["-d", "su=16k,sw=1"] }],
      outcome: "does not mount",
    },
    {
      matches: /^noalign$/,
      when: (declared) => stripeOf(declared).unit !== 0,
      reason: "does not mount beside sunit= and swidth=; leave out one of them",
      examples: [{ options: ["noalign", "sunit=128", "swidth=128"], mkfsOptions: ["-d", "su=64k,sw=1"] }],
      outcome: "does not mount",
    },
    {
      matches: /^(sunit|swidth)=0*[1-9]/,
      when: ({ mkfs = [] }) => mkfs.some(({ flag, word }) => flag === "-d" && word === "noalign"),
      reason: "does not mount on an XFS that is made with `-d noalign`; leave out one of them",
      examples: [{ options: ["sunit=128", "swidth=128"], mkfsOptions: ["-d", "noalign"] }],
      outcome: "does not mount",
    },
    needsReadOnly(...mounted("norecovery")),
    mountsLoopDevice(...mounted("loop", "offset=0", "sizelimit=0")),
  ],

  mkfs: {
    manual: "mkfs.xfs(8)",
    valued: /^-[bcdilLmnprs]$/,
    flags: {
      "-b": words({ size: oneOf("1024", "2048", "4096", "1k", "2k", "4k") }),
      "-d": words({
        agcount: within(2, 2 ** 32 - 2, number(8)),
        agsize: size("128m"),
        cowextsize: number(32, "blocks"),
        daxinherit: oneOf("0", "1"),
        extszinherit: number(4, "blocks"),
        noalign: flag,
        projinherit: number(0),
        su: beside("sw=1", size("64k")),
        sunit: beside("swidth=128", number(128, "blocks of 512 bytes")),
        sw: beside("su=64k", number(1)),
        swidth: beside("sunit=128", number(128, "blocks of 512 bytes")),
      }),
      "-i": words({
        align: oneOf("1"),
        attr: oneOf("2"),
        maxpct: text("25", "a percentage", /^=(\d?\d|100)$/),
        perblock: oneOf("2", "4", "8"),
        projid32bit: oneOf("1"),
        size: oneOf("512", "1024", "2048"),
        sparse: oneOf("0", "1"),
      }),
      "-K": flag,
      "-l": words({
        agnum: number(0),
        internal: orNothing(oneOf("1")),
        "lazy-count": oneOf("1"),
        size: size("64m"),
        su: size("32k"),
        sunit: number(64, "blocks of 512 bytes"),
        version: oneOf("2"),
      }),
      "-m": words({
        bigtime: oneOf("0", "1"),
        crc: oneOf("1"),
        finobt: oneOf("1"),
        inobtcount: oneOf("0", "1"),
        reflink: oneOf("0", "1"),
        rmapbt: oneOf("0", "1"),
      }),
      "-n": words({
        ftype: oneOf("1"),
        size: oneOf("4096", "8192", "16384", "32768", "65536", "4k", "8k", "16k", "32k", "64k"),
        version: oneOf("2", "ci"),
      }),
      "-q": flag,
      "-s": words({ size: oneOf("512", "1024", "2048", "4096", "1k", "2k", "4k") }),
    },
    refused: [
      overwrites(...made("-f")),
      isSmaller(/^-d size=/, ...made("-d size=600m")),
      makesNothing(/^-[NV]$/, ...made("-N", "-V")),
      setsLabel(...made("-L theirs")),
      setsUuid(...made("-m uuid=11111111-2222-4333-8444-555555555555")),
      {
        ...hasBlocksAboveAPage(...made("-b size=8192", "-b size=64k")),
        later: { linux: "6.12", outcome: "mounts" },
      },
      ...refusedTogether,
    ],
    once: /^-[bdilmns]$/,
    refusedSize,
  },
};
