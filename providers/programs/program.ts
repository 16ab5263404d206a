import { readFileSync } from "node:fs";
import type { Command } from "../host/command.ts";

/**
 * A program of ours that runs on the host: a constant text whose arguments travel as arguments, never as text.
 * @param name the file in this folder, without its ending
 */
export function program(name: string, ...args: readonly string[]): Command {
  return { argv: ["bash", "-c", textOf(name), name, ...args], program: "one" };
}

/**
 * A program that does for many at once what it does for one: works that share a turn are carried out together. It reads
 * its records by records.sh.
 * @param text what it would read from standard input
 */
export function recordsProgram(name: string, args: readonly string[], text = ""): Command {
  const argv = ["bash", "-c", textOf(name), name, String(args.length), ...args];
  return { argv, stdin: `${text}\0`, program: "many" };
}

/** A program's text. What it sources is put in its place, as nothing of ours is a file on the host. */
function textOf(name: string): string {
  let text = texts.get(name);
  if (text === undefined) {
    text = readFileSync(new URL(`${name}.sh`, import.meta.url), "utf8")
      // Comments stay here: they would only travel.
      .replaceAll(/^ *#.*\n/gm, "")
      .replaceAll(/^source (.+)\.sh\n/gm, (_line, sourced: string) => textOf(sourced));
    texts.set(name, text);
  }
  return text;
}

const texts = new Map<string, string>();
