import { lifecycle } from "../../../../providers/engine/lifecycle.ts";
import type { Properties } from "../../../../providers/engine/resource.ts";
import { Session } from "../../../../providers/engine/session.ts";
import type { Host } from "../../../../providers/host/host.ts";
import { examples, type Kind } from "../../../support/examples.ts";
import { blankMachine, type Machine } from "../../../support/fakeHost.ts";

export type Provider = ReturnType<typeof lifecycle>;

/** A resource as a program declares it, and a machine for it. */
export interface Situation {
  readonly name: Kind;
  readonly holdsData: boolean;
  /** The provider of a run of Pulumi of its own: it knows nothing of the host yet. */
  readonly run: (host: Host) => Provider;
  readonly declared: Properties;
  readonly machine: () => Machine;
  /** What somebody does to the host behind our back. */
  readonly drift: (machine: Machine) => void;
  /** What refresh then reports. */
  readonly drifted: Properties;
}

/** One for each kind. */
export const situations: readonly Situation[] = Object.values(examples).map(
  ({ kind, declared, before, drift, drifted }) => ({
    name: kind.name as Kind,
    holdsData: kind.holdsData === true,
    run(host) {
      const session = new Session(host);
      return lifecycle(kind, () => session);
    },
    declared: { host: "fake", ...declared },
    machine() {
      const machine = blankMachine();
      before?.(machine);
      return machine;
    },
    drift,
    drifted,
  }),
);

export function situationOf(name: Kind): Situation {
  return situations.find((one) => one.name === name)!;
}

/** What check makes of the declaration, as in a preview; it must refuse nothing. */
export async function checked({ run, declared }: Situation, host: Host, changes: Properties = {}): Promise<Properties> {
  const { inputs, failures = [] } = (await run(host).check({}, { ...declared, ...changes })) as {
    inputs: Properties;
    failures?: readonly { reason: string }[];
  };
  if (failures.length > 0) throw new Error(failures.map(({ reason }) => reason).join("\n"));
  return inputs;
}
