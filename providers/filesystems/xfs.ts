import type { MadeFilesystem } from "./filesystemType.ts";
import { formatBytes } from "../values/size.ts";
import { writtenBytes, writtenValue, type MkfsWord } from "./mkfsWords.ts";
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
  words,
  type KnownOptions,
} from "./options.ts";
import {
  hasBlocksAboveAPage,
  isSmaller,
  made,
  makesNothing,
  mounted,
  mountsLoopDevice,
  needsReadOnly,
  overwrites,
  setsLabel,
  setsUuid,
  type Declared,
} from "./rules.ts";

const SECTOR_BYTES = 512;

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
  const block = mkfs === undefined ? 1024 : (writtenBytes(mkfs, ["-b"], "size=") ?? 4096);
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

/** How many allocation groups mkfs.xfs makes by itself, up to some TiB; more for a stripe of several disks. */
function usualGroups(bytes: number, words: readonly MkfsWord[]): number {
  const isStriped = words.some(({ flag, word }) => flag === "-d" && /^(su|sunit)=/.test(word));
  if (!isStriped || words.some(({ word }) => word === "noalign")) return 4;
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
        return unit === 0 ? width !== 0 : width === 0 || width % unit !== 0;
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
        agcount: number(8),
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
    ],
    refusedSize,
  },
};
