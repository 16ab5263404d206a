import { KNOWN_FLAGS, KNOWN_OPTIONS, type KnownOption } from "../../providers/values/knownOptions.ts";

/** Each of a type's mount options with each value that is tried, and what it needs besides. */
export const triedOptions = (type: string): string[] =>
  Object.entries(KNOWN_OPTIONS[type]!.options).flatMap(([name, { tried }]) => tried.map((tail) => `${name}${tail}`));

/** Arguments of mkfs: each of a type's flags with each word and value that is tried, and what that needs besides. */
export const triedFlags = (type: string): string[][] =>
  Object.entries(KNOWN_FLAGS[type]!.flags).flatMap(([flag, known]) =>
    "words" in known
      ? Object.entries(known.words).flatMap(([word, { tried }]) => tried.map((tail) => [flag, `${word}${tail}`]))
      : known.tried.map((tail) => (tail === "" ? [flag] : [flag, tail.slice(1)])),
  );

/** All that is known of a type, to be tried or to say why it isn't. */
export const everyKnown = (type: string): KnownOption[] => [
  ...Object.values(KNOWN_OPTIONS[type]?.options ?? {}),
  ...Object.values(KNOWN_FLAGS[type]?.flags ?? {}).flatMap((known) =>
    "words" in known ? Object.values(known.words) : [known],
  ),
];
