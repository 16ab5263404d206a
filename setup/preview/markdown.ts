import { countOperations, groupByTier, type Change, type Plan } from "./plan.ts";
import { printOutputs, summarizePlan, symbolOf, warnOfLoss } from "./text.ts";

/** Hidden first line. comment.sh finds its earlier comment by it. */
export const MARKER = "<!-- jts-storage preview -->";
/** The most characters that GitHub takes in a comment. */
export const LONGEST_COMMENT = 65_536;
/** In bytes, so that one stack's errors leave room for the other stacks. */
const LONGEST_ERRORS = 8_000;

/** Part of a comment. Where the comment is too long, parts are left out by rank, the highest first, from its end. */
interface Block {
  readonly text: string;
  /** Parts of rank 0 are left out last. */
  readonly rank: 0 | 1 | 2 | 3;
  /** Its name in the note on what was left out. */
  readonly name: string;
}

/** The plans as the body of a comment: errors and the numbers of changes are visible, details are folded. */
export function renderMarkdown(
  plans: readonly Plan[],
  { limit = LONGEST_COMMENT }: { readonly limit?: number } = {},
): string {
  return fit([header(plans), ...plans.flatMap(renderPlan)], limit);
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
  return [...counts, ...(warnOfLoss(plan) === undefined ? [] : ["**wipes data**"])].join(", ") || "none";
}

function renderPlan(plan: Plan): Block[] {
  const { stack } = plan;
  const loss = warnOfLoss(plan);
  const said = [
    `### ${stack}: ${summarizePlan(plan).replace("FAILED", "**failed**")}`,
    ...(plan.note === undefined ? [] : [plan.note]),
    ...(loss === undefined ? [] : [`> [!CAUTION]\n> ${loss}`]),
    ...(plan.errors.length === 0 ? [] : [fence(cut(plan.errors.join("\n"), LONGEST_ERRORS))]),
    ...(plan.warnings.length === 0 ? [] : [`Warnings:\n\n${fence(cut(plan.warnings.join("\n"), LONGEST_ERRORS / 4))}`]),
  ];
  const outputs = printOutputs(plan);
  return [
    // For a stack without errors and changes, the table says all.
    { rank: plan.errors.length > 0 || loss !== undefined ? 0 : 1, name: stack, text: said.join("\n\n") },
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
  return (
    countOperations(changes)
      .map(([operation, count]) => `${count} to ${operation}`)
      .join(", ") + lost
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

/** Leaves out whole blocks until the rest fits, and names them in a note. */
function fit([summary, ...blocks]: readonly [Block, ...Block[]], limit: number): string {
  const kept = new Set(blocks);
  const assemble = () => {
    const left = blocks.filter((block) => !kept.has(block)).map(({ name }) => name);
    return (
      [summary, ...kept].map(({ text }) => text).join("\n\n") +
      (left.length === 0 ? "\n" : `\n\n${noteOfOmission(left)}\n`)
    );
  };
  const expendable = [3, 2, 1, 0].flatMap((rank) => blocks.filter((block) => block.rank === rank).reverse());
  let text = assemble();
  for (const block of expendable) {
    if (lengthOf(text) <= limit) return text;
    kept.delete(block);
    text = assemble();
  }
  return lengthOf(text) <= limit ? text : `${cut(text, limit - 100)}\n`;
}

function noteOfOmission(names: readonly string[]): string {
  const shown = names.slice(0, 20).map(escapeHtml).join("; ");
  const more = names.length > 20 ? `; and ${names.length - 20} more` : "";
  return `*Left out, since a comment can hold no more: ${shown}${more}. Next: see the run's log, or run \`npm run preview\`.*`;
}

/** In bytes: at least as many as the characters that GitHub counts. */
function lengthOf(text: string): number {
  return Buffer.byteLength(text);
}

/** Whole lines of a text, up to a length in bytes. */
function cut(text: string, limit: number): string {
  if (lengthOf(text) <= limit) return text;
  const lines = text.split("\n");
  const kept: string[] = [];
  let length = 0;
  for (const line of lines) {
    length += lengthOf(line) + 1;
    if (length > limit) break;
    kept.push(line);
  }
  if (kept.length === 0) kept.push(Buffer.from(text).subarray(0, limit).toString().replace(/�$/, ""));
  return [...kept, `… and ${Math.max(1, lines.length - kept.length)} more lines`].join("\n");
}

function details(summary: string, body: string): string {
  return `<details><summary>${summary}</summary>\n\n${body}\n\n</details>`;
}

/** A code block with more backticks than the text, so that the text can't end it. */
function fence(text: string): string {
  const longest = Math.max(2, ...[...text.matchAll(/`+/g)].map(([ticks]) => ticks.length));
  const ticks = "`".repeat(longest + 1);
  return `${ticks}text\n${text}\n${ticks}`;
}

/** A table's cell that shows the text literally: GitHub makes no links and no mentions of it. */
function code(text: string): string {
  return text === "" ? "" : `\`${text.replaceAll("`", "'").replaceAll("|", "\\|").replaceAll(/\s+/g, " ")}\``;
}

function cell(text: string): string {
  return escapeHtml(text).replaceAll("|", "\\|").replaceAll(/\s+/g, " ");
}

function escapeHtml(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}
