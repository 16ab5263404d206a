import type { FilesystemType, Mkfs } from "../../providers/filesystems/filesystemType.ts";
import type { KnownOption } from "../../providers/filesystems/options.ts";

/** Each of a type's mount options with each value that is tried, and the other options that it needs. */
export const triedOptions = ({ options = {} }: FilesystemType): string[] =>
  Object.entries(options).flatMap(([name, { tried }]) => tried.map((tail) => `${name}${tail}`));

/** Arguments of mkfs: each of its flags with each word and value that is tried, and the other words that it needs. */
export const triedFlags = ({ flags }: Mkfs): string[][] =>
  Object.entries(flags).flatMap(([flag, known]) =>
    "words" in known
      ? Object.entries(known.words).flatMap(([word, { tried }]) => tried.map((tail) => [flag, `${word}${tail}`]))
      : known.tried.map((tail) => (tail === "" ? [flag] : [flag, tail.slice(1)])),
  );

/** All known options of a type: each is tried, or says why it isn't. */
export const everyKnown = ({ options = {}, mkfs }: FilesystemType): KnownOption[] => [
  ...Object.values(options),
  ...Object.values(mkfs?.flags ?? {}).flatMap((known) => ("words" in known ? Object.values(known.words) : [known])),
];
