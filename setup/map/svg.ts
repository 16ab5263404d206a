/** A drawing as SVG. Pure. */
import { styleSheet } from "./colours.ts";
import { round, type Drawing, type Point, type Shape } from "./drawing.ts";
import { escape, escapeLines } from "./text.ts";

export interface Words {
  readonly title: string;
  readonly description: string;
}

/** An SVG file of its own. */
export function printSvg(drawing: Drawing, words: Words): string {
  return `${print(drawing, words, "map", `<style>${styleSheet()}</style>`)}\n`;
}

/**
 * An SVG element for a page that has the style sheet.
 * @param id begins the ids in it, which a page has once; its characters are those of {@link idOf}
 */
export function printElement(drawing: Drawing, words: Words, id: string): string {
  return print(drawing, words, id, "");
}

function print({ width, height, shapes }: Drawing, { title, description }: Words, id: string, style: string): string {
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}"` +
      ` role="img" aria-labelledby="${id}-title ${id}-desc">`,
    `<title id="${id}-title">${escape(title)}</title>`,
    `<desc id="${id}-desc">${escape(description)}</desc>`,
    ...(style === "" ? [] : [style]),
    ...shapes.map(printShape),
    "</svg>",
  ].join("\n");
}

function printShape(shape: Shape): string {
  switch (shape.kind) {
    case "box": {
      const { x, y, width, height, role, radius } = shape;
      const corners = radius === undefined ? "" : ` rx="${radius}"`;
      return `<rect class="${role}" x="${x}" y="${y}" width="${width}" height="${height}"${corners}/>`;
    }
    case "text": {
      const { x, y, role, style, text } = shape;
      const classes = [role, ...(style.mono === true ? ["mono"] : []), ...(style.bold === true ? ["bold"] : [])];
      return `<text class="${classes.join(" ")}" x="${x}" y="${y}" font-size="${style.size}">${escape(text)}</text>`;
    }
    case "area":
      return `<path class="${shape.role}" d="${printPath(shape.points)}Z"/>`;
    case "arrow":
      return printArrow(shape.role, shape.points);
    case "group":
      return `<g><title>${escapeLines(shape.title)}</title>\n${shape.shapes.map(printShape).join("\n")}\n</g>`;
  }
}

/** A line that ends in a head, whose tip is at the last point. */
function printArrow(role: string, points: readonly Point[]): string {
  const isStrong = role.endsWith("-arrow");
  const [long, wide] = isStrong ? [11, 5] : [7, 3.5];
  const [end, before] = [points.at(-1)!, points.at(-2)!];
  const length = Math.hypot(end[0] - before[0], end[1] - before[1]);
  const [dx, dy] = [(end[0] - before[0]) / length, (end[1] - before[1]) / length];
  const at = (back: number, aside: number): Point => [
    round(end[0] - dx * back - dy * aside),
    round(end[1] - dy * back + dx * aside),
  ];
  const line = printPath([...points.slice(0, -1), at(long - 1, 0)]);
  const head = printPath([end, at(long, wide), at(long, -wide)]);
  const width = isStrong ? ' stroke-width="2.5"' : "";
  return `<path class="${role} stroke"${width} d="${line}"/><path class="${role}" d="${head}Z"/>`;
}

function printPath(points: readonly Point[]): string {
  return points.map(([x, y], index) => `${index === 0 ? "M" : "L"}${x} ${y}`).join("");
}
