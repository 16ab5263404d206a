import { parseArgs, type ParseArgsConfig } from "node:util";
import { main } from "./progress.ts";

type Options = NonNullable<ParseArgsConfig["options"]>;
type Parsed<O extends Options> = ReturnType<typeof parseArgs<{ options: O; allowPositionals: true }>>;

/** Arguments that a command doesn't take. */
export class WrongUsage extends Error {}

/**
 * Runs a command's main function with its arguments, as parseArgs of node:util reads them. `--help` or `-h` prints the
 * usage. For arguments that it doesn't take, it prints what is wrong and the usage, and the exit code is 2.
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
      return await work(parse(options, args));
    } catch (error) {
      if (!(error instanceof WrongUsage)) throw error;
      console.error(`${error.message}\n\n${usage}`);
      return 2;
    }
  });
}

function parse<const O extends Options>(options: O, args: readonly string[]): Parsed<O> {
  try {
    return parseArgs({ options, args, allowPositionals: true });
  } catch (error) {
    throw new WrongUsage((error as Error).message);
  }
}
