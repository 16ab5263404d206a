/** Bars of letters: one sees them in a terminal, in a log and in a code block of markdown. Pure. */
import type { Room, Share } from "./capacity.ts";

/** A part of a bar. */
export interface Segment {
  readonly mark: string;
  readonly amount: number;
}

const MARKS = { cache: "~", snapshots: ":", free: ".", metadata: "-" } as const;
/** Of a room whose size isn't known. */
const UNKNOWN = "?";

/**
 * A bar of `width` marks. Each part has its share of them, rounded so that their sum is the width, and at least one,
 * where there is room for that: what is there shows. An amount of 0 has none.
 */
export function drawBar(segments: readonly Segment[], width: number): string {
  const parts = segments.filter(({ amount }) => amount > 0);
  const total = parts.reduce((sum, { amount }) => sum + amount, 0);
  if (parts.length === 0 || width <= 0) return "";
  const exact = parts.map(({ amount }) => (amount / total) * width);
  const counts = exact.map((count) => Math.max(1, Math.floor(count)));
  const excess = (index: number) => counts[index]! - exact[index]!;
  // The rest is settled one mark at a time, where that changes a part least.
  for (let rest = width - counts.reduce((sum, count) => sum + count, 0); rest !== 0; rest -= Math.sign(rest)) {
    const sign = Math.sign(rest);
    const possible = [...counts.keys()].filter((index) => sign > 0 || counts[index]! > 1);
    // More parts than marks: the last ones have no room.
    if (possible.length === 0) break;
    counts[possible.reduce((best, one) => (sign * (excess(one) - excess(best)) < 0 ? one : best))]! += sign;
  }
  return parts
    .map(({ mark }, index) => mark.repeat(counts[index]!))
    .join("")
    .slice(0, width);
}

/** The mark of each share in its room's bar: a letter of a service's name that no other one has, in capitals. */
export function marksOf({ shares }: Room): string[] {
  const taken = new Set<string>();
  return shares.map(({ use, name }) => {
    if (use !== "volume" && use !== "room") return MARKS[use];
    const mark = [..."abcdefghijklmnopqrstuvwxyz0123456789"].reduce(
      (found, next) => found ?? (taken.has(next) ? undefined : next),
      [...name].find((letter) => /[a-z0-9]/.test(letter) && !taken.has(letter)),
    );
    taken.add(mark ?? "#");
    return (mark ?? "#").toUpperCase();
  });
}

/**
 * The bars of rooms, one under another, in one scale: the largest known room has the whole width. One whose size isn't
 * known has question marks.
 */
export function drawRooms(rooms: readonly Room[], width: number): string[] {
  const largest = Math.max(0, ...rooms.map(({ bytes = 0 }) => bytes));
  return rooms.map((room) => {
    if (room.bytes === undefined) return UNKNOWN.repeat(Math.min(width, 3));
    const marks = marksOf(room);
    const segments = room.shares.map(({ bytes = 0 }: Share, index) => ({ mark: marks[index]!, amount: bytes }));
    return drawBar(segments, Math.max(1, Math.round((room.bytes / largest) * width)));
  });
}
