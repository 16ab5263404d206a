import type { z } from "zod";
import type { About, Ask } from "../facts/fact.ts";
import type { Connection } from "../values/connection.ts";
import type { Plan, Refusal } from "./plan.ts";

/** What every resource takes. */
export type CommonInputs = {
  /** The host's name. */
  readonly host: string;
  /** How the host is reached. Left out: as the stack's configuration says, so that addresses stay out of the state. */
  readonly connection?: Connection | undefined;
};

/** Checked inputs of a kind with this schema, plain JSON. */
export type InputsOf<Schema extends z.ZodObject> = z.output<Schema> & CommonInputs;

/** A resource's properties, as they travel and as the state has them. */
export type Properties = Record<string, unknown>;

/** An input that can't be, with the words for the person who wrote it. */
export interface InvalidInput {
  readonly property: string;
  readonly reason: string;
}

/**
 * All that a resource file says: a question, a comparison and a list of steps. `plan` is the only comparator: it
 * drives create, update, drift, destroy and the check that the host converged.
 *
 * @typeParam Schema the schema of the inputs; the public args and their documentation are taken from it
 * @typeParam Seen what was seen on the host
 */
export interface ResourceKind<Schema extends z.ZodObject, Seen> {
  /** The resource type's name: "LogicalVolume". */
  readonly name: string;
  /** Checks and normalizes; parsing what it made changes nothing. */
  readonly inputs: Schema;
  /** A change here is another resource: the old one is deleted, by its own rules, and a new one created. */
  readonly identity: readonly (keyof InputsOf<Schema> & string)[];
  /** What one call may change, so that what was read of it is read again. */
  readonly changes: readonly About[];
  /** Whose turn steps wait for, but for removal: the host's, or one device's, so that formatting goes side by side. */
  readonly turn: "host" | { device(inputs: InputsOf<Schema>): string };
  /** What is lost with it is data. It is destroyed only where the state has the input `onDelete` as `wipe`. */
  readonly holdsData?: true;

  /** The provider's id of the resource, unique on its host. */
  id(inputs: InputsOf<Schema>): string;
  /** One line for a reviewer, of inputs and what follows from them; a preview may not know them all. */
  describe(properties: Properties): string;
  /** Properties that follow from the inputs, so that previews have no unknowns. */
  derive?(inputs: InputsOf<Schema>): Readonly<Properties>;
  /** Refuses in preview, offline, inputs that can never be, each on its own. */
  refuse?(inputs: InputsOf<Schema>): readonly InvalidInput[];
  /** Refuses in preview, offline, a change that would lose data. */
  refuseChange?(olds: InputsOf<Schema>, news: InputsOf<Schema>): readonly InvalidInput[];

  /** Read-only. What could not be looked at is thrown: it is never "absent". */
  observe(ask: Ask, inputs: InputsOf<Schema>): Promise<Seen>;
  /** Whether what was seen proves that nothing of the resource is there. */
  isAbsent(inputs: InputsOf<Schema>, seen: Seen): boolean;
  /** Proves what {@link isAbsent} says, where what was seen is too little for a resource to leave the state. */
  isProvedAbsent?(ask: Ask, inputs: InputsOf<Schema>): Promise<boolean>;
  /** What stands in the way of a resource that the state doesn't have yet: another resource's, in its place. */
  refuseCreate?(desired: InputsOf<Schema>, seen: Seen): readonly Refusal[];
  plan(desired: InputsOf<Schema>, seen: Seen): Plan;
  /** Obeys `onDelete` as the state has it. */
  planDestroy(inputs: InputsOf<Schema> & Readonly<Properties>, seen: Seen): Plan;
  /**
   * What is seen, by one who wants `news`, of a host that is as `olds` declares: how a change is judged without its
   * host, see risk.ts. Only a kind whose steps may be more than safe needs it. A source in another spelling is another.
   */
  expect?(olds: InputsOf<Schema>, news: InputsOf<Schema>): Seen;
  /** Whether deleting leaves the host as it is, so that it needs no connection. */
  leaves?(inputs: InputsOf<Schema>): boolean;
  /** What was seen, in the words of the inputs; what is left out is as declared. */
  report(
    inputs: InputsOf<Schema>,
    seen: Seen,
  ): { readonly inputs?: Partial<InputsOf<Schema>>; readonly outputs?: Readonly<Properties> };
}

/** A kind to whoever treats all of them alike. */
export type AnyKind = ResourceKind<z.ZodObject, unknown>;
