/** Markdown for a comment, or an issue, on GitHub. */

/** The most characters that GitHub takes in a comment, and in an issue. */
export const LONGEST_COMMENT = 65_536;

/** Part of a text. Where the text is too long, parts are left out by rank, the highest first, from its end. */
export interface Block {
  readonly text: string;
  /** Parts of rank 0 are left out last. */
  readonly rank: 0 | 1 | 2 | 3;
  /** Its name in the note on what was left out. */
  readonly name: string;
}

/**
 * Leaves out whole blocks until the rest fits, and names them in a note.
 * @param command what prints all of it
 */
export function fit([summary, ...blocks]: readonly [Block, ...Block[]], limit: number, command: string): string {
  const kept = new Set(blocks);
  const assemble = () => {
    const left = blocks.filter((block) => !kept.has(block)).map(({ name }) => name);
    return (
      [summary, ...kept].map(({ text }) => text).join("\n\n") +
      (left.length === 0 ? "\n" : `\n\n${noteOfOmission(left, command)}\n`)
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

function noteOfOmission(names: readonly string[], command: string): string {
  const shown = names.slice(0, 20).map(escapeHtml).join("; ");
  const more = names.length > 20 ? `; and ${names.length - 20} more` : "";
  return `*Left out, since GitHub takes no more: ${shown}${more}. Next: see the run's log, or run \`${command}\`.*`;
}

/** In bytes: at least as many as the characters that GitHub counts. */
function lengthOf(text: string): number {
  return Buffer.byteLength(text);
}

/** Whole lines of a text, up to a length in bytes. */
export function cut(text: string, limit: number): string {
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

export function details(summary: string, body: string): string {
  return `<details><summary>${summary}</summary>\n\n${body}\n\n</details>`;
}

/** A code block with more backticks than the text, so that the text can't end it. */
export function fence(text: string): string {
  const longest = Math.max(2, ...[...text.matchAll(/`+/g)].map(([ticks]) => ticks.length));
  const ticks = "`".repeat(longest + 1);
  return `${ticks}text\n${text}\n${ticks}`;
}

/** A table's cell that shows the text literally: GitHub makes no links and no mentions of it. */
export function code(text: string): string {
  return text === "" ? "" : `\`${text.replaceAll("`", "'").replaceAll("|", "\\|").replaceAll(/\s+/g, " ")}\``;
}

export function cell(text: string): string {
  return escapeHtml(text).replaceAll("|", "\\|").replaceAll(/\s+/g, " ");
}

export function escapeHtml(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}
