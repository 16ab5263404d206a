import type { z } from "zod";
import type { About, Ask } from "../facts/fact.ts";
import type { Plan } from "./plan.ts";

/** What every resource takes. */
export interface CommonInputs {
  /** The host's name: a key of `jts-storage:hosts`. Addresses and keys stay in the configuration, out of the state. */
  readonly host: string;
}

/** An input that can't be, with the words for the person who wrote it. */
export interface InvalidInput {
  readonly property: string;
  readonly reason: string;
}

/**
 * All that a resource file says: a question, a comparison and a list of steps. `plan` is the only comparator: it
 * drives create, update, drift, destroy and the check that the host converged.
 *
 * @typeParam I checked inputs, plain JSON
 * @typeParam S what was seen on the host
 */
export interface ResourceKind<I extends CommonInputs, S> {
  /** The resource type's name: "LogicalVolume". */
  readonly name: string;
  /** Checks and normalizes; parsing what it made changes nothing. */
  readonly inputs: z.ZodObject;
  /** A change here is another resource: the old one is deleted, by its own rules, and a new one created. */
  readonly identity: readonly (keyof I & string)[];
  /** What one call may change, so that what was read of it is read again. */
  readonly changes: readonly About[];
  /** The writer's turn that steps need, but for removal: the host's, or that of one device, so that formatting goes side by side. */
  readonly turn: "host" | { device(inputs: I): string };

  /** The provider's id of the resource, unique on its host. */
  id(inputs: I): string;
  /** Properties that follow from the inputs, so that previews have no unknowns. */
  derive?(inputs: I): Readonly<Record<string, unknown>>;
  /** Refuses in preview, offline, inputs that can never be, each on its own. */
  refuse?(inputs: I): readonly InvalidInput[];
  /** Refuses in preview, offline, a change that would lose data. */
  refuseChange?(olds: I, news: I): readonly InvalidInput[];

  /** Read-only. What could not be looked at is thrown: it is never "absent". */
  observe(ask: Ask, inputs: I): Promise<S>;
  /** Whether what was seen proves that nothing of the resource is there. */
  isAbsent(inputs: I, seen: S): boolean;
  /** Proves what {@link isAbsent} says, where what was seen is too little for a resource to leave the state. */
  isProvedAbsent?(ask: Ask, inputs: I): Promise<boolean>;
  plan(desired: I, seen: S): Plan;
  /** Obeys `onDelete` as the state has it. */
  planDestroy(inputs: I & Readonly<Record<string, unknown>>, seen: S): Plan;
  /** Whether deleting leaves the host alone, so that it needs no connection. */
  leaves?(inputs: I): boolean;
  /** What was seen, in the words of the inputs; what is left out is as declared. */
  report(inputs: I, seen: S): { readonly inputs?: Partial<I>; readonly outputs?: Readonly<Record<string, unknown>> };
}
