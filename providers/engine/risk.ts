import type { Risk } from "./plan.ts";
import type { AnyKind, CommonInputs, Properties } from "./resource.ts";

/** From harmless to grave. */
const RISKS: readonly Risk[] = ["safe", "interrupts-service", "destroys-data"];

/**
 * What an `up` would risk to change a resource, or to take it away, on a host that is as it was declared: the gravest
 * of its steps' risks, by the kind's own plan. It asks no host, so drift may add to it.
 * @param olds as the state has it; `safe` where this version can't read that
 * @param news undefined: it is taken away
 */
export function riskOf(kind: AnyKind, olds: Properties, news: Properties | undefined): Risk {
  const before = kind.inputs.safeParse(olds).data as (Properties & CommonInputs) | undefined;
  const after = news === undefined ? before : (kind.inputs.safeParse(news).data as typeof before);
  if (before === undefined || after === undefined) return "safe";
  if (news === undefined) {
    if (kind.leaves?.(before) === true) return "safe";
    if (kind.holdsData === true) return "destroys-data";
  }
  const seen = kind.expect?.(before, after);
  if (seen === undefined) return "safe";
  const { steps } = news === undefined ? kind.planDestroy(before, seen) : kind.plan(after, seen);
  return RISKS[Math.max(0, ...steps.map(({ risk }) => RISKS.indexOf(risk)))]!;
}
