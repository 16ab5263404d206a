import type { MkfsWord } from "./mkfsWords.ts";
import type { KnownFlag, KnownOptions } from "./options.ts";
import type { Rule } from "./rules.ts";

/** A type of filesystem: all that is known of it, from its man pages and from what Linux 6.1 of Debian 12 does. */
export interface FilesystemType {
  /** The man page that has its mount options, besides mount(8). */
  readonly manual: string;
  /** What it takes; another option is refused. Left out: its options aren't judged. */
  readonly options?: KnownOptions;
  /** Mount options that are refused by name. */
  readonly refused: readonly Rule[];
  /** Whether it shows the flags of another mount, such as nosuid, beside its own. Default: no. */
  readonly takesOverFlags?: true;
  /**
   * The file in which the kernel shows all options in force of a device, such as dm-0, those too that a mount doesn't
   * show because they are the filesystem's own. Default: a mount shows all.
   */
  readonly optionsFile?: (device: string) => string;
  /** Whether `mount -o remount` sets an option that its own row doesn't say this of. Default: it does. */
  readonly canRemount?: (name: string) => boolean;
  /** fs_passno of fstab(5): 0 where fsck(8) does nothing for it at boot. */
  readonly pass: 0 | 2;
  /** Debian packages with its tools. */
  readonly packages: readonly string[];
  /** How it is made. Left out: not here. */
  readonly mkfs?: Mkfs;
  readonly label?: Label;
}

/** A type that is made here. Its functions in programs/filesystems.sh label, measure and grow it. */
export interface MadeFilesystem extends FilesystemType {
  readonly mkfs: Mkfs;
  readonly label: Label;
}

/** What a label can be. */
export interface Label {
  /** A longer one is cut, or fails. */
  readonly maxBytes: number;
  /** What else it can't hold, and that in words. Default: nothing. */
  readonly refused?: { readonly pattern: RegExp; readonly words: string };
}

/** The program mkfs.TYPE. */
export interface Mkfs {
  readonly manual: string;
  /** Flags that are taken; another one is refused, since it would come to light when the disk is formatted. */
  readonly flags: Readonly<Record<string, KnownFlag>>;
  /** All flags that take a value, those that are refused too. */
  readonly valued: RegExp;
  /** Flags that are refused by name. */
  readonly refused: readonly Rule[];
  /** Flags whose words it takes once each. Left out: of two, it takes the later one. */
  readonly once?: RegExp;
  /**
   * Why it can't make a filesystem of so many bytes with these words, each with what to write instead. Measured with
   * the tools of Debian 12 and 13; test/unit/providers/filesystems/mkfsSize.test.ts runs them.
   */
  readonly refusedSize: (bytes: number, words: readonly MkfsWord[]) => string[];
}
