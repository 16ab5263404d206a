import type { Fact } from "../facts/fact.ts";
import type { Command } from "../host/command.ts";

/** What a step can do to what people have on the host. */
export type Risk = "safe" | "interrupts-service" | "destroys-data";

export interface Step {
  /** What it does, as a person would say it: "grow lv_postgres to 800 GiB". */
  readonly summary: string;
  readonly command: Command;
  readonly risk: Risk;
  /** Proves on the host, in the same call, what the step relies on; when it fails, its words are the refusal. */
  readonly guard?: Command;
  /**
   * systemd must read its files again afterwards, but nothing waits for it: it takes seconds on a slow host, so it is
   * done once, when nothing more comes.
   */
  readonly owesReload?: boolean;
  /** How far it is, in words, by a line that its program appends to `$progress`; undefined: the line says nothing. */
  readonly readProgress?: (line: string) => string | undefined;
  /** What a fact will be after the step, for plans that are made before it has run, in the same call. */
  readonly foresees?: { readonly fact: Fact<undefined, unknown>; readonly value: unknown };
}

export interface Plan {
  /** Empty: the host is as declared. */
  readonly steps: readonly Step[];
  /** Why what was found can't become what is declared; with one of these, no step runs. */
  readonly refusals?: readonly Refusal[];
  /** What people need to know once the steps have run, such as what was left. Only of a removal. */
  readonly notes?: readonly string[];
}

export interface Refusal {
  readonly found: string;
  /** What would allow it. */
  readonly next: string;
}

export const CONVERGED: Plan = { steps: [] };

/** A step of a plan. Default: it is safe, and needs no guard. */
export function step(summary: string, command: Command, more: Partial<Omit<Step, "summary" | "command">> = {}): Step {
  return { summary, command, risk: "safe", ...more };
}

/** A plan that carries out these steps, in this order. */
export function toDo(...steps: readonly Step[]): Plan {
  return { steps };
}

/**
 * A plan that does nothing, and says why.
 * @param found what is in the way: one thing, or several that have the same way out
 * @param next what would allow it
 */
export function refuse(found: string | readonly string[], next: string): Plan {
  return refuseAll([found].flat().map((one) => ({ found: one, next })));
}

/** A plan that does nothing, for reasons that each have a way out of their own. */
export function refuseAll(refusals: readonly Refusal[]): Plan {
  return { steps: [], refusals };
}
