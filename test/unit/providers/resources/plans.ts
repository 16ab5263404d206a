import fc from "fast-check";
import type { Plan } from "../../../../providers/engine/plan.ts";
import type { Properties, ResourceKind } from "../../../../providers/engine/resource.ts";
import type { Example } from "../../../support/example.ts";
import { uuid } from "../../../support/generators.ts";

export type SeenOf<K> = K extends ResourceKind<infer _Schema, infer Seen> ? Seen : never;

/** What a kind makes of what is declared, where the host is as declared and where it is otherwise. */
interface Planned {
  readonly inputs: Properties;
  readonly converged: Outcome;
  readonly any: Outcome;
  readonly sameAgain: readonly unknown[];
}

interface Outcome {
  readonly plan: Plan;
  readonly destroyed: Plan;
  readonly isAbsent: boolean;
  readonly reported: Properties;
  readonly seen: unknown;
}

/** Holds a property of a kind's plans against 200 declarations, each with what may be seen of it on a host. */
export function checkPlans({ kind, inputs, converged, any }: Example, property: (one: Planned) => void): void {
  const outcome = (desired: Parameters<typeof converged>[0], seen: unknown, uuid: string): Outcome => ({
    plan: kind.plan(desired, seen),
    destroyed: kind.planDestroy({ ...desired, uuid }, seen),
    isAbsent: kind.isAbsent(desired, seen),
    reported: { ...desired, ...kind.report(desired, seen).inputs },
    seen,
  });
  fc.assert(
    fc.property(
      inputs.chain((desired) => fc.tuple(fc.constant(desired), any(desired), uuid)),
      ([desired, seen, stateUuid]) => {
        property({
          inputs: desired,
          converged: outcome(desired, converged(desired), "uuid-1"),
          any: outcome(desired, seen, stateUuid),
          sameAgain: kind.refuseChange?.(desired, desired) ?? [],
        });
      },
    ),
    { numRuns: 200 },
  );
}
