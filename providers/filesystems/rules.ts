import type { MkfsWord } from "./mkfsWords.ts";

/** A row of what is refused by name. `findmnt --verify` takes all of them. */
export interface Rule {
  /** Matches a mount option; or a word of a mkfs flag, after the flag: `-O sparse_super2`; or a flag only: `-F`. */
  readonly matches: RegExp;
  /** Left out: whatever else is declared. */
  readonly when?: (declared: Declared) => boolean;
  /** It follows `OPTION on TYPE`, and ends in what to write instead. Seen on Linux 6.1, or on the version it names. */
  readonly reason: string;
  /** One for each name that it matches; test/e2e/options.test.ts tries them on a real kernel. */
  readonly examples: readonly Example[];
  readonly outcome: Outcome;
  /** What came of the examples on this Linux. Default: the same. */
  readonly later?: { readonly linux: string; readonly outcome: Outcome | "mounts" };
}

/** What a filesystem is mounted with, and made with; `mkfs` is undefined where it isn't made here. */
export interface Declared {
  readonly options: readonly string[];
  readonly mkfs: readonly MkfsWord[] | undefined;
}

/** A mount or a mkfs that shows what a row says. */
export interface Example {
  readonly options?: readonly string[];
  readonly mkfsOptions?: readonly string[];
}

/**
 * What happens with an example: mount fails; it is mounted, and the option isn't shown; it is mounted, and something
 * else is shown (`shows`); what is mounted is another device; or what mkfs does. With its first flag it "overwrites",
 * without that it refuses to.
 */
export type Outcome =
  | "does not mount"
  | "is ignored"
  | "mounts another device"
  | { readonly shows: string }
  | "mkfs refuses"
  | "makes no such filesystem"
  | "overwrites"
  | "labels"
  | "repeats the UUID"
  | "is smaller than its device"
  | "does not grow online";

/** Mount options, each by itself. */
export const mounted = (...options: readonly string[]): Example[] => options.map((option) => ({ options: [option] }));

/** mkfs with these arguments, separated by spaces. */
export const made = (...all: readonly string[]): Example[] => all.map((words) => ({ mkfsOptions: words.split(" ") }));

/** Arguments that mkfs doesn't take beside others. */
export const mkfsRefuses = (
  matches: RegExp,
  when: (words: readonly MkfsWord[]) => boolean,
  reason: string,
  ...examples: readonly string[]
): Rule => ({
  matches,
  when: ({ mkfs = [] }) => when(mkfs),
  reason,
  examples: made(...examples),
  outcome: "mkfs refuses",
});

// Rows of more than one type.

export const losesCommittedData = (...examples: readonly Example[]): Rule => ({
  matches: /^(barrier=0|nobarrier)$/,
  reason: "loses committed data when the power fails; leave it out",
  examples,
  outcome: { shows: "nobarrier" },
});

export const needsReadOnly = (...examples: readonly Example[]): Rule => ({
  matches: /^(norecovery|nologreplay|rescue=.*\b(nologreplay|i(gnore)?(badroots|datacsums)|all)\b.*)$/,
  when: ({ options }) => !options.includes("ro"),
  reason: "does not mount unless read-only; add ro, or leave it out",
  examples,
  outcome: "does not mount",
});

export const mountsLoopDevice = (...examples: readonly Example[]): Rule => ({
  matches: /^(loop|offset|sizelimit)(=.*)?$/,
  reason:
    "makes mount(8) mount a loop device in place of the device, so that this one is never found mounted; leave it out",
  examples,
  outcome: "mounts another device",
});

export const overwrites = (...examples: readonly Example[]): Rule => ({
  matches: /^(-f|--force)$/,
  reason: "makes mkfs overwrite what it finds; leave it out: that the device is blank is proved without it",
  examples,
  outcome: "overwrites",
});

export const makesNothing = (matches: RegExp, ...examples: readonly Example[]): Rule => ({
  matches,
  reason: "makes no filesystem; leave it out",
  examples,
  outcome: "makes no such filesystem",
});

export const setsLabel = (...examples: readonly Example[]): Rule => ({
  matches: /^(-L|--label) /,
  reason: "is a label that nothing checks, and that a declared label replaces; leave it out",
  examples,
  outcome: "labels",
});

export const setsUuid = (...examples: readonly Example[]): Rule => ({
  matches: /^((-U|--uuid) |-m uuid=)/,
  reason:
    "is a UUID that a filesystem made after a wipe would have again, so that nothing tells the two apart; leave it out, mkfs makes a new one each time",
  examples,
  outcome: "repeats the UUID",
});

/** A filesystem is as large as its device: what is smaller is a grow that was cut short. */
export const isSmaller = (matches: RegExp, ...examples: readonly Example[]): Rule => ({
  matches,
  reason:
    "makes a filesystem that is smaller than its device, which the next up would grow; leave it out, and declare a smaller volume or partition instead",
  examples,
  outcome: "is smaller than its device",
});

/** The page size is x86-64's. */
export const hasBlocksAboveAPage = (...examples: readonly Example[]): Rule => ({
  matches: /^(-b size=|-s |--sectorsize )(8192|8k|16384|16k|32768|32k|65536|64k)$/i,
  reason: "does not mount: larger than a page of memory, 4 KiB on x86-64 (XFS: until Linux 6.12)",
  examples,
  outcome: "does not mount",
});
