import { formatBytes } from "./size.ts";

/** Properties as a reviewer reads them. Each may be absent, or not known yet: nothing is then said of it. */

export function word(value: unknown): string {
  return value === undefined || value === null ? "" : typeof value === "string" ? value : JSON.stringify(value);
}

export function words(value: unknown): string {
  return Array.isArray(value) ? value.map(word).join(" ") : word(value);
}

/** @param value a size in bytes */
export function size(value: unknown): string {
  return typeof value === "number" ? formatBytes(value) : "";
}

export function labelled(label: string, text: string): string {
  return text === "" ? "" : `${label} ${text}`;
}

/** Those that say something, with commas. */
export function list(...parts: readonly string[]): string {
  return parts.filter((part) => part !== "").join(", ");
}
