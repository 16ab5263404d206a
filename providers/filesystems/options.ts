/** A mount option that a filesystem knows, or what a flag of its mkfs takes. */
export interface KnownOption {
  /** What follows the name; `=30`, or nothing. */
  readonly tail: RegExp;
  /** The same in words. */
  readonly takes: string;
  /** Tails that were seen to mount, each with what it needs besides; DEVICE stands for the device itself. */
  readonly tried: readonly string[];
  /** Why it isn't tried. */
  readonly untried?: string;
}
export type KnownOptions = Readonly<Record<string, KnownOption>>;

/** What a flag of mkfs takes: a value, words with or without values of their own between commas, or nothing. */
export type KnownFlag = KnownOption | { readonly words: KnownOptions };

const wordsOf = (names: string): string[] => names.trim().split(/\s+/);

// What follows a name.

export const flag: KnownOption = { tail: /^$/, takes: "no value", tried: [""] };

export const number = (example: number, unit = ""): KnownOption => ({
  tail: /^=\d+$/,
  takes: unit === "" ? "a number" : `a number of ${unit}`,
  tried: [`=${example}`],
});

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
export const orNothing = ({ tail, takes, tried }: KnownOption): KnownOption => ({
  tail: new RegExp(`^$|${tail.source}`),
  takes: `${takes}, or no value`,
  tried: ["", ...tried],
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

/** Those that a bind mount takes, too. */
export const OF_ANY_MOUNT: KnownOptions = flags(`
  defaults
  async
  atime noatime diratime nodiratime relatime norelatime strictatime nostrictatime
  nolazytime
  suid nosuid dev nodev exec noexec symfollow nosymfollow
  ro rw
  auto noauto nofail _netdev
  group owner user nouser users
  silent loud
  iversion noiversion nomand
  private rprivate shared rshared slave rslave unbindable runbindable
`);

/** Those of a filesystem. */
export const OF_FILESYSTEM: KnownOptions = { ...OF_ANY_MOUNT, ...flags("sync dirsync lazytime") };

/** Those of a filesystem on a device: mount(8), "loop-device support". */
export const OF_DEVICE: KnownOptions = {
  ...OF_FILESYSTEM,
  loop: flag,
  offset: number(0, "bytes"),
  sizelimit: number(0, "bytes"),
};
