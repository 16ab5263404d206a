import type { Plan } from "../../../../providers/engine/plan.ts";
import { printCommand } from "../../../../providers/host/command.ts";

/** A plan as a reviewer would read it: `risk: command`, a guard before its step; or `refused: what was found`. */
export function read({ steps, refusals = [] }: Plan): string[] {
  return [
    ...refusals.map(({ found }) => `refused: ${found}`),
    ...steps.flatMap(({ risk, command, guard }) => [
      ...(guard === undefined ? [] : [`guard: ${printCommand(guard)}`]),
      `${risk}: ${printCommand(command)}`,
    ]),
  ];
}
