import { parseSize } from "../values/size.ts";

/** A mount option that a filesystem knows, or what a flag of its mkfs takes. */
export interface KnownOption {
  /** What follows the name; `=30`, or nothing. */
  readonly tail: RegExp;
  /** The same in words. */
  readonly takes: string;
  /** The least and the largest number that it takes, where its value is one. */
  readonly range?: readonly [least: number, most: number];
  /** Tails that were seen to mount, each with what it needs besides; DEVICE stands for the device itself. */
  readonly tried: readonly string[];
  /** Why it isn't tried. */
  readonly untried?: string;
  /** What of the mount it sets: two options on the same exclude each other. Default: its own name. */
  readonly about?: readonly string[];
  /** What else of the mount it may set, whether it is declared or shown: that is not surplus then. Default: nothing. */
  readonly covers?: readonly string[];
  /** The other options that say the same, by what follows the name; they are judged in its place. Default: none. */
  readonly means?: (tail: string) => readonly string[];
  /**
   * What the kernel shows for it, by what follows the name: one of these; "" is no word on the same. Kernels differ.
   * Default: the option as it is written.
   */
  readonly shown?: (tail: string) => readonly string[];
  /** Why the mount doesn't tell whether it has the option: only the line in fstab is judged then. */
  readonly unshown?: string;
  /** Whether a mount's value is what came of the declared one. Default: if it is the same text, number or size. */
  readonly grants?: (declared: string, shown: string) => boolean;
  /**
   * The option that takes it back, by what follows the name; "": only a new mount does. Left out, or undefined: a mount
   * may have it though nobody asked for it, so that nobody needs to take it back.
   */
  readonly undo?: (tail: string) => string | undefined;
  /** Whether only a new mount sets it. Default: a remount does. */
  readonly fixed?: true;
  /** Whether a remount that names it again fails, so that all beside it needs a new mount too. Default: it doesn't. */
  readonly unrepeatable?: true;
}
export type KnownOptions = Readonly<Record<string, KnownOption>>;

/** What a flag of mkfs takes: a value, words with or without values of their own between commas, or nothing. */
export type KnownFlag = KnownOption | { readonly words: KnownOptions };

/** In {@link KnownOption.shown}: the option as it is written. */
export const ITSELF = "=";

/** Whether two values are the same text, number or size. */
export function isSameValue(one: string, other: string): boolean {
  if (one === other) return true;
  const isNumber = /^\d+$/;
  if (isNumber.test(one) && isNumber.test(other)) return Number(one) === Number(other);
  const isSize = /^[1-9]\d*[kmg]?$/i;
  return isSize.test(one) && isSize.test(other) && JSON.stringify(parseSize(one)) === JSON.stringify(parseSize(other));
}

const isSameTail = (one: string, other: string) => one[0] === other[0] && isSameValue(one.slice(1), other.slice(1));

const wordsOf = (names: string): string[] => names.match(/\S+/g) ?? [];

// What follows a name.

export const flag: KnownOption = { tail: /^$/, takes: "no value", tried: [""] };

export const number = (example: number, unit = ""): KnownOption => ({
  tail: /^=\d+$/,
  takes: unit === "" ? "a number" : `a number of ${unit}`,
  tried: [`=${example}`],
});

/** Only numbers from one to another. */
export const within = (least: number, most: number, known: KnownOption): KnownOption => ({
  ...known,
  range: [least, most],
});

/** What the kernel keeps in 32 bits. */
export const number32 = (example: number, unit = ""): KnownOption => within(0, 2 ** 32 - 1, number(example, unit));

export const text = (example: string, takes: string, tail = /^=.+$/): KnownOption => ({
  tail,
  takes,
  tried: [`=${example}`],
});

export const size = (example?: string): KnownOption => ({
  tail: /^=\d+[kmgt]?$/i,
  takes: "a size",
  tried: example === undefined ? [] : [`=${example}`],
});

export const oneOf = (...words: readonly string[]): KnownOption => ({
  tail: new RegExp(`^=(${words.join("|")})$`),
  takes: words.join(", "),
  tried: words.map((word) => `=${word}`),
});

// What else is to be said of it.

/** The name by itself will do, too. */
export const orNothing = (known: KnownOption): KnownOption => ({
  ...known,
  tail: new RegExp(`^$|${known.tail.source}`),
  takes: `${known.takes}, or no value`,
  tried: ["", ...known.tried],
});

/** It is tried together with other options. */
export const beside = (others: string, known: KnownOption): KnownOption => ({
  ...known,
  tried: known.tried.map((tail) => `${tail},${others}`),
});

/** None of it is tried. */
export const untried = (reason: string, known: KnownOption): KnownOption => ({ ...known, tried: [], untried: reason });

/** Only these tails are tried. */
export const partlyTried = (tried: readonly string[], reason: string, known: KnownOption): KnownOption => ({
  ...known,
  tried,
  untried: reason,
});

// What a mount shows of it.

/** The kernel's default, so that a mount may show nothing; with tails, only those of them that are given. */
export const byDefault = (known: KnownOption, ...tails: readonly string[]): KnownOption => ({
  ...known,
  shown: (tail) => (tails.length === 0 || tails.some((one) => isSameTail(one, tail)) ? [ITSELF, ""] : [ITSELF]),
});

/** The kernel has a number of its own for it, which it doesn't show, and which a remount can name. */
export const counted = (name: string, known: KnownOption, byItself: number, alsoByItself?: number): KnownOption => ({
  ...byDefault(known, ...[byItself, alsoByItself ?? byItself].map((value) => `=${value}`)),
  undo: () => `${name}=${byItself}`,
});

/** Another option takes it back, or a new mount does (""). */
export const undoneBy = (undo: string, known: KnownOption): KnownOption => ({ ...known, undo: () => undo });

/** The same as other options. */
export const means = (known: KnownOption, ...options: readonly string[]): KnownOption => ({
  ...known,
  means: () => options,
});

/** Shown as one of these. */
export const shownAs = (known: KnownOption, ...words: readonly string[]): KnownOption => ({
  ...known,
  shown: () => words,
});

/** Only a new mount sets them, or takes them back. */
export const fixed = (options: KnownOptions): KnownOptions =>
  Object.fromEntries(
    Object.entries(options).map(([name, known]) => [
      name,
      {
        ...known,
        fixed: true,
        ...(known.undo && { undo: (tail: string) => (known.undo?.(tail) === undefined ? undefined : "") }),
      },
    ]),
  );

/** Not shown, for a reason in words. */
export const unshown = (reason: string, known: KnownOption): KnownOption => ({ ...known, unshown: reason });

export const about = (thing: string, known: KnownOption): KnownOption => ({ ...known, about: thing.split(" ") });

/** An option, and the one that takes it back, which is the kernel's default. */
export const onOff = (on: string, off: string): KnownOptions => ({
  ...maybeOn(on, off),
  [on]: about(off, undoneBy(off, flag)),
});

/** The same, where a mount may have the option though nobody asked for it. */
export const maybeOn = (on: string, off: string): KnownOptions => ({
  [on]: about(off, flag),
  [off]: about(off, byDefault(flag)),
});

// Several names at once.

/** Names that take no value. */
export const flags = (names: string): KnownOptions => Object.fromEntries(wordsOf(names).map((name) => [name, flag]));

/** Names, short and long, of the same. */
export const called = <K extends KnownFlag>(names: string, known: K): Readonly<Record<string, K>> =>
  Object.fromEntries(wordsOf(names).map((name) => [name, known]));

/** A flag of mkfs that takes words. */
export const words = (known: KnownOptions): KnownFlag => ({ words: known });

/** A flag of mkfs that takes features, each of which may be turned off with ^. */
export const features = (names: string, others: KnownOptions = {}): KnownFlag =>
  words({
    ...flags(
      wordsOf(names)
        .flatMap((name) => [name, `^${name}`])
        .join(" "),
    ),
    ...others,
  });

// Options of mount(8), "filesystem-independent mount options".

const ONLY_READ = "only mount(8), systemd and fsck(8) read it";
const PROPAGATION = "propagation is not among the options that the kernel shows";

/** What of the atime a word leaves to the kernel. */
const atime = (...words: readonly string[]) => about("atime", shownAs(flag, ...words));

/** Whom fstab lets mount it, and what that takes from a mount unless more is said (mount(8)). */
const mountableBy = (...covers: readonly string[]): KnownOption => ({ ...unshown(ONLY_READ, flag), covers });

/** Those that a bind mount takes, too. */
export const OF_ANY_MOUNT: KnownOptions = {
  ...called("defaults auto noauto nofail _netdev", unshown(ONLY_READ, flag)),
  ...called("group owner", mountableBy("suid", "dev")),
  ...called("user users", mountableBy("suid", "dev", "exec")),
  ...called("nouser", unshown(ONLY_READ, flag)),
  ...called("silent loud", unshown("it is about the kernel's messages", flag)),
  ...called("iversion noiversion nomand", unshown("today's kernels take it, and do nothing", flag)),
  ...called("private rprivate shared rshared slave rslave unbindable runbindable", unshown(PROPAGATION, flag)),
  async: about("sync", shownAs(flag, "")),
  // A remount without a word on it leaves it as it is; with relatime it is the kernel's default again.
  noatime: undoneBy("relatime", atime("noatime")),
  relatime: atime("relatime"),
  strictatime: atime(""),
  atime: atime("relatime", ""),
  norelatime: atime("noatime", "relatime", ""),
  nostrictatime: atime("noatime", "relatime", ""),
  nodiratime: about("diratime", undoneBy("diratime,relatime", flag)),
  diratime: about("diratime", byDefault(flag)),
  nolazytime: about("lazytime", shownAs(flag, "")),
  ...onOff("nosuid", "suid"),
  ...onOff("nodev", "dev"),
  ...onOff("noexec", "exec"),
  ...onOff("nosymfollow", "symfollow"),
  ...onOff("ro", "rw"),
};

/** Those of a filesystem. */
export const OF_FILESYSTEM: KnownOptions = {
  ...OF_ANY_MOUNT,
  sync: undoneBy("async", flag),
  // From util-linux 2.39 on, a remount names it to the kernel, which refuses.
  ...fixed({ dirsync: { ...undoneBy("", flag), unrepeatable: true } }),
  lazytime: undoneBy("nolazytime", flag),
};
