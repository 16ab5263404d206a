/** A flag of mkfs, and one of the words of its value. */
export interface MkfsWord {
  /** Empty: the word has no flag. */
  readonly flag: string;
  /** Empty: the flag takes no value. */
  readonly word: string;
  /** The argument that it is written in. */
  readonly argument: string;
  /** Which of the flags it belongs to, from 1. */
  readonly flagNumber: number;
}

/** The value of a flag, or of a word of it such as `size=` of `-d size=10g`: the last one that is written. */
export function writtenValue(words: readonly MkfsWord[], flags: readonly string[], name = ""): string | undefined {
  const written = words.findLast(({ flag, word }) => flags.includes(flag) && word.startsWith(name));
  return written?.word.slice(name.length);
}

/** The same as bytes, where k, m, g and t are powers of 1024; undefined: it isn't written, or is no size. */
export function writtenBytes(words: readonly MkfsWord[], flags: readonly string[], name = ""): number | undefined {
  const [, digits, unit = ""] = /^(\d+)([kmgt]?)$/i.exec(writtenValue(words, flags, name) ?? "") ?? [];
  return digits === undefined ? undefined : Number(digits) * 1024 ** " kmgt".indexOf(unit.toLowerCase() || " ");
}

/** Whether a word is written, with or without a value. */
export const hasWord = (words: readonly MkfsWord[], flag: string, ...names: readonly string[]): boolean =>
  words.some((one) => one.flag === flag && names.includes(one.word.split("=", 1)[0]!));

/**
 * mkfs arguments, taken apart: `-E lazy_itable_init=0,discard` has two words, `-O^has_journal` one, `-qF` is two flags.
 * @param valued the flags that take a value
 */
export function mkfsWords(valued: RegExp, mkfsOptions: readonly string[]): MkfsWord[] {
  const found: MkfsWord[] = [];
  const rest = [...mkfsOptions];
  let flagNumber = 0;
  for (let argument = rest.shift(); argument !== undefined; argument = rest.shift()) {
    if (!argument.startsWith("-")) {
      found.push({ flag: "", word: argument, argument, flagNumber });
      continue;
    }
    const isLong = argument.startsWith("--");
    let name = isLong ? argument.split("=", 1)[0]! : argument.slice(0, 2);
    let tail = argument.slice(name.length);
    // Short flags without a value stand together.
    for (; !valued.test(name); name = `-${tail[0]}`, tail = tail.slice(1)) {
      found.push({ flag: name, word: "", argument, flagNumber: ++flagNumber });
      if (isLong || tail === "") break;
    }
    if (!valued.test(name)) continue;
    const value = tail === "" ? (rest.shift() ?? "") : tail.replace(/^=/, "");
    flagNumber++;
    for (const word of value.split(/[\s,]+/))
      found.push({ flag: name, word, argument: tail === "" ? value : argument, flagNumber });
  }
  return found;
}
