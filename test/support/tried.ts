import type { FilesystemType, Mkfs } from "../../providers/filesystems/filesystemType.ts";
import type { KnownOption } from "../../providers/filesystems/options.ts";

/** Each of a type's mount options with each value that is tried, and what it needs besides. */
export const triedOptions = ({ options = {} }: FilesystemType): string[] =>
  Object.entries(options).flatMap(([name, { tried }]) => tried.map((tail) => `${name}${tail}`));

/** Arguments of mkfs: each of its flags with each word and value that is tried, and what that needs besides. */
export const triedFlags = ({ flags }: Mkfs): string[][] =>
  Object.entries(flags).flatMap(([flag, known]) =>
    "words" in known
      ? Object.entries(known.words).flatMap(([word, { tried }]) => tried.map((tail) => [flag, `${word}${tail}`]))
      : known.tried.map((tail) => (tail === "" ? [flag] : [flag, tail.slice(1)])),
  );

/** All that is known of a type, to be tried or to say why it isn't. */
export const everyKnown = ({ options = {}, mkfs }: FilesystemType): KnownOption[] => [
  ...Object.values(options),
  ...Object.values(mkfs?.flags ?? {}).flatMap((known) => ("words" in known ? Object.values(known.words) : [known])),
];
