import { readFileSync } from "node:fs";
import type { Command } from "../host/command.ts";

/**
 * A program of ours that runs on the host: a constant text whose arguments travel as arguments, never as text.
 * @param name the file in this folder, without its ending
 */
export function program(name: string, ...args: readonly string[]): Command {
  return { argv: ["bash", "-c", textOf(name), name, ...args], program: "one" };
}

/** A program that makes or removes things, and so uses the functions of ledger.sh. */
export function ledgerProgram(name: string, ...args: readonly string[]): Command {
  return {
    argv: ["bash", "-c", `set -euo pipefail\n${textOf("ledger")}${textOf(name)}`, name, ...args],
    program: "one",
  };
}

/**
 * A program as {@link ledgerProgram}, which does for many at once what it does for one: works that share a turn are
 * carried out together. It reads its records by records.sh.
 * @param text what it would read from standard input
 */
export function recordsProgram(name: string, args: readonly string[], text = ""): Command {
  const program = `set -euo pipefail\n${textOf("ledger")}${textOf("records")}${textOf(name)}`;
  return { argv: ["bash", "-c", program, name, String(args.length), ...args], stdin: `${text}\0`, program: "many" };
}

function textOf(name: string): string {
  let text = texts.get(name);
  // Comments stay here: they would only travel.
  if (text === undefined)
    texts.set(name, (text = readFileSync(new URL(`${name}.sh`, import.meta.url), "utf8").replaceAll(/^ *#.*\n/gm, "")));
  return text;
}

const texts = new Map<string, string>();
