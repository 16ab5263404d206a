import { unknownValue } from "@pulumi/pulumi/runtime/rpc.js";
import type { Risk } from "../../providers/engine/plan.ts";
import type { AnyKind } from "../../providers/engine/resource.ts";
import { riskOf } from "../../providers/engine/risk.ts";
import { kinds } from "../../providers/kinds.ts";
import { formatBytes } from "../../providers/values/size.ts";
import { list, word } from "../../providers/values/words.ts";
import type { Json } from "../printTree.ts";

export type Properties = { readonly [key: string]: Json };

interface State {
  readonly inputs: Properties;
  readonly outputs: Properties;
}

/** Which properties differ, as the engine reports it. */
export interface Difference {
  readonly diffs?: readonly string[];
  readonly detailedDiff?: { readonly [path: string]: { readonly diffKind: string; readonly inputDiff: boolean } };
}

type Described = Pick<AnyKind, "describe" | "holdsData">;

/** What the engine puts where it hides a value. */
const SECRET_MARK = "4dabf18193072939515e22adb298388d";
const LONGEST_VALUE = 160;
/** So much of a long text is shown around what differs in it. */
const CONTEXT = 20;

/** What a reviewer wants to see of the kinds of @pulumi/command, which come before ours. */
const DELIVERIES: Readonly<Record<string, Described>> = {
  Command: { describe: ({ create, delete: atTheEnd }) => programCall(word(create ?? atTheEnd)) },
  CopyToRemote: { describe: ({ remotePath }) => `to ${word(remotePath)}` },
};

const DESCRIBED = new Map<string, Described>(Object.entries({ ...DELIVERIES, ...kinds }));

/** All kinds, in the order in which one comes after another on a host. */
export const KINDS: readonly string[] = [...DESCRIBED.keys()];

/** `LogicalVolume` of `pulumi-nodejs:dynamic/jts-storage:LogicalVolume`. */
export function kindOf(type: string): string {
  return type.slice(type.lastIndexOf(":") + 1);
}

/** One line on what is made, changed or taken away, and whether data goes with it. */
export function describeChange(
  kind: string,
  operation: string,
  before: State,
  after: State,
  difference: Difference,
): { readonly what: string; readonly destroysData: boolean; readonly interruptsService: boolean } {
  // Whether data is wiped is read from the state: an `up` must have said so.
  const { onDelete } = { ...before.inputs, ...before.outputs };
  const takesAway = operation === "delete" || operation === "replace";
  const takesData = takesAway && DESCRIBED.get(kind)?.holdsData === true;
  const destroysData = takesData && onDelete === "wipe";
  const fate = !takesData ? "" : destroysData ? "DATA IS WIPED" : "data stays";
  const interruptsService = riskOfChange(kind, operation, before, after) === "interrupts-service";
  const text =
    operation === "delete"
      ? describe(kind, before.inputs)
      : operation === "create"
        ? describe(kind, after.inputs)
        : describeDifference(before, after, difference) || describe(kind, after.inputs);
  return {
    what: list(fate, interruptsService ? "INTERRUPTS SERVICES" : "", oneLine(text)),
    destroysData,
    interruptsService,
  };
}

const OURS = new Map<string, AnyKind>(Object.entries(kinds));

function riskOfChange(name: string, operation: string, before: State, after: State): Risk {
  const kind = OURS.get(name);
  if (kind === undefined || operation === "create") return "safe";
  // A refreshed state has what the host has.
  return riskOf(kind, { ...before.inputs, ...before.outputs }, operation === "update" ? after.inputs : undefined);
}

function describe(kind: string, properties: Properties): string {
  const known = DESCRIBED.get(kind);
  if (known !== undefined) return known.describe(properties);
  return Object.entries(properties)
    .flatMap(([key, value]) => (key.startsWith("__") ? [] : [`${key}: ${shorten(show(value))}`]))
    .join(", ");
}

/** `sizeBytes: 50 GiB → 60 GiB` for each property that differs; a list is one property. */
function describeDifference(before: State, after: State, { detailedDiff, diffs }: Difference): string {
  const detailed = Object.keys(detailedDiff ?? {});
  const paths = new Set(
    (detailed.length > 0 ? detailed : [...(diffs ?? [])]).map((path) => path.replace(/\[\d+\]$/, "")),
  );
  return [...paths]
    .sort()
    .map((path) => {
      const key = splitPath(path);
      // A refreshed state has what the host has, and the inputs what was declared before.
      const seen = detailedDiff?.[path]?.inputDiff === false ? valueAt(before.outputs, key) : undefined;
      const isSize = key.at(-1)?.endsWith("Bytes") === true;
      return `${path}: ${contrast(seen ?? valueAt(before.inputs, key), valueAt(after.inputs, key), isSize)}`;
    })
    .join(", ");
}

/** What differs between two values; of lists and long texts, only that. */
function contrast(old: Json | undefined, wanted: Json | undefined, isSize: boolean): string {
  const [before, after] = [partsOf(old), partsOf(wanted)];
  if (before !== undefined && after !== undefined) {
    const gone = before.filter((part) => !after.includes(part));
    const come = after.filter((part) => !before.includes(part));
    if (gone.length !== 1 || come.length !== 1)
      return shorten(
        [...gone.map((part) => `-${part}`), ...come.map((part) => `+${part}`)].join(" ") || "other order",
        2 * LONGEST_VALUE,
      );
    return contrastTexts(gone[0]!, come[0]!);
  }
  const shown = (value: Json | undefined) => (isSize && typeof value === "number" ? formatBytes(value) : show(value));
  return contrastTexts(shown(old), shown(wanted));
}

/** A list's items, or a text's lines where there are several. */
function partsOf(value: Json | undefined): string[] | undefined {
  if (Array.isArray(value)) return value.map(show);
  return typeof value === "string" && value.includes("\n") ? value.split("\n") : undefined;
}

function contrastTexts(old: string, wanted: string): string {
  // Two secrets look the same.
  if (old === wanted) return "differs";
  if (Math.max(old.length, wanted.length) <= LONGEST_VALUE) return `${old} → ${wanted}`;
  let start = 0;
  while (old[start] === wanted[start]) start++;
  let end = 0;
  while (end < Math.min(old.length, wanted.length) - start && old.at(-1 - end) === wanted.at(-1 - end)) end++;
  const middle = (text: string) => {
    const shown = text.slice(Math.max(0, start - CONTEXT), text.length - Math.max(0, end - CONTEXT));
    return shorten(`${start > 0 ? "…" : ""}${shown}${end > CONTEXT ? "…" : ""}`);
  };
  return `${middle(old)} → ${middle(wanted)}`;
}

/** Of `service.ExecStart[0]` and `sysctl["net.core.rmem_max"]` the keys. */
function splitPath(path: string): string[] {
  return [...path.matchAll(/\["((?:[^"\\]|\\.)*)"\]|\[(\d+)\]|([^.[\]]+)/g)].map(
    ([, quoted, index, plain]) => quoted ?? index ?? plain ?? "",
  );
}

function valueAt(value: Json, path: readonly string[]): Json | undefined {
  return path.reduce<Json | undefined>(
    (at, key) => (typeof at === "object" && at !== null ? (at as { readonly [key: string]: Json })[key] : undefined),
    value,
  );
}

function show(value: Json | undefined): string {
  if (value === undefined || value === null) return "none";
  if (typeof value === "object" && SECRET_MARK in value)
    return "ciphertext" in value ? "[secret]" : word(value.hash ?? "[asset]").slice(0, 12);
  return typeof value === "string" ? value : JSON.stringify(value);
}

/** The program that a shell line of components/remote.ts runs, and its arguments. Earlier states have its text, too. */
function programCall(line: string): string {
  return shorten(/^.*?bash (?:-s --|-c '(?:[^']|'\\'')*') (.*)$/s.exec(line)?.[1] ?? line);
}

function oneLine(text: string): string {
  return text.replaceAll(unknownValue, "(known after up)").replaceAll(/\s+/g, " ").trim();
}

function shorten(text: string, longest = LONGEST_VALUE): string {
  return text.length <= longest ? text : `${text.slice(0, longest - 1)}…`;
}
