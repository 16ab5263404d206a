import { toDo, CONVERGED, refuseAll, step, type Plan, type Refusal } from "../engine/plan.ts";
import type { Properties } from "../engine/resource.ts";
import type { Command } from "../host/command.ts";
import { recordsProgram } from "../programs/program.ts";
import type { OnDelete } from "../values/fields.ts";

/** What is on the host in the place of a resource that holds data. */
interface Holder {
  /** As programs/is-uuid.sh knows it. */
  readonly type: "pv" | "vg" | "lv" | "filesystem";
  /** The path or name by which that program finds it. */
  readonly at: string;
  readonly uuid: string | undefined;
  /** What its UUID is said of: "vg_jts is the volume group". */
  readonly is: string;
  /** The command that shows its UUID. */
  readonly shownBy: string;
  /** What would be lost with it, or holds it. */
  readonly refusals?: readonly Refusal[];
  readonly remove: { readonly summary: string; readonly command: Command };
}

/** Deleting leaves the host as it is, unless `wipe` was declared, and an `up` has brought that into the state. */
export function unlessWiped({ onDelete }: { readonly onDelete: OnDelete }): boolean {
  return onDelete !== "wipe";
}

/**
 * What the kinds that hold data have in common. It is destroyed only where it has the UUID of the state, which is
 * proved again in the call that destroys.
 * @param find what is there; undefined: nothing
 */
export function dataHolder<Inputs, Seen>(find: (inputs: Inputs, seen: Seen) => Holder | undefined) {
  return {
    holdsData: true,
    leaves: unlessWiped,
    planDestroy(inputs: Inputs & Readonly<Properties>, seen: Seen): Plan {
      const found = find(inputs, seen);
      if (found === undefined) return CONVERGED;
      const { type, at, uuid, is, shownBy, refusals = [], remove } = found;
      if (inputs.uuid !== uuid) {
        return refuseAll([
          {
            found: `${is} ${uuid ?? "without UUID"} instead of ours, ${String(inputs.uuid)}`,
            next: `pulumi refresh, and look whose it is: ${shownBy}.`,
          },
        ]);
      }
      if (refusals.length > 0) return refuseAll(refusals);
      return toDo(
        step(remove.summary, remove.command, {
          risk: "destroys-data",
          guard: recordsProgram("is-uuid", [type, at, uuid ?? ""]),
        }),
      );
    },
  } as const;
}
