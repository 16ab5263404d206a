import { formatBytes, parseSize, type Size } from "../values/size.ts";
import type { MadeFilesystem } from "./filesystemType.ts";
import { writtenValue, type MkfsWord } from "./mkfsWords.ts";
import {
  about,
  beside,
  byDefault,
  called,
  counted,
  features,
  fixed,
  flag,
  ITSELF,
  number,
  OF_FILESYSTEM,
  oneOf,
  onOff,
  orNothing,
  shownAs,
  text,
  undoneBy,
  unshown,
  within,
  type KnownOption,
} from "./options.ts";
import {
  hasBlocksAboveAPage,
  isSmaller,
  losesCommittedData,
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

/** A level that is left out is 3. */
const compressed = (name: string) => (tail: string) => {
  if (/^=no(ne)?$/.test(tail)) return [""];
  return [`${name}${/^$|^=(zlib|zstd)$/.test(tail) ? `${tail || "=zlib"}:3` : tail}`];
};

const COMPRESSION: KnownOption = {
  tail: /^=(zlib(:[1-9])?|lzo|zstd(:([1-9]|1[0-5]))?|no|none)$/,
  takes: "zlib[:1-9], lzo, zstd[:1-15] or no",
  tried: ["=zlib:9", "=lzo", "=no", "=zstd:15", "=zstd"],
  shown: compressed("compress"),
  undo: () => "compress=no",
};

const isLarger = (size: Size, bytes: number) => "bytes" in size && size.bytes > bytes;

const isCompressed = (option: string) => /^compress(-force)?(=(?!no(ne)?$)|$)/.test(option);

/** Judged only where the filesystem is made here too: one from before btrfs-progs 5.15 has none. */
const hasFreeSpaceTree = ({ options, mkfs }: Declared) =>
  mkfs !== undefined && !options.includes("clear_cache") && !mkfs.some(({ word }) => word === "^free-space-tree");

const DATA = ["-d", "--data"];
const METADATA = ["-m", "--metadata"];
const isMixed = (words: readonly MkfsWord[]) => words.some(({ flag }) => /^(-M|--mixed)$/.test(flag));

const MIB = 1024 ** 2;

/** As mkfs.btrfs says: by how often it writes metadata, which is twice unless declared, and data. */
function leastBytes(words: readonly MkfsWord[]): number {
  if (isMixed(words)) return 16 * MIB;
  const isDouble = [METADATA, DATA].map((flags) => writtenValue(words, flags));
  const metadata = isDouble[0] === "single" ? 45 * MIB : 109 * MIB;
  return isDouble[1] === "dup" ? metadata + 120 * MIB : metadata;
}

function refusedSize(bytes: number, words: readonly MkfsWord[]): string[] {
  const least = leastBytes(words);
  if (bytes >= least) return [];
  const smaller = least > 16 * MIB ? "write a larger size, or `--mixed`" : "write a larger size";
  return [`is too small: a btrfs made like this has at least ${formatBytes(least)}; ${smaller}`];
}

/** btrfs(5), mkfs.btrfs(8), btrfs-filesystem(8). */
export const btrfs: MadeFilesystem = {
  manual: "btrfs(5)",
  pass: 0,
  packages: ["btrfs-progs"],
  label: { maxBytes: 255 },

  options: {
    ...OF_FILESYSTEM,
    ...onOff("noacl", "acl"),
    ...onOff("autodefrag", "noautodefrag"),
    ...onOff("enospc_debug", "noenospc_debug"),
    ...onOff("flushoncommit", "noflushoncommit"),
    ...onOff("notreelog", "treelog"),
    ...onOff("nodatacow", "datacow"),
    nodatacow: { ...about("datacow", undoneBy("datacow,datasum", flag)), covers: ["datasum"] },
    ...onOff("nodatasum", "datasum"),
    barrier: byDefault(flag),
    ...called("clear_cache rescan_uuid_tree usebackuproot", unshown("it is done once, while mounting", flag)),
    degraded: flag,
    skip_balance: undoneBy("", flag),
    user_subvol_rm_allowed: undoneBy("", flag),
    // By default it depends on the disk.
    ssd: flag,
    nossd: about("ssd", undoneBy("", flag)),
    ssd_spread: about("ssd ssd_spread", undoneBy("nossd_spread", flag)),
    nossd_spread: about("ssd_spread", byDefault(flag)),
    // By default it is async where the disk can discard, since Linux 6.2.
    discard: {
      ...orNothing(oneOf("sync", "async")),
      shown: (tail) => (tail === "=async" ? [ITSELF] : ["discard"]),
      undo: (tail) => (tail === "=async" ? undefined : "nodiscard"),
    },
    nodiscard: about("discard", shownAs(flag, "")),
    norecovery: about("rescue", beside("ro", shownAs(flag, "rescue=nologreplay", "norecovery"))),
    // Linux 6.1 reads these as numbers with a sign.
    commit: counted("commit", within(0, 2 ** 31 - 1, number(30, "seconds")), 30, 0),
    compress: orNothing(COMPRESSION),
    "compress-force": about("compress", orNothing({ ...COMPRESSION, shown: compressed("compress-force") })),
    device: unshown("a mount shows one of its devices", text("DEVICE", "a path")),
    fatal_errors: undoneBy("fatal_errors=bug", byDefault(oneOf("bug", "panic"), "=bug")),
    max_inline: {
      ...byDefault(text("2048", "a size", /^=\d+[kmg]?$/i), "=2048"),
      // No larger than a sector.
      grants: (declared, shown) => Number(shown) === 4096 && isLarger(parseSize(declared), 4096),
      undo: () => "max_inline=2048",
    },
    metadata_ratio: counted("metadata_ratio", within(0, 2 ** 31 - 1, number(4)), 0),
    rescue: undoneBy(
      "",
      unshown(
        "kernels show what it comes to, each in its own words",
        beside(
          "ro",
          text(
            "all",
            "usebackuproot, nologreplay, ignorebadroots, ignoredatacsums or all, with : between",
            /^=(usebackuproot|nologreplay|i(gnore)?(badroots|datacsums)|all)(:(usebackuproot|nologreplay|i(gnore)?(badroots|datacsums)|all))*$/,
          ),
        ),
      ),
    ),
    ...fixed({
      space_cache: {
        ...orNothing(oneOf("v1", "v2")),
        tried: [",clear_cache", "=v1,clear_cache", "=v2"],
        shown: (tail) => (tail === "=v2" ? [ITSELF, ""] : ["space_cache", "space_cache=v1"]),
      },
      nospace_cache: about("space_cache", beside("clear_cache", flag)),
      // Remounting with another subvolume succeeds, and shows the old one.
      subvol: {
        ...text("/", "a path"),
        shown: (tail) => [`subvol=/${tail.slice(1).split("/").filter(Boolean).join("/")}`],
      },
      subvolid: { ...number(5), shown: (tail) => (/^=0+$/.test(tail) ? ["subvolid=5"] : [ITSELF]) },
    }),
    thread_pool: {
      ...within(1, 2 ** 31 - 1, number(8)),
      // By default two more than the processors, and 8 at most.
      shown: (tail) => (Number(tail.slice(1)) <= 8 ? [ITSELF, ""] : [ITSELF]),
    },
  },

  refused: [
    losesCommittedData(...mounted("nobarrier")),
    {
      matches: /^nologreplay$/,
      reason: "does not mount on newer kernels; write norecovery",
      examples: mounted("nologreplay"),
      outcome: "does not mount",
    },
    needsReadOnly(
      ...mounted("norecovery", "rescue=nologreplay", "rescue=all", "rescue=ibadroots", "rescue=ignoredatacsums"),
    ),
    {
      matches: /^recovery$/,
      reason: "does not mount on newer kernels; write usebackuproot",
      // Linux 6.1 still takes it.
      examples: [],
      outcome: "does not mount",
    },
    {
      matches: /^nodatacow$/,
      when: ({ options }) => options.some(isCompressed),
      reason:
        "does not go with compression: the kernel takes the later of the two; leave it out, or turn compression off",
      examples: [{ options: ["compress=zstd:3", "nodatacow"] }],
      outcome: { shows: "nodatacow" },
    },
    {
      matches: /^nodatasum$/,
      when: ({ options }) => options.lastIndexOf("nodatasum") < options.findLastIndex(isCompressed),
      reason: "is taken back by compression that is written after it; write it after that, or leave out one of them",
      examples: [{ options: ["nodatasum", "compress=zstd:3"] }],
      outcome: { shows: "compress=zstd:3" },
    },
    mountsLoopDevice(...mounted("loop", "offset=0", "sizelimit=0")),
    {
      matches: /^(space_cache|space_cache=v1|nospace_cache)$/,
      when: hasFreeSpaceTree,
      reason: "does not mount on a btrfs with a free space tree, which mkfs.btrfs makes since 5.15; leave it out",
      examples: ["space_cache", "space_cache=v1", "nospace_cache"].map((option) => ({
        options: [option],
        mkfsOptions: [],
      })),
      outcome: "does not mount",
    },
    {
      matches: /^(no)?inode_cache$/,
      reason: "is ignored since Linux 5.11, and does not mount on Linux 6.12; leave it out",
      examples: mounted("inode_cache", "noinode_cache"),
      outcome: "is ignored",
      later: { linux: "6.12", outcome: "does not mount" },
    },
    {
      matches: /^(alloc_start|subvolrootid)=/,
      reason: "is unknown to btrfs of Linux 6.1, and does not mount; leave it out",
      examples: mounted("alloc_start=1", "subvolrootid=5"),
      outcome: "does not mount",
    },
    {
      matches: /^(check_int(_data|_print_mask=.*)?|fragment=.*|ref_verify)$/,
      reason: "does not mount: Debian builds the kernel without it; leave it out",
      examples: mounted("check_int", "check_int_data", "check_int_print_mask=1", "fragment=all", "ref_verify"),
      outcome: "does not mount",
    },
  ],

  mkfs: {
    manual: "mkfs.btrfs(8)",
    valued:
      /^(-[AbdlLmnOrRsU]|--(alloc-start|byte-count|checksum|csum|data|features|label|leafsize|metadata|nodesize|rootdir|runtime-features|sectorsize|uuid))$/,
    flags: {
      ...called("--checksum --csum", oneOf("crc32c", "xxhash", "sha256", "blake2")),
      ...called("-d --data", oneOf("single", "dup")),
      ...called("-K --nodiscard", flag),
      ...called("-m --metadata", oneOf("single", "dup")),
      ...called("-M --mixed", flag),
      ...called("-n --nodesize", oneOf("4096", "8192", "16384", "32768", "65536", "4k", "8k", "16k", "32k", "64k")),
      ...called("-O --features", features("extref raid56 skinny-metadata no-holes")),
      ...called("-q --quiet", flag),
      ...called("-R --runtime-features", features("quota free-space-tree")),
      ...called("-s --sectorsize", oneOf("4096", "4k")),
      ...called("-v --verbose", flag),
    },
    refused: [
      overwrites(...made("-f", "--force")),
      isSmaller(/^(-b|--byte-count) /, ...made("-b 600m", "--byte-count 600m")),
      {
        matches: /^(-M|--mixed)$/,
        when: ({ mkfs = [] }) => {
          const [data, metadata] = [DATA, METADATA].map((flags) => writtenValue(mkfs, flags));
          return data !== metadata && [data, metadata].includes("dup");
        },
        reason: "makes data and metadata one, so mkfs refuses where only one of them is dup; write the same for both",
        examples: made("-M -d dup", "-M -m dup", "--mixed --data single --metadata dup"),
        outcome: "mkfs refuses",
      },
      {
        matches: /^(-n|--nodesize) (?!4096$|4k$)/i,
        when: ({ mkfs = [] }) => isMixed(mkfs),
        reason: "is not the size of a sector, so mkfs refuses it beside --mixed; leave out one of them",
        examples: made("-M -n 16384", "--mixed --nodesize 64k"),
        outcome: "mkfs refuses",
      },
      makesNothing(/^(-V|--version|-h|--help)$/, ...made("-V", "--version", "--help")),
      setsLabel(...made("-L theirs", "--label theirs")),
      setsUuid(...made("--uuid 11111111-2222-4333-8444-555555555555")),
      hasBlocksAboveAPage(...made("-s 16384", "--sectorsize 65536")),
      {
        matches: /^(-[dm]|--data|--metadata) raid(1|1c3|1c4|5|6)$/i,
        reason: "needs more than one device, so mkfs refuses; write single or dup",
        examples: ["raid1", "raid1c3", "raid1c4", "raid5", "raid6"].flatMap((level) =>
          made(`-d ${level}`, `-m ${level}`),
        ),
        outcome: "mkfs refuses",
      },
    ],
    refusedSize,
  },
};
