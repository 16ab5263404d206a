import { quote } from "../values/shellWord.ts";

export { quote };

/** A command for a host: an argument vector, never a shell string. */
export interface Command {
  readonly argv: readonly string[];
  /**
   * Text for the command's standard input; without it the input is empty. Texts that each end with a NUL are several.
   */
  readonly stdin?: string;
  /** Set where argv is `bash -c TEXT NAME ARGUMENT…`, a program of ours. `many`: see {@link joinPrograms}. */
  readonly program?: "one" | "many";
  /** Exit codes that are an answer, not a failure. Default: only 0. */
  readonly okExitCodes?: readonly number[];
}

/** What a command left behind. */
export interface Output {
  readonly stdout: string;
  readonly stderr: string;
  readonly exitCode: number;
}

export function succeeded(command: Command, output: Output): boolean {
  return (command.okExitCodes ?? [0]).includes(output.exitCode);
}

/**
 * Writes a command as it would be typed; one `${}` is one argument whatever it holds, a list is one argument each.
 * @example cmd`mount --options ${"a b"} -- ${path}`.argv // ["mount", "--options", "a b", "--", path]
 */
export function cmd(text: TemplateStringsArray, ...values: readonly (string | number | readonly string[])[]): Command {
  const argv: string[] = [];
  let word: string | undefined;
  const endWord = () => {
    if (word !== undefined) argv.push(word);
    word = undefined;
  };
  text.forEach((literal, index) => {
    const [first = "", ...rest] = literal.split(/\s+/);
    if (first !== "") word = (word ?? "") + first;
    for (const next of rest) {
      endWord();
      if (next !== "") word = next;
    }
    if (index >= values.length) return;
    const value = values[index];
    if (typeof value === "object") {
      if (word !== undefined) throw new TypeError("A list of arguments must stand between spaces.");
      argv.push(...value);
    } else {
      word = (word ?? "") + String(value);
    }
  });
  endWord();
  return { argv };
}

/** The command as a person would type it, for messages; of a program of ours the name, and each of its records. */
export function printCommand(command: Command): string {
  const print = (words: readonly string[]) => words.map(quote).join(" ");
  if (!isProgram(command)) return print(command.argv);
  const [name = "", ...args] = command.argv.slice(3);
  return command.program === "one"
    ? print([name, ...args])
    : [name, recordsOf(command).map(print).join(" + ")].join(" ");
}

/** The arguments of each record of a program that takes many. */
export function recordsOf({ argv }: Command): readonly (readonly string[])[] {
  const records: (readonly string[])[] = [];
  for (let at = 4; at < argv.length; at += 1 + Number(argv[at]))
    records.push(argv.slice(at + 1, at + 1 + Number(argv[at])));
  return records;
}

/** Whether it is a text of ours, which is nowhere on the host to be typed again. */
export function isProgram({ program }: Command): boolean {
  return program !== undefined;
}

/** Whether two commands can be {@link joinPrograms | joined}: both are the same program, and it takes many records. */
export function isSameProgram(one: Command, other: Command): boolean {
  return one.program === "many" && other.program === "many" && one.argv[2] === other.argv[2];
}

/** One command that does what several do, in their order: their records, one after another. */
export function joinPrograms(commands: readonly [Command, ...Command[]]): Command {
  const [first] = commands;
  if (commands.length === 1) return first;
  return {
    ...first,
    argv: [...first.argv.slice(0, 4), ...commands.flatMap(({ argv }) => argv.slice(4))],
    stdin: commands.map(({ stdin = "" }) => stdin).join(""),
  };
}

/** How many records a program that takes many has carried out, of those that it was given. */
export function recordsDone({ stdout }: Output): number {
  return stdout.split("\n").filter((line) => line === "done").length;
}

/** What a command said of its failure; of a program that takes many records, of the one that failed. */
export function saidBy({ stdout, stderr }: Output): string {
  const said = stderr.slice(stderr.lastIndexOf(END_OF_RECORD) + 1);
  return said.trim() || stdout.replaceAll(/^done$/gm, "").trim() || "nothing was said";
}

/** As programs/records.sh writes it on standard error after each record. */
const END_OF_RECORD = "\x1e";
