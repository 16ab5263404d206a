/** The colours of a drawing, by what a shape is for, on a light and on a dark screen. */
import type { Role } from "./drawing.ts";

interface Colour {
  readonly light: string;
  readonly dark: string;
  /** A line around it, as a role; none by default. */
  readonly stroke?: Role;
  /** A line of dashes, so that colours are not the only sign. */
  readonly dashed?: true;
}

export const COLOURS: Readonly<Record<Role, Colour>> = {
  paper: { light: "#f6f7f5", dark: "#12161b" },
  panel: { light: "#ffffff", dark: "#1a2027", stroke: "line" },
  part: { light: "#ffffff", dark: "#1a2027", stroke: "line" },
  differing: { light: "#fff3f4", dark: "#34181f", stroke: "warning" },
  ink: { light: "#1b2530", dark: "#e9eef3" },
  muted: { light: "#515d69", dark: "#a9b5c1" },
  warning: { light: "#a80f35", dark: "#ff93a8" },
  line: { light: "#98a3ae", dark: "#64717e" },
  fan: { light: "#eef0ef", dark: "#252c34" },
  track: { light: "#e3e7ea", dark: "#303944" },
  used: { light: "#5f7a92", dark: "#8fadc6" },
  free: { light: "#ffffff", dark: "#1a2027", stroke: "line", dashed: true },
  hot: { light: "#a8401a", dark: "#f2996f" },
  warm: { light: "#7d5a00", dark: "#dfb458" },
  cold: { light: "#1d5c9f", dark: "#7fb8f2" },
  "hot-tint": { light: "#f5d9cc", dark: "#5a3322", stroke: "hot-line" },
  "warm-tint": { light: "#f2e4c0", dark: "#4d4019", stroke: "warm-line" },
  "cold-tint": { light: "#d5e5f6", dark: "#1f3b58", stroke: "cold-line" },
  "hot-line": { light: "#c9835f", dark: "#a8674a" },
  "warm-line": { light: "#b9994a", dark: "#8c7433" },
  "cold-line": { light: "#6f9fd0", dark: "#4b7cab" },
  "hot-arrow": { light: "#a8401a", dark: "#f2996f" },
  "warm-arrow": { light: "#7d5a00", dark: "#dfb458" },
  "cold-arrow": { light: "#1d5c9f", dark: "#7fb8f2" },
};

type Theme = "light" | "dark";

/** The style sheet of a drawing: a class for each role, with what else is common to all shapes. */
export function styleSheet(): string {
  return `${COMMON}${rules("light")}@media (prefers-color-scheme: dark){${rules("dark")}}`;
}

export const FONT = "system-ui,-apple-system,'Segoe UI',Roboto,'Helvetica Neue',Arial,sans-serif";
const COMMON =
  `svg text{font-family:${FONT}}` +
  "svg .mono{font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono',monospace}" +
  "svg .bold{font-weight:600}";

function rules(theme: Theme): string {
  return Object.entries(COLOURS)
    .map(([role, { [theme]: colour, stroke, dashed }]) => {
      const line = stroke === undefined ? "" : `;stroke:${COLOURS[stroke][theme]}`;
      const dashes = dashed === true ? ";stroke-dasharray:4 3" : "";
      return `.${role}{fill:${colour}${line}${dashes}}.${role}.stroke{fill:none;stroke:${colour}}`;
    })
    .join("");
}
