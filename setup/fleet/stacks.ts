import { readdir } from "node:fs/promises";
import { matchesGlob } from "node:path";
import { WrongUsage } from "../command.ts";

/**
 * The stacks that a folder has a Pulumi.STACK.yaml of, `prod-2` before `prod-10`.
 * @throws {WrongUsage} where the folder can't be read
 */
export async function stacksIn(folder: string): Promise<string[]> {
  const files = await readdir(folder).catch((error: unknown) => {
    throw new WrongUsage(`The folder of the stacks' files can't be read: ${(error as Error).message}.`);
  });
  const names = files.flatMap((name) => /^Pulumi\.(.+)\.yaml$/.exec(name)?.[1] ?? []);
  return names.sort((one, other) => one.localeCompare(other, "en", { numeric: true }));
}

/**
 * Those of `all` that a pattern matches, in the order of `all`; a pattern that begins with `!` takes out what it
 * matches. Without a pattern that adds: all.
 *
 * @throws {WrongUsage} for a pattern that matches none, so that a mistyped one is no empty run
 */
export function selectStacks(all: readonly string[], patterns: readonly string[]): string[] {
  const without = patterns.filter((pattern) => pattern.startsWith("!")).map((pattern) => pattern.slice(1));
  const wanted = patterns.filter((pattern) => !pattern.startsWith("!"));
  const matched = (stack: string, among: readonly string[]) => among.some((pattern) => matchesGlob(stack, pattern));
  const idle = [...wanted, ...without].filter((pattern) => !all.some((stack) => matchesGlob(stack, pattern)));
  if (idle.length > 0)
    throw new WrongUsage(
      `No stack is named ${idle.join(" or ")}. Next: choose from ${all.join(", ") || "no stacks: there is no Pulumi.STACK.yaml"}.`,
    );
  const selected = all.filter((stack) => (wanted.length === 0 || matched(stack, wanted)) && !matched(stack, without));
  if (selected.length === 0) throw new WrongUsage(`No stack is left by ${patterns.join(" ")}.`);
  return selected;
}

/**
 * The stacks that go first: those named, or so many of the first.
 * @param wanted names, or one number; empty: none
 * @throws {WrongUsage} for what is neither
 */
export function selectCanaries(stacks: readonly string[], wanted: readonly string[]): string[] {
  const [first = ""] = wanted;
  if (wanted.length === 1 && !stacks.includes(first) && /^\d+$/.test(first)) return stacks.slice(0, Number(first));
  const absent = wanted.filter((stack) => !stacks.includes(stack));
  if (absent.length > 0)
    throw new WrongUsage(`--canary ${absent.join(" ")} is none of the chosen stacks, which are ${stacks.join(", ")}.`);
  return stacks.filter((stack) => wanted.includes(stack));
}

/**
 * With how many failures a run begins nothing more, of `N` or `P%` of all stacks; at least 1.
 * @throws {WrongUsage}
 */
export function readLimit(text: string, stacks: number): number {
  const [, number, percent] = /^(\d+)(%?)$/.exec(text) ?? [];
  const limit = percent === "%" ? Math.max(1, Math.ceil((stacks * Number(number)) / 100)) : Number(number);
  if (!(limit >= 1) || (percent === "%" && Number(number) > 100))
    throw new WrongUsage(`--max-failures ${text} is neither a number of at least 1 nor a percentage such as 10%.`);
  return limit;
}
