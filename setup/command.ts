import { mkdir, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { parseArgs, type ParseArgsConfig } from "node:util";
import { main } from "./progress.ts";

type Options = NonNullable<ParseArgsConfig["options"]>;
type Parsed<O extends Options> = ReturnType<typeof parseArgs<{ options: O; allowPositionals: true }>>;

/** Arguments that a command doesn't take. */
export class WrongUsage extends Error {}

/** Options that npm has, too: its configuration may set them for npm itself. */
const OPTIONS_OF_NPM = ["all", "force", "json", "offline", "shell", "yes"];

/**
 * Runs a command's main function with its arguments, as parseArgs of node:util reads them. `--help` or `-h` prints the
 * usage. For arguments that it doesn't take, and for those that npm has kept, it prints what is wrong and the usage,
 * and the exit code is 2.
 *
 * @param work gives the exit code, 0 by default; may throw {@link WrongUsage}
 */
export async function command<const O extends Options>(
  usage: string,
  options: O,
  work: (parsed: Parsed<O>) => Promise<number | void>,
  args: readonly string[] = process.argv.slice(2),
): Promise<void> {
  await main(async () => {
    if (args.includes("--help") || args.includes("-h")) {
      console.log(usage);
      return 0;
    }
    try {
      refuseOptionsBeforeDashes(options);
      return await work(parse(options, args));
    } catch (error) {
      if (!(error instanceof WrongUsage)) throw error;
      console.error(`${error.message}\n\n${usage}`);
      return 2;
    }
  });
}

/** @throws {WrongUsage} where there are words besides the options */
export function refuseWords(positionals: readonly string[]): void {
  if (positionals.length > 0) throw new WrongUsage(`An argument too many: ${positionals.join(" ")}`);
}

/**
 * Writes a file that an argument names, and makes its folder.
 * @throws {WrongUsage} where that can't be
 */
export async function writeNamed(file: string, text: string): Promise<void> {
  try {
    await mkdir(dirname(file), { recursive: true });
    await writeFile(file, text);
  } catch (error) {
    throw new WrongUsage(`${file} can't be written: ${(error as Error).message}. Next: name another file.`);
  }
}

function parse<const O extends Options>(options: O, args: readonly string[]): Parsed<O> {
  try {
    return parseArgs({ options, args, allowPositionals: true });
  } catch (error) {
    // What follows the first sentence is about words that begin with a dash: no command takes such ones.
    throw new WrongUsage((error as Error).message.replace(/\. To specify .*/s, "."));
  }
}

/**
 * npm keeps the options before `--`, and leaves only a variable: `npm run preview --policy` would check no policies.
 * @throws {WrongUsage}
 */
function refuseOptionsBeforeDashes(options: Options): void {
  const kept = Object.keys(options).filter(
    (name) => !OPTIONS_OF_NPM.includes(name) && process.env[`npm_config_${name.replaceAll("-", "_")}`] !== undefined,
  );
  if (kept.length > 0)
    throw new WrongUsage(
      `npm has kept ${kept.map((name) => `--${name}`).join(", ")} for itself. Next: put \`--\` before all options, as below.`,
    );
}
