/** Shapes on a sheet, and what puts parts, arrows and lines of text on it. Pure; lengths are in pixels of the sheet. */
import type { Part } from "./hostMap.ts";
import { wrap, type Style } from "./text.ts";

export interface Box {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

/** A box that arrows may leave or come to. */
export type Port = Box & { readonly id: string };

/** What a shape is for, by which it gets its colours: colours.ts. */
export type Role =
  | "paper"
  | "panel"
  | "part"
  | "differing"
  | "ink"
  | "muted"
  | "warning"
  | "line"
  | "fan"
  | "track"
  | "used"
  | "free"
  | `${"hot" | "warm" | "cold"}${"" | "-tint" | "-line" | "-arrow"}`;

export type Point = readonly [x: number, y: number];

export type Shape =
  | ({ readonly kind: "box"; readonly role: Role; readonly id?: string; readonly radius?: number } & Box)
  | {
      readonly kind: "text";
      readonly role: Role;
      readonly text: string;
      readonly style: Style;
      /** Where its first letter begins. */
      readonly x: number;
      /** Of its base line. */
      readonly y: number;
      /** The box that it must fit into. */
      readonly within: Box;
    }
  | {
      readonly kind: "arrow";
      readonly role: Role;
      readonly points: readonly Point[];
      /** The boxes, by id, that it leaves and comes to. */
      readonly from: string;
      readonly to: string;
    }
  | { readonly kind: "area"; readonly role: Role; readonly points: readonly Point[] }
  | {
      readonly kind: "group";
      readonly shapes: readonly Shape[];
      /** Shown while the pointer is over it. */
      readonly title: string;
    };

export interface Drawing {
  readonly width: number;
  readonly height: number;
  readonly shapes: readonly Shape[];
}

export const NAME: Style = { size: 12.5, mono: true };
export const FACT: Style = { size: 11.5 };
export const LABEL: Style = { size: 12.5, bold: true };
export const HEADING: Style = { size: 16, bold: true };
export const TITLE: Style = { size: 22, bold: true };

export const leading = ({ size }: Style) => Math.round(size * 1.36);

const PAD = 10;
const BAR = 6;
const MARK = "≠ differs";

/** A line of text, and how it is set. */
export interface Line {
  readonly text: string;
  readonly style: Style;
  readonly role: Role;
}

export function lines(text: string, width: number, style: Style, role: Role, maxLines?: number): Line[] {
  return wrap(text, width, style, maxLines).map((one) => ({ text: one, style, role }));
}

export const heightOf = (all: readonly Line[]) => all.reduce((sum, { style }) => sum + leading(style), 0);

/** The lines below one another. */
export function paragraph(all: readonly Line[], within: Box): Shape[] {
  let { y } = within;
  return all.map(({ text, style, role }): Shape => {
    y += leading(style);
    return { kind: "text", role, text, style, x: within.x, y: y - Math.round(style.size * 0.32), within };
  });
}

/** What a part's box has in it. */
function linesOf({ name, facts, differences }: Part, width: number): Line[] {
  const inner = width - 2 * PAD;
  return [
    ...lines(name, inner, NAME, "ink", 4),
    ...facts.flatMap((fact) => lines(fact, inner, FACT, "muted", 3)),
    ...(differences.length > 0 ? lines(MARK, inner, { ...FACT, bold: true }, "warning") : []),
  ];
}

/** The least height of a part's box. */
export function partHeight(part: Part, width: number): number {
  return heightOf(linesOf(part, width)) + 2 * PAD - 4 + (part.fill === undefined ? 0 : BAR + 8);
}

/** A part in its box, as a group with all that is known of it as its title. */
export function drawPart(part: Part, id: string, box: Box): Shape {
  const { x, y, width, height } = box;
  const all = linesOf(part, width);
  const bar = part.fill === undefined ? 0 : BAR + 8;
  const inner = { x: x + PAD, y: y + PAD - 2, width: width - 2 * PAD, height: height - 2 * PAD + 4 - bar };
  const top = Math.max(0, Math.round((inner.height - heightOf(all)) / 2));
  return {
    kind: "group",
    title: titleOf(part),
    shapes: [
      { kind: "box", role: part.differences.length > 0 ? "differing" : "part", id, radius: 3, ...box },
      ...paragraph(all, { ...inner, y: inner.y + top, height: inner.height - top }),
      ...(part.fill === undefined
        ? []
        : drawFill(part.fill.percent, { x: inner.x, y: y + height - PAD - BAR, width: inner.width, height: BAR })),
    ],
  };
}

export function titleOf({ what, name, facts, differences }: Part): string {
  return [`${what}: ${name}`, ...facts, ...differences.map((one) => `differs: ${one}`)].join("\n");
}

/** A bar that is filled to a share of its width. */
export function drawFill(percent: number, box: Box): Shape[] {
  const width = round((box.width * Math.min(100, Math.max(0, percent))) / 100);
  return [
    { kind: "box", role: "track", ...box },
    { kind: "box", role: "used", ...box, width },
  ];
}

/** From the middle of a box's right side to the next one's left. */
export function arrowRight(from: Port, to: Port, role: Role): Shape {
  const y = round(Math.max(from.y, to.y) + Math.min(from.height, to.height) / 2);
  return arrow(from, [from.x + from.width, y], to, [to.x, y], role);
}

/** From a box's lower side to the next one's upper, at `x`. */
export function arrowDown(from: Port, to: Port, role: Role, x = round(from.x + from.width / 2)): Shape {
  return arrow(from, [x, from.y + from.height], to, [x, to.y], role);
}

function arrow(from: Port, start: Point, to: Port, end: Point, role: Role): Shape {
  return { kind: "arrow", role, from: from.id, to: to.id, points: [start, end] };
}

/** To a tenth, so that numbers stay short and are the same on each machine. */
export const round = (value: number) => Math.round(value * 10) / 10;

/** Shapes of groups too, in their order. */
export function flatten(shapes: readonly Shape[]): Shape[] {
  return shapes.flatMap((shape) => (shape.kind === "group" ? [shape, ...flatten(shape.shapes)] : [shape]));
}
