import { parseSize } from "../values/size.ts";
import type { FilesystemType, Mkfs } from "./filesystemType.ts";
import { FILESYSTEMS, filesystemOf } from "./index.ts";
import { mkfsWords, type MkfsWord } from "./mkfsWords.ts";
import type { Declared, Rule } from "./rules.ts";
import { refusedInUserSpace } from "./userSpaceOptions.ts";

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

/** The options of a request that don't mount, don't do what they say, or lose data; empty: none is known. */
export function refusedOptions({ type, source, options, pass, mkfsOptions }: MountRequest): Refusal[] {
  const filesystem = filesystemOf(type);
  const { mkfs } = filesystem;
  const words = mkfs && mkfsOptions && mkfsWords(mkfs.valued, mkfsOptions);
  const declared: Declared = { options, mkfs: words };
  const refusals: Refusal[] = refusedInUserSpace(type, options);
  for (const option of options) {
    const reason = reasonIn(filesystem.refused, option, declared) ?? unknownOption(filesystem, option);
    if (reason !== undefined) refusals.push({ option, reason: `${option} on ${type} ${reason}` });
  }
  if (mkfs !== undefined && words !== undefined) {
    for (const written of words) {
      const { flag, word, argument } = written;
      const reason =
        reasonIn(mkfs.refused, word === "" ? flag : `${flag} ${word}`, declared) ?? unknownFlag(mkfs, written);
      const option = [word, flag].find((one) => one !== "" && argument.includes(one)) ?? argument;
      if (reason !== undefined) refusals.push({ option, reason: `${option} on ${type} ${reason}` });
    }
  }
  if (filesystem.pass === 0 && pass !== 0) {
    refusals.push({
      option: `pass ${pass}`,
      reason: `fsck pass ${pass} on ${type}: fsck(8) does nothing for it at boot; write 0`,
    });
  }
  if (/^\/dev\/(sd[a-z]+|vd[a-z]+|xvd[a-z]+|nvme\d+n\d+|mmcblk\d+|dm-\d+)(p?\d+)?$/.test(source)) {
    refusals.push({
      option: source,
      reason: `${source} may name another device after the next boot; write LABEL=, UUID=, /dev/disk/by-id/… or an LVM path`,
    });
  }
  return refusals;
}

/** The reason of the first rule that refuses what is written. */
function reasonIn(rules: readonly Rule[], written: string, declared: Declared): string | undefined {
  return rules.find(({ matches, when }) => matches.test(written) && when?.(declared) !== false)?.reason;
}

/** Why a filesystem doesn't take an option, whatever else is declared; undefined: it does, or that isn't judged. */
function unknownOption({ manual, options }: FilesystemType, option: string): string | undefined {
  if (options === undefined || /^(x-|X-|comment=)/.test(option)) return undefined;
  const name = option.split("=", 1)[0] ?? "";
  const known = own(options, name);
  if (known !== undefined)
    return known.tail.test(option.slice(name.length)) ? undefined : `takes ${known.takes}, see ${manual}`;
  const others = Object.keys(FILESYSTEMS).filter((type) => own(FILESYSTEMS[type]?.options ?? {}, name) !== undefined);
  const page = manual === "mount(8)" ? manual : `${manual} and mount(8)`;
  if (others.length === 0) return `is not an option in ${page}; correct it`;
  return `is not an option in ${page}, but one of ${others.join(", ")}; leave it out`;
}

/** Why mkfs doesn't get a word of a flag, whatever else is declared; undefined: it does. */
function unknownFlag({ manual, flags }: Mkfs, { flag: name, word }: MkfsWord): string | undefined {
  if (name === "") return `is not a flag of ${manual}, which would take it for a device or a size; leave it out`;
  const found = own(flags, name);
  if (found === undefined)
    return `is not one of the flags of ${manual} that are accepted: ${Object.keys(flags).join(", ")}`;
  // A word has its value after "=", a flag has the word as its value.
  const [ofWord = "", ...values] = "words" in found ? word.split("=") : [name, ...(word === "" ? [] : [word])];
  const known = "words" in found ? own(found.words, ofWord) : found;
  if (known === undefined)
    return `is not one of the words that ${name} takes: ${Object.keys((found as { words: object }).words).join(", ")}`;
  return known.tail.test(values.map((value) => `=${value}`).join(""))
    ? undefined
    : `takes ${known.takes}, see ${manual}`;
}

/** A row that a table itself has: "constructor" isn't one. */
function own<T>(table: Readonly<Record<string, T>>, name: string): T | undefined {
  return Object.hasOwn(table, name) ? table[name] : undefined;
}

/**
 * Not shown by the kernel: they are only for mount(8), systemd.mount(5) and fstab(5), are what a mount has by default,
 * or are shown as several others.
 */
const UNSHOWN =
  /^(defaults|auto|noauto|user|nouser|users|owner|group|nofail|_netdev|(no)?bg|(no)?fg|retry=.*|x-.*|X-.*|comment=.*|bind|rbind|suid|dev|exec|async|atime|diratime|actimeo=.*)$/;

const asWritten = (option: string) => option;

/** Flags of a mount that change what can be done with it; one that nobody asked for is a difference. */
const TELLING_FLAGS = ["ro", "nosuid", "nodev", "noexec", "noatime"];

/**
 * How a live mount differs from what is declared, in words: "commit=30 is missing". Only what is certain is reported:
 * what the kernel doesn't show can't be judged, and an NFS size that the server made smaller is not a difference.
 * @param live the mount's own flags and the filesystem's options, as mountinfo has them
 */
export function liveDifferences(type: string, declared: readonly string[], live: readonly string[]): string[] {
  const { shownAs = asWritten, silentDefaults = [], takesOverFlags } = filesystemOf(type);
  const wanted = declared.filter((option) => !UNSHOWN.test(option)).map(shownAs);
  const missing = wanted.filter((option) => {
    if (live.includes(option)) return false;
    const [name = "", value = ""] = option.split("=", 2);
    const shown = live.find((one) => one.split("=", 1)[0] === name);
    if (shown === undefined) return !silentDefaults.includes(option) && option !== "rw";
    return !isSameValue(type, name, value, shown.split("=")[1] ?? "");
  });
  const surplus = takesOverFlags ? [] : TELLING_FLAGS.filter((flag) => live.includes(flag) && !wanted.includes(flag));
  return [...missing.map((option) => `${option} is missing`), ...surplus.map((flag) => `${flag} was not asked for`)];
}

/** Whether `mount -o remount` brings about what {@link liveDifferences} found. */
export function canRemount(type: string, differences: readonly string[]): boolean {
  const names = differences.map((difference) => difference.split(/[= ]/, 1)[0] ?? "");
  return names.every(filesystemOf(type).canRemount);
}

/** Whether a value that the kernel shows is what was declared, in its words or after it asked the server. */
function isSameValue(type: string, name: string, declared: string, shown: string): boolean {
  const isGranted = filesystemOf(type).isGranted?.(name, declared, shown);
  if (isGranted !== undefined) return isGranted;
  const isSize = /^[1-9]\d*[kmg]?$/i;
  return (
    isSize.test(declared) &&
    isSize.test(shown) &&
    JSON.stringify(parseSize(declared)) === JSON.stringify(parseSize(shown))
  );
}
