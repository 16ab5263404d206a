import type { FilesystemType, Mkfs } from "./filesystemType.ts";
import { FILESYSTEMS, filesystemOf } from "./index.ts";
import { mkfsWords, type MkfsWord } from "./mkfsWords.ts";
import { isSameValue, ITSELF, OF_FILESYSTEM, type KnownOption, type KnownOptions } from "./options.ts";
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
  /** The option that it contradicts. */
  readonly against?: string;
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
  const alreadyRefused = new Set(refusals.map(({ option }) => option));
  for (const [earlier, later] of findContradictions(type, options)) {
    if (alreadyRefused.has(earlier) || alreadyRefused.has(later)) continue;
    refusals.push({
      option: later,
      reason: `${later} on ${type} contradicts ${earlier}; leave out one of them`,
      against: earlier,
    });
  }
  if (mkfs !== undefined && words !== undefined) {
    for (const [index, written] of words.entries()) {
      const { flag, word, argument } = written;
      const reason =
        reasonIn(mkfs.refused, word === "" ? flag : `${flag} ${word}`, declared) ??
        unknownFlag(mkfs, written) ??
        repeatedWord(mkfs, written, words.slice(0, index));
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
  if (known !== undefined) return wrongTail(known, option.slice(name.length), manual);
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
  return wrongTail(known, values.map((value) => `=${value}`).join(""), manual);
}

/** Why mkfs doesn't get a word after others; undefined: it does. */
function repeatedWord({ once }: Mkfs, { flag, word }: MkfsWord, earlier: readonly MkfsWord[]): string | undefined {
  const name = word.split("=", 1)[0];
  if (once?.test(flag) !== true || !earlier.some((one) => one.flag === flag && one.word.split("=", 1)[0] === name))
    return undefined;
  return "is written twice, so mkfs refuses; leave out one of them";
}

/** Why what follows a name can't be; undefined: it can. */
function wrongTail({ tail, takes, range }: KnownOption, written: string, manual: string): string | undefined {
  if (!tail.test(written)) return `takes ${takes}, see ${manual}`;
  const value = Number(written.slice(1));
  if (range === undefined || written === "" || (value >= range[0] && value <= range[1])) return undefined;
  return `takes ${takes} from ${range[0]} to ${range[1]}, see ${manual}`;
}

/** A row that a table itself has: "constructor" isn't one. */
function own<T>(table: Readonly<Record<string, T>>, name: string): T | undefined {
  return Object.hasOwn(table, name) ? table[name] : undefined;
}

/** A difference between a live mount and what is declared. */
export interface Difference {
  /** Such as `commit=30 is missing`, or `noatime was not asked for`. */
  readonly words: string;
  /** The option that is missing; undefined: one is there too many. */
  readonly missing?: string;
  /** What takes back the options that are there instead, or too many, by a remount; "": only a new mount does. */
  readonly undo: readonly string[];
}

/** An option, declared or shown, with its row; undefined: the type's table has none. */
interface Option {
  /** As it is declared or shown. */
  readonly written: string;
  readonly name: string;
  /** What follows the name. */
  readonly tail: string;
  readonly known: KnownOption | undefined;
}

/**
 * How a live mount differs from what is declared. Only what is certain is reported: what the kernel doesn't show can't
 * be judged, what it shows by itself counts only if nobody could have it without asking, and an NFS size that the
 * server made smaller is not a difference.
 * @param shown the mount's own flags and the filesystem's options, as mountinfo has them
 * @param inForce what the type's `optionsFile` says, where that was read
 */
export function liveDifferences(
  type: string,
  declared: readonly string[],
  shown: readonly string[],
  inForce: readonly string[] = [],
): Difference[] {
  const { options = OF_FILESYSTEM, takesOverFlags } = filesystemOf(type);
  const read = (written: readonly string[]) => [...new Set(written)].map((one) => readOption(options, one, one));
  const live = read(shown);
  const alsoLive = read(inForce);
  const asked = declared.flatMap((option) => meant(options, option));
  const missing = asked.flatMap((option) => {
    const others = live.filter((one) => shares(one, option) && !isShownAs(option, one));
    const isLive = [...live, ...alsoLive].some((one) => isShownAs(option, one));
    const undo = others
      .filter(({ name }) => name !== option.name)
      .flatMap((one) => one.known?.undo?.(one.tail) ?? [])
      .filter((one) => one !== "");
    if (option.known === undefined && !others.some(({ name }) => name === option.name)) return [];
    if (option.known?.unshown !== undefined || (isLive && !mayBeSilent(option))) return [];
    if (!mayBeSilent(option) || (others.some(({ name }) => name === option.name) && !takesOverFlags))
      return [{ words: `${option.written} is missing`, missing: option.name, undo }];
    if (takesOverFlags) return [];
    return others.map(({ written }) => ({ words: `${written} was not asked for`, missing: option.name, undo }));
  });
  const spoken = new Set([
    ...asked.flatMap(thingsOf),
    ...[...asked, ...live].flatMap(({ known }) => known?.covers ?? []),
  ]);
  const surplus = takesOverFlags
    ? []
    : live.flatMap((option) => {
        const undo = option.known?.undo?.(option.tail);
        if (undo === undefined || mayBeSilent(option) || thingsOf(option).some((thing) => spoken.has(thing))) return [];
        return [{ words: `${option.written} was not asked for`, undo: [undo] }];
      });
  const all: Difference[] = [...missing, ...surplus];
  return all.filter(({ words }, index) => all.findIndex((one) => one.words === words) === index);
}

/**
 * The options of the `mount -o` that brings about what is declared, before those of fstab; undefined: only a new mount
 * does.
 */
export function remountOptions(
  type: string,
  declared: readonly string[],
  differences: readonly Difference[],
): string | undefined {
  const { options = OF_FILESYSTEM, canRemount = () => true, takesOverFlags } = filesystemOf(type);
  const undo = differences.flatMap((difference) => difference.undo);
  const names = [
    ...differences.flatMap(({ missing }) => missing ?? []),
    ...undo.flatMap((written) => written.split(",")).map((written) => readOption(options, written, written).name),
  ];
  if (declared.some((option) => readOption(options, option, option).known?.unrepeatable)) return undefined;
  if (undo.includes("") || names.some((name) => own(options, name)?.fixed === true || !canRemount(name)))
    return undefined;
  // Without bind, it would be the filesystem that is remounted.
  return ["remount", ...(takesOverFlags ? ["bind"] : []), ...new Set(undo)].join(",");
}

/** What a mount that has these options shows of them, as far as that is known: no {@link liveDifferences} to them. */
export function optionsShown(type: string, declared: readonly string[]): string[] {
  const { options = OF_FILESYSTEM } = filesystemOf(type);
  const shown = declared
    .flatMap((option) => meant(options, option))
    .flatMap((option) => {
      const form = formsOf(option).find((one) => one !== "");
      return form === undefined ? [] : [form];
    });
  return shown.includes("ro") ? shown : ["rw", ...shown];
}

/** Two declared options that can't both hold: the kernel would take the later one. */
export function findContradictions(type: string, declared: readonly string[]): [earlier: string, later: string][] {
  const { options = {} } = filesystemOf(type);
  const asked = declared.map((option) => meant(options, option));
  return asked.flatMap((later, index) =>
    asked.slice(0, index).flatMap((earlier): [string, string][] => {
      const clash = later.some((one) => earlier.some((other) => shares(one, other) && !agree(one, other)));
      return clash ? [[declared[asked.indexOf(earlier)]!, declared[index]!]] : [];
    }),
  );
}

function readOption(options: KnownOptions, option: string, written: string): Option {
  const name = option.split("=", 1)[0] ?? "";
  return { written, name, tail: option.slice(name.length), known: own(options, name) };
}

/** An option, or those that it stands for. */
function meant(options: KnownOptions, option: string): Option[] {
  const { tail, known } = readOption(options, option, option);
  const others = known?.means?.(tail) ?? [option];
  return others.map((other) => readOption(options, other, option));
}

/** What of the mount an option sets. */
const thingsOf = ({ name, known }: Option): readonly string[] => known?.about ?? [name];

const shares = (one: Option, other: Option): boolean => thingsOf(one).some((thing) => thingsOf(other).includes(thing));

/** What a mount may show for an option; "": nothing. */
const formsOf = ({ name, tail, known }: Option): readonly string[] =>
  (known?.shown?.(tail) ?? [ITSELF]).map((word) => (word === ITSELF ? `${name}${tail}` : word));

const mayBeSilent = (option: Option): boolean => formsOf(option).includes("");

/** Whether what is shown may be what came of a declared option. */
function isShownAs(option: Option, shown: Option): boolean {
  return formsOf(option).some((form) => {
    if (form === shown.written) return true;
    const [name = "", value = ""] = form.split("=", 2);
    const isGranted =
      option.name === name && option.known?.grants?.(option.tail.slice(1), shown.tail.slice(1)) === true;
    return form !== "" && name === shown.name && (isGranted || isSameValue(value, shown.tail.slice(1)));
  });
}

/** Whether one mount may be what both declare. */
function agree(one: Option, other: Option): boolean {
  if (one.known?.unshown !== undefined || other.known?.unshown !== undefined)
    return one.name !== other.name || isSameValue(one.tail, other.tail);
  const forms = formsOf(other);
  return formsOf(one).some((form) =>
    forms.some((another) => {
      const [name = "", value = ""] = form.split("=", 2);
      const [otherName = "", otherValue = ""] = another.split("=", 2);
      return name === otherName && isSameValue(value, otherValue);
    }),
  );
}
