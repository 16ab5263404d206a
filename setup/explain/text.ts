/** What is explained of a host, for a terminal. Pure. */
import { formatBytes } from "../../providers/values/size.ts";
import { printColumns } from "../columns.ts";
import { drawRooms, marksOf } from "./bar.ts";
import type { Room, Share } from "./capacity.ts";
import type { Explanation } from "./explain.ts";

/** Columns of a bar of the largest room. */
const BAR = 100;

/** The tiers' bars in one scale, and below each what its marks mean. */
export function printRooms(rooms: readonly Room[]): string[] {
  const bars = drawRooms(rooms, BAR);
  return rooms.flatMap((room, index) => [
    ...(index === 0 ? [] : [""]),
    `${room.tier}: ${room.name}, ${sizeOf(room)} on ${room.on.join(", ")}`,
    `[${bars[index]!}]`,
    ...printShares(room),
  ]);
}

/** The bars alone, a line a tier. */
export function printBars(rooms: readonly Room[]): string[] {
  const bars = drawRooms(rooms, BAR / 2);
  return printColumns(
    rooms.map((room, index) => [room.tier, sizeOf(room), `[${bars[index]!}]`, summarize(room)]),
    [1],
  );
}

/** `3600 GiB of volumes, 119 GiB for snapshots, 7 GiB free`. */
function summarize({ shares }: Room): string {
  const sum = (use: Share["use"]) =>
    shares.reduce((all, share) => all + (share.use === use ? (share.bytes ?? 0) : 0), 0);
  const words = (use: Share["use"], text: string) =>
    shares.some((share) => share.use === use && share.bytes !== undefined) ? [`${formatBytes(sum(use))} ${text}`] : [];
  return [
    ...words("volume", "of volumes"),
    ...words("snapshots", "for snapshots"),
    ...words("free", "free"),
    ...words("cache", "for the cache of cold"),
    ...shares.flatMap(({ use, mountPoint = "" }) => (use === "room" ? [mountPoint] : [])),
  ].join(", ");
}

function printShares(room: Room): string[] {
  const marks = marksOf(room);
  const rows = room.shares.map(({ name, bytes, filesystem = "", mountPoint = "", purpose }, index) => [
    room.bytes === undefined ? "" : marks[index]!,
    name,
    bytes === undefined ? "?" : formatBytes(bytes),
    bytes === undefined || room.bytes === undefined ? "" : percent(bytes, room.bytes),
    filesystem,
    mountPoint,
    purpose,
  ]);
  return printColumns(rows, [2, 3]).map((line) => `  ${line}`);
}

const percent = (part: number, whole: number): string => `${((100 * part) / whole).toFixed(1)} %`;

function sizeOf({ bytes }: Room): string {
  return bytes === undefined ? "of unknown size" : formatBytes(bytes);
}

/** For a terminal. */
export function printExplanation({ host, rooms, blank, risks, destroy, onDelete }: Explanation): string[] {
  return [
    `── ${host}`,
    ...section("Capacity, as declared", printRooms(rooms)),
    ...section("An `up` of a blank host", printBlank(blank)),
    ...section(
      "Risks",
      risks.length === 0
        ? ["None was found."]
        : risks.flatMap(({ risk, at, words, next }) => [`${risk}: ${at}: ${words}`, `  Next: ${next}`]),
    ),
    ...section(
      `A \`destroy\` with onDelete: ${onDelete}, once an \`up\` has brought that into the state`,
      printColumns(
        destroy.map(({ outcome, what, interrupts, words }) => [
          outcome,
          what,
          interrupts ? "interrupts services" : "",
          words,
        ]),
      ),
    ),
  ];
}

function section(title: string, lines: readonly string[]): string[] {
  return ["", title, ...lines.map((line) => (line === "" ? "" : `  ${line}`))];
}

function printBlank({ resources, steps, proved }: Explanation["blank"]): string[] {
  return [
    `${resources} resources in ${steps} steps. ${proved.length} of them write to a device, each only after it was proved blank:`,
    ...proved.map((summary) => `  ${summary}`),
    "A host that is in use: what is as declared is adopted, and anything else is refused; nothing is overwritten.",
  ];
}
