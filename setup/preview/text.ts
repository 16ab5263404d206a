import { printColumns } from "../columns.ts";
import { printBars } from "../explain/text.ts";
import { printTree } from "../printTree.ts";
import { countOperations, groupByTier, type Change, type Plan } from "./plan.ts";

const SYMBOLS: { readonly [operation: string]: string } = { create: "+", update: "~", replace: "+-", delete: "-" };

export function symbolOf(operation: string): string {
  return SYMBOLS[operation] ?? operation;
}

/** `44 to create, 1 to replace`; starts with FAILED where there are errors. */
export function summarizePlan({ changes, unchanged, errors }: Plan): string {
  const counts = countOperations(changes).map(([operation, count]) => `${count} to ${operation}`);
  if (unchanged > 0) counts.push(`${unchanged} unchanged`);
  if (errors.length > 0) counts.unshift("FAILED");
  return counts.join(", ") || "nothing planned";
}

/** A sentence, where data would be lost. */
export function warnOfLoss({ changes }: Plan): string | undefined {
  const lost = changes.filter(({ destroysData }) => destroysData).length;
  return lost === 0
    ? undefined
    : `Data would be wiped: ${lost} ${lost === 1 ? "resource" : "resources"} with onDelete: wipe would be deleted.`;
}

/** A sentence, where somebody would be cut off. */
export function warnOfInterruption({ changes }: Plan): string | undefined {
  const cut = changes.filter(({ interruptsService }) => interruptsService).length;
  return cut === 0
    ? undefined
    : `Services would be interrupted: ${cut} ${cut === 1 ? "change stops or unmounts" : "changes stop or unmount"} what is in use.`;
}

/** The bars of each host's storage. */
export function printCapacity({ capacity = {} }: Plan): string[] {
  return Object.entries(capacity).flatMap(([host, rooms]) =>
    rooms.length === 0 ? [] : [`${host}: capacity, as declared`, ...printBars(rooms).map((line) => `  ${line}`)],
  );
}

/** A plan for a terminal. */
export function printPlan(plan: Plan): string {
  const loss = warnOfLoss(plan);
  const interruption = warnOfInterruption(plan);
  const capacity = printCapacity(plan);
  const lines = [`── ${plan.stack}: ${summarizePlan(plan)}`];
  if (plan.note !== undefined) lines.push(plan.note);
  for (const warning of plan.warnings) lines.push(`warning: ${warning}`);
  if (loss !== undefined) lines.push(loss);
  if (interruption !== undefined) lines.push(interruption);
  if (capacity.length > 0) lines.push("", ...capacity);
  for (const [tier, changes] of groupByTier(plan.changes)) lines.push("", tier, ...printChanges(changes));
  const outputs = printOutputs(plan);
  if (outputs.length > 0) lines.push("", "outputs", ...outputs.map((line) => `  ${line}`));
  // Last, where one looks first in a terminal.
  if (plan.errors.length > 0) lines.push("", ...plan.errors.map((error) => `error: ${error}`));
  return lines.join("\n");
}

export function printOutputs({ outputs }: Plan): string[] {
  return Object.keys(outputs).length === 0 ? [] : printTree(outputs);
}

function printChanges(changes: readonly Change[]): string[] {
  const rows = changes.map(({ operation, name, kind, what }) => [symbolOf(operation), name, kind, what]);
  return printColumns(rows).map((line) => `  ${line}`);
}
