import { code, cell, cut, details, escapeHtml, fence, fit, LONGEST_COMMENT, type Block } from "../markdown.ts";
import { countOperations, groupByTier, type Change, type Plan } from "./plan.ts";
import { printCapacity, printOutputs, summarizePlan, symbolOf, warnOfInterruption, warnOfLoss } from "./text.ts";

/** Hidden first line. comment.sh finds its earlier comment by it. */
export const MARKER = "<!-- jts-storage preview -->";
/** In bytes, so that one stack's errors leave room for the other stacks. */
const LONGEST_ERRORS = 8_000;

/** The plans as the body of a comment: errors and the numbers of changes are visible, details are folded. */
export function renderMarkdown(
  plans: readonly Plan[],
  { limit = LONGEST_COMMENT }: { readonly limit?: number } = {},
): string {
  return fit([header(plans), ...plans.flatMap(renderPlan)], limit, "npm run preview");
}

function header(plans: readonly Plan[]): Block {
  const failed = plans.filter(({ errors }) => errors.length > 0).length;
  const rows = plans.map((plan) => {
    const outcome = plan.errors.length > 0 ? "**failed**" : "ok";
    return `| ${cell(plan.stack)} | ${outcome} | ${changesCell(plan)} | ${plan.unchanged} |`;
  });
  const table = ["| stack | preview | changes | unchanged |", "|---|---|---|--:|", ...rows];
  return {
    rank: 0,
    name: "summary",
    text: [MARKER, `## Storage preview${failed > 0 ? `: ${failed} of ${plans.length} failed` : ""}`, "", ...table].join(
      "\n",
    ),
  };
}

function changesCell(plan: Plan): string {
  const counts = countOperations(plan.changes).map(([operation, count]) => `${count} to ${operation}`);
  return (
    [
      ...counts,
      ...(warnOfLoss(plan) === undefined ? [] : ["**wipes data**"]),
      ...(warnOfInterruption(plan) === undefined ? [] : ["**interrupts services**"]),
    ].join(", ") || "none"
  );
}

function renderPlan(plan: Plan): Block[] {
  const { stack } = plan;
  const loss = warnOfLoss(plan);
  const interruption = warnOfInterruption(plan);
  const said = [
    `### ${stack}: ${summarizePlan(plan).replace("FAILED", "**failed**")}`,
    ...(plan.note === undefined ? [] : [plan.note]),
    ...(loss === undefined ? [] : [`> [!CAUTION]\n> ${loss}`]),
    ...(interruption === undefined ? [] : [`> [!WARNING]\n> ${interruption}`]),
    ...(plan.errors.length === 0 ? [] : [fence(cut(plan.errors.join("\n"), LONGEST_ERRORS))]),
    ...(plan.warnings.length === 0 ? [] : [`Warnings:\n\n${fence(cut(plan.warnings.join("\n"), LONGEST_ERRORS / 4))}`]),
  ];
  const outputs = printOutputs(plan);
  const capacity = printCapacity(plan);
  return [
    // For a stack without errors and changes, the table says all.
    {
      rank: plan.errors.length > 0 || loss !== undefined || interruption !== undefined ? 0 : 1,
      name: stack,
      text: said.join("\n\n"),
    },
    ...(capacity.length === 0
      ? []
      : [{ rank: 3 as const, name: `${stack}, capacity`, text: details("capacity", fence(capacity.join("\n"))) }]),
    ...[...groupByTier(plan.changes)].map(([tier, changes]): Block => ({
      rank: 2,
      name: `${stack}, ${tier}`,
      text: details(`${escapeHtml(tier)}: ${describeCounts(changes)}`, renderTable(changes)),
    })),
    ...(outputs.length === 0
      ? []
      : [{ rank: 3 as const, name: `${stack}, outputs`, text: details("outputs", fence(outputs.join("\n"))) }]),
  ];
}

function describeCounts(changes: readonly Change[]): string {
  const lost = changes.some(({ destroysData }) => destroysData) ? ", <b>wipes data</b>" : "";
  const cut = changes.some(({ interruptsService }) => interruptsService) ? ", <b>interrupts services</b>" : "";
  return (
    countOperations(changes)
      .map(([operation, count]) => `${count} to ${operation}`)
      .join(", ") +
    lost +
    cut
  );
}

function renderTable(changes: readonly Change[]): string {
  return [
    "| | resource | kind | |",
    "|---|---|---|---|",
    ...changes.map(
      ({ operation, name, kind, what }) =>
        `| ${code(symbolOf(operation))} | ${code(name)} | ${cell(kind)} | ${code(what)} |`,
    ),
  ].join("\n");
}
