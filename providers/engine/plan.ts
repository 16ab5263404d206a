import type { Fact } from "../facts/fact.ts";
import type { Command } from "../host/command.ts";

/** What a step can do to what people have on the host. */
export type Risk = "safe" | "interrupts-service" | "destroys-data";

export interface Step {
  /** What it does, as a person would say it: "grow lv_postgres to 800 GiB". */
  readonly summary: string;
  readonly risk: Risk;
  readonly command: Command;
  /** Proves on the host, in the same breath, what the step relies on; when it fails, its words are the refusal. */
  readonly guard?: Command;
  /**
   * systemd must read its files again afterwards, but nothing waits for it: it takes seconds on a slow host, so that it
   * is done once, when nothing more comes.
   */
  readonly owesReload?: boolean;
  /** What a fact will be after the step, for plans that are made before it has run, in the same call. */
  readonly foresees?: { readonly fact: Fact<undefined, unknown>; readonly value: unknown };
}

export interface Plan {
  /** Empty: the host is as declared. */
  readonly steps: readonly Step[];
  /** Why what was found can't become what is declared; with one of these, no step runs. */
  readonly refusals?: readonly Refusal[];
}

export interface Refusal {
  readonly found: string;
  /** What would allow it. */
  readonly next: string;
}

export const CONVERGED: Plan = { steps: [] };
