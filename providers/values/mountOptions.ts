import { KNOWN_FLAGS, KNOWN_OPTIONS } from "./knownOptions.ts";
import { parseSize } from "./size.ts";

/** What mounts or makes a filesystem, as far as it can be judged without a host. */
export interface MountRequest {
  /** fs_vfstype of fstab(5). */
  readonly type: string;
  readonly source: string;
  readonly options: readonly string[];
  readonly pass: number;
  /** Arguments of mkfs, where the filesystem is made here too. */
  readonly mkfsOptions?: readonly string[];
}

/** Why an option can't be, with what to write instead. */
export interface Refusal {
  readonly option: string;
  readonly reason: string;
}

/** A mount or a mkfs that shows what a row says; test/e2e/options.test.ts makes it on a real kernel. */
interface Example {
  readonly type: string;
  readonly options?: readonly string[];
  readonly mkfsOptions?: readonly string[];
}

/**
 * What happens with an example: mount fails; it is mounted, and the option isn't shown; it is mounted, and something else
 * is shown (`shows`); or what mkfs does. With its first flag it "overwrites", without that it refuses to.
 */
export type Outcome =
  | "does not mount"
  | "is ignored"
  | { readonly shows: string }
  | "mkfs refuses"
  | "makes no such filesystem"
  | "overwrites"
  | "labels"
  | "repeats the UUID"
  | "does not grow online";

interface Rule {
  readonly type: RegExp;
  /** Matches one mount option. */
  readonly option?: RegExp;
  /** Matches one word of a mkfs flag, after the flag: `-O sparse_super2`; or a flag alone: `-F`. */
  readonly mkfs?: RegExp;
  readonly when?: (request: MountRequest) => boolean;
  readonly reason: string;
  /** One for each name that it matches. */
  readonly examples: readonly Example[];
  readonly outcome: Outcome;
}

const hasNoJournal = ({ type, mkfsOptions = [] }: MountRequest) =>
  mkfsWords(type, mkfsOptions).some(({ word }) => word === "^has_journal");
const isWritable = ({ options }: MountRequest) => !options.includes("ro");
/** Judged only where the filesystem is made here too: one from before btrfs-progs 5.15 has none. */
const hasFreeSpaceTree = ({ type, options, mkfsOptions }: MountRequest) =>
  mkfsOptions !== undefined &&
  !options.includes("clear_cache") &&
  !mkfsWords(type, mkfsOptions).some(({ word }) => word === "^free-space-tree");
const isBelowLogStripe = ({ type, options, mkfsOptions = [] }: MountRequest) => {
  const stripe = /^su=(\d+)k$/.exec(
    mkfsWords(type, mkfsOptions).find(({ flag, word }) => flag === "-l" && word.startsWith("su="))?.word ?? "",
  )?.[1];
  const buffer = options.map((option) => /^logbsize=(\d+)(k?)$/.exec(option)).findLast((match) => match !== null);
  return (
    stripe !== undefined &&
    buffer !== undefined &&
    Number(buffer?.[1]) * (buffer?.[2] === "k" ? 1 : 1 / 1024) < Number(stripe)
  );
};

/** Each of a type's options by itself. */
const each = (type: string, ...options: readonly string[]): Example[] =>
  options.map((option) => ({ type, options: [option] }));

/** What is refused by name. Seen on Linux 6.1 of Debian 12, where no other version is named; `findmnt --verify` takes all of them. */
export const RULES: readonly Rule[] = [
  {
    type: /^ext4$/,
    option: /^(commit|data)=/,
    when: hasNoJournal,
    reason: "does not mount on an ext4 without a journal; leave out `-O ^has_journal`, or this option",
    examples: ["commit=30", "data=ordered", "data=writeback", "data=journal"].map((option) => ({
      type: "ext4",
      mkfsOptions: ["-O", "^has_journal"],
      options: [option],
    })),
    outcome: "does not mount",
  },
  {
    type: /^(ext[34]|btrfs)$/,
    option: /^(barrier=0|nobarrier)$/,
    reason: "loses committed data when the power fails; leave it out",
    examples: [...each("ext4", "barrier=0", "nobarrier"), ...each("btrfs", "nobarrier")],
    outcome: { shows: "nobarrier" },
  },
  {
    type: /^ext4$/,
    option: /^no(acl|user_xattr)$/,
    reason: "is unknown to ext4 of Linux 6.1, and does not mount; leave it out",
    examples: each("ext4", "noacl", "nouser_xattr"),
    outcome: "does not mount",
  },
  {
    type: /^ext4$/,
    option:
      /^(bh|nobh|oldalloc|orlov|check=none|nocheck|(no)?reservation|journal=\d+|(no)?mblk_io_submit|i_version|prefetch_block_bitmaps)$/,
    reason: 'is ignored by Linux 6.1 ("Ignoring removed option"); leave it out',
    examples: each(
      "ext4",
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
  {
    type: /^xfs$/,
    option: /^(no)?barrier$/,
    reason: "is unknown to XFS since Linux 4.19, and does not mount; leave it out",
    examples: each("xfs", "barrier", "nobarrier"),
    outcome: "does not mount",
  },
  {
    type: /^xfs$/,
    option: /^((no)?delaylog|ihashsize=.*|irixsgid|osyncis[do]sync)$/,
    reason: "is unknown to XFS since Linux 4.0, and does not mount; leave it out",
    examples: each("xfs", "delaylog", "nodelaylog", "ihashsize=1024", "irixsgid", "osyncisdsync", "osyncisosync"),
    outcome: "does not mount",
  },
  {
    type: /^xfs$/,
    option: /^noattr2$/,
    reason: "does not mount on XFS of version 5, which mkfs.xfs makes; leave it out",
    examples: [{ type: "xfs", options: ["noattr2"] }],
    outcome: "does not mount",
  },
  {
    type: /^xfs$/,
    option: /^logbsize=/,
    when: isBelowLogStripe,
    reason: "does not mount where it is smaller than the log's stripe unit; write a larger one, or a smaller `-l su=`",
    examples: [{ type: "xfs", mkfsOptions: ["-l", "su=64k"], options: ["logbsize=32k"] }],
    outcome: "does not mount",
  },
  {
    type: /^(xfs|btrfs)$/,
    option: /^(norecovery|nologreplay)$/,
    when: isWritable,
    reason: "does not mount unless read-only; add ro, or leave it out",
    examples: [...each("xfs", "norecovery"), ...each("btrfs", "norecovery", "nologreplay")],
    outcome: "does not mount",
  },
  {
    type: /^btrfs$/,
    option: /^(space_cache|space_cache=v1|nospace_cache)$/,
    when: hasFreeSpaceTree,
    reason: "does not mount on a btrfs with a free space tree, which mkfs.btrfs makes since 5.15; leave it out",
    examples: ["space_cache", "space_cache=v1", "nospace_cache"].map((option) => ({
      type: "btrfs",
      options: [option],
      mkfsOptions: [],
    })),
    outcome: "does not mount",
  },
  {
    type: /^btrfs$/,
    option: /^(no)?inode_cache$/,
    reason: "is ignored since Linux 5.11; leave it out",
    examples: each("btrfs", "inode_cache", "noinode_cache"),
    outcome: "is ignored",
  },
  {
    type: /^btrfs$/,
    option: /^(alloc_start|subvolrootid)=/,
    reason: "is unknown to btrfs of Linux 6.1, and does not mount; leave it out",
    examples: each("btrfs", "alloc_start=1", "subvolrootid=5"),
    outcome: "does not mount",
  },
  {
    type: /^btrfs$/,
    option: /^(check_int(_data|_print_mask=.*)?|fragment=.*|ref_verify)$/,
    reason: "does not mount: Debian builds the kernel without it; leave it out",
    examples: each("btrfs", "check_int", "check_int_data", "check_int_print_mask=1", "fragment=all", "ref_verify"),
    outcome: "does not mount",
  },
  {
    type: /^nfs4?$/,
    option: /^(no)?intr$/,
    reason: "is ignored since Linux 2.6.25 (nfs(5)); leave it out",
    examples: ["intr", "nointr"].map((option) => ({ type: "nfs", options: ["vers=3", option] })),
    outcome: "is ignored",
  },
  {
    type: /^nfs4?$/,
    option: /^(proto=udp6?|udp)$/,
    reason:
      "does not mount: Debian builds the kernel without NFS over UDP, off by default since Linux 5.6; write proto=tcp",
    examples: ["proto=udp", "udp"].map((option) => ({ type: "nfs", options: ["vers=3", option] })),
    outcome: "does not mount",
  },
  {
    type: /^none$/,
    option: /^(sync|dirsync|lazytime)$/,
    reason: "is ignored by a bind mount; write it for the filesystem itself",
    examples: ["sync", "dirsync", "lazytime"].map((option) => ({ type: "none", options: ["bind", option] })),
    outcome: "is ignored",
  },
  {
    type: /^ext4$/,
    mkfs: / sparse_super2(=.*)?$/,
    reason: 'forbids growing online ("kernel does not support online resize with sparse_super2"); leave it out',
    examples: [{ type: "ext4", mkfsOptions: ["-O", "sparse_super2"] }],
    outcome: "does not grow online",
  },
  {
    type: /^ext4$/,
    mkfs: /^-F$/,
    reason:
      "has mkfs make what it refuses, such as blocks that don't mount; whether a device is blank is proved without it, so leave it out",
    examples: [{ type: "ext4", mkfsOptions: ["-F", "-b", "8192"] }],
    outcome: "overwrites",
  },
  {
    type: /^(xfs|btrfs)$/,
    mkfs: /^(-f|--force)$/,
    reason: "has mkfs overwrite what it finds; whether a device is blank is proved without it, so leave it out",
    examples: [
      { type: "xfs", mkfsOptions: ["-f"] },
      { type: "btrfs", mkfsOptions: ["-f"] },
      { type: "btrfs", mkfsOptions: ["--force"] },
    ],
    outcome: "overwrites",
  },
  {
    type: /^ext4$/,
    mkfs: /^-[nV]$/,
    reason: "makes no filesystem; leave it out",
    examples: ["-n", "-V"].map((flag) => ({ type: "ext4", mkfsOptions: [flag] })),
    outcome: "makes no such filesystem",
  },
  {
    type: /^xfs$/,
    mkfs: /^-[NV]$/,
    reason: "makes no filesystem; leave it out",
    examples: ["-N", "-V"].map((flag) => ({ type: "xfs", mkfsOptions: [flag] })),
    outcome: "makes no such filesystem",
  },
  {
    type: /^btrfs$/,
    mkfs: /^(-V|--version|-h|--help)$/,
    reason: "makes no filesystem; leave it out",
    examples: ["-V", "--version", "--help"].map((flag) => ({ type: "btrfs", mkfsOptions: [flag] })),
    outcome: "makes no such filesystem",
  },
  {
    type: /^ext4$/,
    mkfs: /^-[tO] (ext[23]|journal_dev)$/,
    reason: "makes something else than ext4; leave it out",
    examples: [
      ["-t", "ext2"],
      ["-t", "ext3"],
      ["-O", "journal_dev"],
    ].map((mkfsOptions) => ({ type: "ext4", mkfsOptions })),
    outcome: "makes no such filesystem",
  },
  {
    type: /^(ext4|xfs|btrfs)$/,
    mkfs: /^(-L|--label) /,
    reason: "as the label is compared by nobody, and a declared label overrides it; leave it out",
    examples: [
      ...["ext4", "xfs", "btrfs"].map((type) => ({ type, mkfsOptions: ["-L", "theirs"] })),
      { type: "btrfs", mkfsOptions: ["--label", "theirs"] },
    ],
    outcome: "labels",
  },
  {
    type: /^(ext4|xfs|btrfs)$/,
    mkfs: /^((-U|--uuid) |-m uuid=)/,
    reason:
      "as the UUID can't tell what is wiped from what was made later; leave it out, mkfs makes a new one each time",
    examples: [
      ["ext4", "-U", ""],
      ["btrfs", "--uuid", ""],
      ["xfs", "-m", "uuid="],
    ].map(([type = "", flag = "", name = ""]) => ({
      type,
      mkfsOptions: [flag, `${name}11111111-2222-4333-8444-555555555555`],
    })),
    outcome: "repeats the UUID",
  },
  {
    type: /^ext4$/,
    mkfs: /^-b (8192|8k|16384|16k|32768|32k|65536|64k)$/i,
    reason: "is larger than a page of memory, 4 KiB on x86-64, so mkfs refuses; write 4096, or leave it out",
    examples: ["8192", "16384", "65536"].map((bytes) => ({ type: "ext4", mkfsOptions: ["-b", bytes] })),
    outcome: "mkfs refuses",
  },
  {
    type: /^(xfs|btrfs)$/,
    mkfs: /^(-b size=|-s |--sectorsize )(8192|8k|16384|16k|32768|32k|65536|64k)$/i,
    reason: "does not mount: larger than a page of memory, 4 KiB on x86-64 (XFS: until Linux 6.12)",
    examples: [
      ["xfs", "-b", "size=8192"],
      ["xfs", "-b", "size=64k"],
      ["btrfs", "-s", "16384"],
      ["btrfs", "--sectorsize", "65536"],
    ].map(([type = "", ...mkfsOptions]) => ({ type, mkfsOptions })),
    outcome: "does not mount",
  },
  {
    type: /^btrfs$/,
    mkfs: /^(-[dm]|--data|--metadata) raid(1|1c3|1c4|5|6)$/i,
    reason: "needs more devices than one, so mkfs refuses; write single or dup",
    examples: ["raid1", "raid1c3", "raid1c4", "raid5", "raid6"].flatMap((level) =>
      ["-d", "-m"].map((flag) => ({ type: "btrfs", mkfsOptions: [flag, level] })),
    ),
    outcome: "mkfs refuses",
  },
];

const known = (type: string) => KNOWN_OPTIONS[type === "nfs4" ? "nfs" : type];

/** Why a filesystem doesn't take an option, whatever else is declared; undefined: it does, or nothing is known of its type. */
function unknownOption(type: string, option: string): string | undefined {
  const filesystem = known(type);
  if (filesystem === undefined || /^(x-|X-|comment=)/.test(option)) return undefined;
  const name = option.split("=", 1)[0] ?? "";
  const found = Object.hasOwn(filesystem.options, name) ? filesystem.options[name] : undefined;
  if (found?.tail.test(option.slice(name.length)) === true) return undefined;
  if (found !== undefined) return `takes ${found.takes}, see ${filesystem.manual}`;
  const others = Object.keys(KNOWN_OPTIONS).filter((other) => Object.hasOwn(KNOWN_OPTIONS[other]!.options, name));
  const page = filesystem.manual === "mount(8)" ? "mount(8)" : `${filesystem.manual} and mount(8)`;
  return `is none of the options in ${page}${others.length === 0 ? "; correct it" : `, but one of ${others.join(", ")}; leave it out`}`;
}

/** Why mkfs doesn't get a word of a flag, whatever else is declared; undefined: it does, or nothing is known of its type. */
function unknownFlag(type: string, { flag: name, word }: MkfsWord): string | undefined {
  const filesystem = KNOWN_FLAGS[type];
  if (filesystem === undefined) return undefined;
  const { manual, flags } = filesystem;
  if (name === "") return `is no flag of ${manual}, which would take it for a device or a size; leave it out`;
  const found = Object.hasOwn(flags, name) ? flags[name] : undefined;
  if (found === undefined) return `is none of the flags of ${manual} that are taken: ${Object.keys(flags).join(", ")}`;
  const [ofWord = "", ...values] = "words" in found ? word.split("=") : [name, ...(word === "" ? [] : [word])];
  const known = "words" in found ? (Object.hasOwn(found.words, ofWord) ? found.words[ofWord] : undefined) : found;
  if (known === undefined)
    return `is none of the words that ${name} takes: ${Object.keys((found as { words: object }).words).join(", ")}`;
  return known.tail.test(values.map((value) => `=${value}`).join(""))
    ? undefined
    : `takes ${known.takes}, see ${manual}`;
}

/** The options of a request that don't mount, don't do what they say, or lose data; empty: none is known. */
export function refusedOptions(request: MountRequest): Refusal[] {
  const { type, options, mkfsOptions = [] } = request;
  const rules = RULES.filter((rule) => rule.type.test(type) && rule.when?.(request) !== false);
  const refusals: Refusal[] = [];
  for (const option of options) {
    const reason = rules.find((rule) => rule.option?.test(option))?.reason ?? unknownOption(type, option);
    if (reason !== undefined) refusals.push({ option, reason: `${option} on ${type} ${reason}` });
  }
  for (const written of mkfsWords(type, mkfsOptions)) {
    const { flag: name, word, argument } = written;
    const reason =
      rules.find(({ mkfs }) => mkfs?.test(word === "" ? name : `${name} ${word}`))?.reason ??
      unknownFlag(type, written);
    const option = [word, name].find((one) => one !== "" && argument.includes(one)) ?? argument;
    if (reason !== undefined) refusals.push({ option, reason: `${option} on ${type} ${reason}` });
  }
  if (/^(xfs|btrfs|nfs4?|none)$/.test(type) && request.pass !== 0) {
    refusals.push({
      option: `pass ${request.pass}`,
      reason: `fsck pass ${request.pass} on ${type}: fsck(8) does nothing for it at boot; write 0`,
    });
  }
  if (/^\/dev\/(sd[a-z]+|vd[a-z]+|xvd[a-z]+|nvme\d+n\d+|mmcblk\d+|dm-\d+)(p?\d+)?$/.test(request.source)) {
    refusals.push({
      option: request.source,
      reason: `${request.source} may name another device after the next boot; write LABEL=, UUID=, /dev/disk/by-id/… or an LVM path`,
    });
  }
  return refusals;
}

/** The flags of mkfs.ext4(8), mkfs.xfs(8) and mkfs.btrfs(8) that take a value. */
const MKFS_VALUES: Readonly<Record<string, RegExp>> = {
  ext4: /^-[bCdeEgGiIJlLmMNoOrTtUz]$/,
  xfs: /^-[bcdilLmnprs]$/,
  btrfs:
    /^(-[AbdlLmnOrRsU]|--(alloc-start|byte-count|checksum|csum|data|features|label|leafsize|metadata|nodesize|rootdir|runtime-features|sectorsize|uuid))$/,
};

interface MkfsWord {
  /** Empty: the word stands alone. */
  readonly flag: string;
  /** One of the words of its value; empty: it takes none. */
  readonly word: string;
  /** The argument that it is written in. */
  readonly argument: string;
}

/** mkfs arguments, taken apart: `-E lazy_itable_init=0,discard` has two words, `-O^has_journal` one, `-qF` is two flags. */
function mkfsWords(type: string, mkfsOptions: readonly string[]): MkfsWord[] {
  const takesValue = MKFS_VALUES[type] ?? /^$/;
  const found: MkfsWord[] = [];
  const rest = [...mkfsOptions];
  for (let argument = rest.shift(); argument !== undefined; argument = rest.shift()) {
    if (!argument.startsWith("-")) {
      found.push({ flag: "", word: argument, argument });
      continue;
    }
    const isLong = argument.startsWith("--");
    let name = isLong ? argument.split("=", 1)[0]! : argument.slice(0, 2);
    let tail = argument.slice(name.length);
    // Short flags without a value stand together.
    for (; !takesValue.test(name); name = `-${tail[0]}`, tail = tail.slice(1)) {
      found.push({ flag: name, word: "", argument });
      if (isLong || tail === "") break;
    }
    if (!takesValue.test(name)) continue;
    const value = tail === "" ? (rest.shift() ?? "") : tail.replace(/^=/, "");
    found.push(
      ...value.split(/[\s,]+/).map((word) => ({ flag: name, word, argument: tail === "" ? value : argument })),
    );
  }
  return found;
}

/**
 * Not shown by the kernel: they are for mount(8), systemd.mount(5) and fstab(5) alone, are what a mount has unless told
 * otherwise, or are shown as several others.
 */
const UNSHOWN =
  /^(defaults|auto|noauto|user|nouser|users|owner|group|nofail|_netdev|(no)?bg|(no)?fg|retry=.*|x-.*|X-.*|comment=.*|bind|rbind|suid|dev|exec|async|atime|diratime|actimeo=.*)$/;

/** Flags of a mount that change what can be done with it; one that nobody asked for is a difference. */
const TELLING_FLAGS = ["ro", "nosuid", "nodev", "noexec", "noatime"];

/** Options whose value the kernel leaves out when it is the default; by type, then option. */
const SILENT_DEFAULTS: Readonly<Record<string, readonly string[]>> = {
  ext4: ["commit=5", "data=ordered", "errors=continue", "barrier=1", "barrier", "acl", "user_xattr", "delalloc"],
  xfs: ["logbufs=8", "logbsize=32k", "attr2", "inode64", "noquota"],
  btrfs: ["space_cache=v2"],
  nfs: ["rw", "acl", "ac", "cto", "lock", "rdirplus", "sharecache"],
};

/** Other words the kernel has for the same. */
function translate(type: string, option: string): string {
  if (type === "btrfs")
    return option.replace(/^(compress(-force)?=(zstd|zlib))$/, "$1:3").replace(/^subvol=(?!\/)/, "subvol=/");
  if (!type.startsWith("nfs")) return option;
  return option
    .replace(/^(nfsvers|vers)=/, "vers=")
    .replace(/^tcp$/, "proto=tcp")
    .replace(/^udp$/, "proto=udp");
}

/**
 * How a live mount differs from what is declared, in words: "commit=30 is missing". Only what is certain is told:
 * what the kernel doesn't show can't be judged, and what an NFS server negotiated down is no difference.
 * @param live the mount's own flags and the filesystem's options, as mountinfo has them
 */
export function liveDifferences(type: string, declared: readonly string[], live: readonly string[]): string[] {
  const wanted = declared.filter((option) => !UNSHOWN.test(option)).map((option) => translate(type, option));
  const silent = SILENT_DEFAULTS[type] ?? [];
  const missing = wanted.filter((option) => {
    if (live.includes(option)) return false;
    const [name, value = ""] = option.split("=", 2);
    const shown = live.find((one) => one.split("=", 1)[0] === name);
    if (shown === undefined) return !silent.includes(option) && option !== "rw";
    return !isSameValue(type, name ?? "", value, shown.split("=")[1] ?? "");
  });
  // A bind mount takes over the flags of the mount that it shows.
  const surplus = type === "none" ? [] : TELLING_FLAGS.filter((flag) => live.includes(flag) && !wanted.includes(flag));
  return [...missing.map((option) => `${option} is missing`), ...surplus.map((flag) => `${flag} was not asked for`)];
}

/** Those of the declared options that a live mount shows for sure, in the kernel's words; sizes may be smaller where an NFS server granted less. */
export function shownOptions(type: string, declared: readonly string[]): string[] {
  const silent = SILENT_DEFAULTS[type] ?? [];
  return declared
    .filter((option) => !UNSHOWN.test(option) && option !== "rw" && !silent.includes(option))
    .map((option) => translate(type, option));
}

/** Whether a value that the kernel shows is what was declared, in its words or after it asked the server. */
function isSameValue(type: string, name: string, declared: string, shown: string): boolean {
  if (type.startsWith("nfs")) {
    if (/^[rw]size$/.test(name)) return Number(shown) <= Number(declared);
    if (name === "vers" && declared === "4") return /^4\.\d$/.test(shown);
  }
  const isSize = /^\d+[kmg]?$/i;
  return (
    isSize.test(declared) &&
    isSize.test(shown) &&
    JSON.stringify(parseSize(declared)) === JSON.stringify(parseSize(shown))
  );
}
