import type { Command, Output } from "../host/command.ts";

/**
 * What a fact is about: changing one of these makes the facts about it stale. `block`: which devices there are;
 * `contents`: what is on them.
 */
export type About =
  "block" | "contents" | "lvm" | "mounts" | "fstab" | "files" | "accounts" | "units" | "kernel" | "ledger" | "packages";

/** One question to a host, and a pure reading of the answer. */
export interface Fact<A, T> {
  readonly name: string;
  readonly about: readonly About[];
  /** Asked before something is made, and of no interest after. */
  readonly isProofBefore?: true;
  command(args: A): Command;
  /**
   * Where one command can answer for many: who asks at the same time shares it. `part` is what the fact's own command
   * would have put out for one of them. Where it fails, each is asked by itself.
   */
  readonly together?: {
    command(all: readonly A[]): Command;
    part(output: Output, args: A, index: number): Output;
  };
  /** Gets only outputs with an accepted exit code. May throw an Error that says what was odd. */
  parse(output: Output, args: A): T;
}

/** Asks a host. What is asked at the same time travels together; what is known isn't asked again. */
export type Ask = <A, T>(fact: Fact<A, T>, args: A) => Promise<T>;

/** An answer, or why there is none. */
export function orError<T>(answer: Promise<T>): Promise<T | Error> {
  return answer.catch((error: unknown) => (error instanceof Error ? error : new Error(String(error))));
}
