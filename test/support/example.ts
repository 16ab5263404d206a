import type fc from "fast-check";
import type { z } from "zod";
import type { InputsOf, Properties, ResourceKind } from "../../providers/engine/resource.ts";
import type { Machine } from "./fakeHost.ts";

/** All that the tests of every kind need to know about one: kinds/NAME.ts has it. */
export interface Example<Schema extends z.ZodObject = z.ZodObject, Seen = unknown> {
  readonly kind: ResourceKind<Schema, Seen>;
  /** A resource with as little declared as possible, and what check adds to that: states hold both. */
  readonly least: { readonly declared: Properties; readonly added: Properties };
  /** A resource of the machine that `before` makes of a blank one. Deleted, it leaves no trace. */
  readonly declared: Properties;
  readonly before?: (machine: Machine) => void;
  /** What somebody does to the machine behind our back, and what refresh then reports. */
  readonly drift: (machine: Machine) => void;
  readonly drifted: Properties;
  /** The inputs that take any text, by their names. */
  readonly takesAnyText: readonly string[];
  /** What may be declared. */
  readonly inputs: fc.Arbitrary<InputsOf<Schema>>;
  /** What is seen where the host is as declared. */
  converged(this: void, inputs: InputsOf<Schema>): Seen;
  /** What may be seen otherwise. */
  any(this: void, inputs: InputsOf<Schema>): fc.Arbitrary<Seen>;
}

/** What is seen of a unit of systemd that runs and is enabled, or has failed and is not. */
export const seenUnit = (runs: boolean) => ({
  loadState: "loaded",
  fileState: runs ? "enabled" : "disabled",
  activeState: runs ? "active" : "failed",
  needsReload: false,
  path: "",
});

/** An example, for tests that treat all kinds alike. */
export function exampleOf<Schema extends z.ZodObject, Seen>(
  kind: ResourceKind<Schema, Seen>,
  rest: Omit<Example<Schema, Seen>, "kind">,
): Example {
  return { kind, ...rest };
}
