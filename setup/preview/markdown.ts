import { countOperations, groupByTier, type Change, type Plan } from "./plan.ts";
import { printOutputs, summarizePlan, symbolOf, warnOfLoss } from "./text.ts";

/** Hidden first line by which comment.sh finds the comment that it wrote before. */
export const MARKER = "<!-- jts-storage preview -->";
/** GitHub takes no comment of more characters. */
export const LONGEST_COMMENT = 65_536;
/** One stack's errors shouldn't push out all other stacks. */
const LONGEST_ERRORS = 8_000;

/** Part of a comment. Where that is too long, those of the highest rank go first, from the end. */
interface Block {
  readonly text: string;
  /** 0 stays the longest. */
  readonly rank: 0 | 1 | 2 | 3;
  /** What it is called in the note on what was left out. */
  readonly name: string;
}

/** The plans as the body of a comment: what failed and how much would change at once, details folded. */
export function renderMarkdown(
  plans: readonly Plan[],
  { limit = LONGEST_COMMENT }: { readonly limit?: number } = {},
): string {
  return fit([header(plans), ...plans.flatMap(renderPlan)], limit);
}

function header(plans: readonly Plan[]): Block {
  const failed = plans.filter(({ errors }) => errors.length > 0).length;
  const rows = plans.map(
    (plan) =>
      `| ${cell(plan.stack)} | ${plan.errors.length > 0 ? "**failed**" : "ok"} | ${changesCell(plan)} | ${plan.unchanged} |`,
  );
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
    // Of a stack in which all is well and nothing changes, the table says it all.
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

/** Leaves out whole blocks, so that what stays is whole, and says which. */
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
  return `*Left out, since a comment can hold no more: ${shown}${more}. The run's log has all; so has \`npm run preview\`.*`;
}

/** Bytes, which are never fewer than the characters that GitHub counts. */
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

/** A code block that its text can't end. */
function fence(text: string): string {
  const longest = Math.max(2, ...[...text.matchAll(/`+/g)].map(([ticks]) => ticks.length));
  const ticks = "`".repeat(longest + 1);
  return `${ticks}text\n${text}\n${ticks}`;
}

/** A table's cell whose text is shown as it is: nobody is mentioned, nothing linked. */
function code(text: string): string {
  return text === "" ? "" : `\`${text.replaceAll("`", "'").replaceAll("|", "\\|").replaceAll(/\s+/g, " ")}\``;
}

function cell(text: string): string {
  return escapeHtml(text).replaceAll("|", "\\|").replaceAll(/\s+/g, " ");
}

function escapeHtml(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}
