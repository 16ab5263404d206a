/** Text of a drawing: how wide it is at most, how it breaks into lines, and how it is written in SVG and HTML. Pure. */

/** How text is set. Sizes are in pixels of the drawing. */
export interface Style {
  readonly size: number;
  readonly mono?: boolean;
  readonly bold?: boolean;
}

/** Share of the size that a letter takes at most, in the fonts that browsers take for `system-ui` and `sans-serif`. */
const WIDTHS: readonly (readonly [letters: RegExp, share: number])[] = [
  [/[iljI.,:;'|!]/, 0.38],
  [/[ftr()[\]/\\\- ]/, 0.46],
  [/[mwMW@%]/, 1.0],
  [/[A-HJ-Z&~<>=+#]/, 0.84],
  [/[\x20-\x7e]/, 0.65],
];
const OTHER = 1.05;
const MONO = 0.63;
const BOLD = 1.1;

/** In pixels; conservative: no common font needs more. */
export function widthOf(text: string, { size, mono = false, bold = false }: Style): number {
  let shares = 0;
  for (const letter of text) shares += shareOf(letter, mono);
  return shares * size * (bold ? BOLD : 1);
}

function shareOf(letter: string, mono: boolean): number {
  const isPlain = /[\x20-\x7e]/.test(letter);
  // A machine without a monospaced font takes another.
  const share = WIDTHS.find(([letters]) => letters.test(letter))?.[1] ?? OTHER;
  return mono && isPlain ? Math.max(MONO, share) : share;
}

/**
 * Breaks text into lines of a width: at spaces, else after one of `/ - _ . , :`, else anywhere. What doesn't fit into
 * the last line ends in `…`.
 */
export function wrap(text: string, width: number, style: Style, maxLines = Infinity): string[] {
  const lines: string[] = [];
  let line = "";
  const fits = (candidate: string) => widthOf(candidate.trimEnd(), style) <= width;
  for (const word of pieces(text)) {
    if (fits(line + word)) {
      line += word;
      continue;
    }
    if (line.trim() !== "") lines.push(line.trimEnd());
    line = "";
    for (const letter of word.trimStart()) {
      if (line !== "" && !fits(line + letter)) {
        lines.push(line);
        line = "";
      }
      line += letter;
    }
  }
  if (line.trim() !== "" || lines.length === 0) lines.push(line.trimEnd());
  if (lines.length <= maxLines) return lines;
  const last = [...(lines[maxLines - 1] ?? "")];
  while (last.length > 0 && !fits(`${last.join("")}…`)) last.pop();
  return [...lines.slice(0, maxLines - 1), `${last.join("")}…`];
}

/** Between them, a line may break. Words that are paths or names have several. */
function pieces(text: string): string[] {
  return text.match(/\s*[^\s/\-_.,:]*[/\-_.,:]*|\s+/g)?.filter((piece) => piece !== "") ?? [];
}

/** For SVG and HTML, in text and attributes. What can't be shown, or turns the direction of writing, shows as �. */
export function escape(text: string): string {
  return text
    .toWellFormed()
    .replaceAll(/[\p{Cc}\u{202a}-\u{202e}\u{2066}-\u{2069}\u{fffe}\u{ffff}]/gu, "�")
    .replaceAll("&", "&amp;")
    .replaceAll("<", "&lt;")
    .replaceAll(">", "&gt;")
    .replaceAll('"', "&quot;")
    .replaceAll("'", "&#39;");
}

/** As {@link escape}, with line ends as they are. */
export function escapeLines(text: string): string {
  return text.split("\n").map(escape).join("\n");
}
