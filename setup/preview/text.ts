import { printColumns } from "../columns.ts";
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

/** A plan for a terminal. */
export function printPlan(plan: Plan): string {
  const loss = warnOfLoss(plan);
  const lines = [`── ${plan.stack}: ${summarizePlan(plan)}`];
  if (plan.note !== undefined) lines.push(plan.note);
  for (const warning of plan.warnings) lines.push(`warning: ${warning}`);
  if (loss !== undefined) lines.push(loss);
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
