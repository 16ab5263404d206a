import type { StackHost } from "../stackFile.ts";
import { planBlankHost } from "./blankHost.ts";
import { roomsOf, type Room } from "./capacity.ts";
import { fatesOf, type Fate } from "./fate.ts";
import { risksOf, type RiskFound } from "./risks.ts";

/** What there is to know of a host before anything reaches it. */
export interface Explanation {
  readonly host: string;
  readonly onDelete: string;
  readonly rooms: readonly Room[];
  /** What an `up` of a blank host comes to. */
  readonly blank: {
    readonly resources: number;
    readonly steps: number;
    /** Steps that are taken only after a proof on the host, in the same call, that the device is blank. */
    readonly proved: readonly string[];
  };
  readonly risks: readonly RiskFound[];
  readonly destroy: readonly Fate[];
}

/** Reaches no host. @throws {MissingNeed} where the configuration can't be carried out. */
export async function explain({ name, settings, resources }: StackHost): Promise<Explanation> {
  const planned = await planBlankHost(resources);
  const steps = planned.flatMap((one) => one.steps);
  return {
    host: name,
    onDelete: settings.onDelete,
    rooms: roomsOf(settings),
    blank: {
      resources: planned.length,
      steps: steps.length,
      proved: steps.flatMap(({ guard, summary }) => (guard?.argv[3] === "find-signs-of-use" ? [summary] : [])),
    },
    risks: risksOf(settings, planned),
    destroy: fatesOf(resources),
  };
}
