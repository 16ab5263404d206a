import { quote } from "../values/shellWord.ts";

export { quote };

/** A command for a host: an argument vector, never a shell string. */
export interface Command {
  readonly argv: readonly string[];
  /** Text for the command's standard input; without it the input is empty. */
  readonly stdin?: string;
  /** Exit codes that are an answer, not a failure. Default: 0 alone. */
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

/** The command as a person would type it, for messages. */
export function printCommand(command: Command): string {
  return (isProgram(command) ? command.argv.slice(3) : command.argv).map(quote).join(" ");
}

/** Whether it is a text of ours, which is nowhere on the host to be typed again. */
export function isProgram({ argv: [name, flag] }: Command): boolean {
  return name === "bash" && flag === "-c";
}
