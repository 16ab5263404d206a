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

interface Rule {
  readonly type: RegExp;
  /** Matches one mount option, or one word of a mkfs argument. */
  readonly option?: RegExp;
  readonly mkfsOption?: RegExp;
  readonly when?: (request: MountRequest) => boolean;
  readonly reason: string;
}

const hasNoJournal = ({ mkfsOptions = [] }: MountRequest) => mkfsWords(mkfsOptions).includes("^has_journal");

/** Each row was seen on Linux 6.1; `findmnt --verify` takes all of them. */
const RULES: readonly Rule[] = [
  { type: /^ext4$/, option: /^(commit|data)=/, when: hasNoJournal, reason: "does not mount on an ext4 without a journal; leave out `-O ^has_journal`, or this option" },
  { type: /^(ext[34]|btrfs)$/, option: /^(barrier=0|nobarrier)$/, reason: "loses committed data when the power fails; leave it out" },
  { type: /^ext4$/, mkfsOption: /^sparse_super2(=.*)?$/, reason: 'forbids growing online ("kernel does not support online resize with sparse_super2"); leave it out' },
  { type: /^xfs$/, option: /^(no)?barrier$/, reason: "is unknown to XFS since Linux 4.19, and does not mount; leave it out" },
  { type: /^nfs4?$/, option: /^(no)?intr$/, reason: "is ignored since Linux 2.6.25 (nfs(5)); leave it out" },
];

/** The options of a request that don't mount, don't do what they say, or lose data; empty: none is known. */
export function refusedOptions(request: MountRequest): Refusal[] {
  const refusals: Refusal[] = [];
  for (const { type, option, mkfsOption, when, reason } of RULES) {
    if (!type.test(request.type) || when?.(request) === false) continue;
    const matching = option === undefined ? mkfsWords(request.mkfsOptions ?? []).filter((word) => mkfsOption?.test(word)) : request.options.filter((one) => option.test(one));
    refusals.push(...matching.map((one) => ({ option: one, reason: `${one} on ${request.type} ${reason}` })));
  }
  if (/^(xfs|btrfs|nfs4?|none)$/.test(request.type) && request.pass !== 0) {
    refusals.push({ option: `pass ${request.pass}`, reason: `fsck pass ${request.pass} on ${request.type}: fsck(8) does nothing for it at boot; write 0` });
  }
  if (/^\/dev\/(sd[a-z]+|vd[a-z]+|xvd[a-z]+|nvme\d+n\d+|mmcblk\d+|dm-\d+)(p?\d+)?$/.test(request.source)) {
    refusals.push({ option: request.source, reason: `${request.source} may name another device after the next boot; write LABEL=, UUID=, /dev/disk/by-id/… or an LVM path` });
  }
  return refusals;
}

/** The words of mkfs arguments: `-E lazy_itable_init=0,discard` has two besides the flag, `-O^has_journal` has one. */
function mkfsWords(mkfsOptions: readonly string[]): string[] {
  return mkfsOptions.flatMap((argument) => argument.replace(/^-[A-Za-z](?=.)/, "").split(/[\s,]+/));
}

/**
 * Not shown by the kernel: they are for mount(8), systemd.mount(5) and fstab(5) alone, are what a mount has unless told
 * otherwise, or are shown as several others.
 */
const UNSHOWN = /^(defaults|auto|noauto|user|nouser|users|owner|group|nofail|_netdev|(no)?bg|(no)?fg|retry=.*|x-.*|X-.*|comment=.*|bind|rbind|suid|dev|exec|async|atime|diratime|actimeo=.*)$/;

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
  if (type === "btrfs") return option.replace(/^(compress(-force)?=(zstd|zlib))$/, "$1:3").replace(/^subvol=(?!\/)/, "subvol=/");
  if (!type.startsWith("nfs")) return option;
  return option.replace(/^(nfsvers|vers)=/, "vers=").replace(/^tcp$/, "proto=tcp").replace(/^udp$/, "proto=udp");
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

/** Whether a value that the kernel shows is what was declared, in its words or after it asked the server. */
function isSameValue(type: string, name: string, declared: string, shown: string): boolean {
  if (type.startsWith("nfs")) {
    if (/^[rw]size$/.test(name)) return Number(shown) <= Number(declared);
    if (name === "vers" && declared === "4") return /^4\.\d$/.test(shown);
  }
  const isSize = /^\d+[kmg]?$/i;
  return isSize.test(declared) && isSize.test(shown) && JSON.stringify(parseSize(declared)) === JSON.stringify(parseSize(shown));
}
