import type { EngineEvent } from "@pulumi/pulumi/automation/index.js";
import { PARTS } from "../../components/tiers.ts";
import type { Room } from "../explain/capacity.ts";
import type { Json } from "../printTree.ts";
import { describeChange, kindOf, KINDS, type Properties } from "./describe.ts";

/** What would be done to one resource. */
export interface Change {
  /** As the engine calls it: create, update, replace, delete, … */
  readonly operation: string;
  readonly host: string;
  /** Part of the host: hot, warm, cold, packages, … */
  readonly tier: string;
  /** The resource's name in its tier. */
  readonly name: string;
  readonly kind: string;
  /** What it makes, changes or takes away, in one line. */
  readonly what: string;
  /** Data on the host would be gone afterwards. */
  readonly destroysData: boolean;
  /** Whoever uses it is cut off meanwhile. */
  readonly interruptsService: boolean;
}

/** What `pulumi preview` found for one stack. */
export interface Plan {
  readonly stack: string;
  readonly changes: readonly Change[];
  readonly unchanged: number;
  readonly outputs: { readonly [key: string]: Json };
  readonly warnings: readonly string[];
  /** Not empty exactly where the preview failed. */
  readonly errors: readonly string[];
  /** What each host's storage is planned for, by its name; none where the configuration can't be read. */
  readonly capacity?: Readonly<Record<string, readonly Room[]>>;
  /** What is to be known of the whole. */
  readonly note?: string;
}

export type Step = NonNullable<EngineEvent["resourcePreEvent"]>["metadata"];

/** Steps of one replacement beside the one that stands for it. */
const PARTS_OF_A_REPLACEMENT = ["create-replacement", "delete-replaced", "discard-replaced", "remove-pending-replace"];
const STACK_TYPE = "pulumi:pulumi:Stack";

/** Reads what the engine reported of a preview. The order is the same each time, whatever ran side by side. */
export function readPlan(stack: string, events: readonly EngineEvent[]): Plan {
  // Components are the headings of what they hold, and providers are not shown.
  const steps = events.flatMap(({ resourcePreEvent }) =>
    resourcePreEvent !== undefined && isOnHost(resourcePreEvent.metadata) ? [resourcePreEvent.metadata] : [],
  );
  const diagnostics = events.flatMap(({ diagnosticEvent }) => (diagnosticEvent === undefined ? [] : [diagnosticEvent]));
  const said = (severity: string) => [
    ...new Set(diagnostics.filter((one) => one.severity === severity && one.ephemeral !== true).map(printDiagnostic)),
  ];
  const violations = readViolations(events, "mandatory");
  return {
    stack,
    changes: steps
      .filter(({ op }) => op !== "same")
      .map(readChange)
      .sort(compareChanges),
    unchanged: steps.filter(({ op }) => op === "same").length,
    outputs: readOutputs(events),
    warnings: [...said("warning"), ...readViolations(events, "advisory")],
    errors: [...withoutSummary(said("error"), violations), ...findTakenMountPoints(steps), ...violations],
  };
}

/** What the engine says, with the resource's name before it where it is about one. */
export function printDiagnostic({ urn, message }: NonNullable<EngineEvent["diagnosticEvent"]>): string {
  return urn === undefined || urn === "" || urn.includes(`::${STACK_TYPE}::`)
    ? message.trimEnd()
    : `${nameOf(urn)}: ${withoutPreamble(message.trimEnd())}`;
}

/** Whether an error is a policy's, which leaves the plan complete. */
export function isViolation(error: string): boolean {
  return error.startsWith("policy ");
}

/** Beside violations, the engine says no more than that it failed. */
function withoutSummary(errors: readonly string[], violations: readonly string[]): readonly string[] {
  return violations.length === 0 ? errors : errors.filter((error) => error !== "preview failed");
}

/** What policies say, each in one line. */
function readViolations(events: readonly EngineEvent[], level: string): string[] {
  const violations = events.flatMap(({ policyEvent }) =>
    policyEvent?.enforcementLevel === level ? [policyEvent] : [],
  );
  return violations
    .map(({ policyName, resourceUrn = "", message }) => {
      const of = resourceUrn === "" || resourceUrn.includes(`::${STACK_TYPE}::`) ? "" : `, ${nameOf(resourceUrn)}`;
      return `policy ${policyName}${of}: ${message.trim().replaceAll(/\s*\n\s*/g, " ")}`;
    })
    .sort((one, other) => one.localeCompare(other, "en"));
}

/**
 * Where one resource leaves a mount point and another comes to it, as when a volume's key was changed. The engine would
 * make the new one first, an empty volume in place of a full one; the host then refuses that.
 */
function findTakenMountPoints(steps: readonly Step[]): string[] {
  const mountPointsOf = (op: string) =>
    steps.flatMap((step) => {
      const { host, mountPoint } = stateOf(op === "delete" ? step.old : step.new).inputs;
      return step.op === op && typeof host === "string" && typeof mountPoint === "string"
        ? [{ at: `${host}: ${mountPoint}`, step }]
        : [];
    });
  const left = new Map(mountPointsOf("delete").map(({ at, step }) => [at, nameOf(step.urn)]));
  return mountPointsOf("create").flatMap(({ at, step }) => {
    const before = left.get(at);
    return before === undefined
      ? []
      : [
          `${at} is the mount point of ${before}, which goes, and of ${nameOf(step.urn)}, which is new. ` +
            "If a key was changed: it names the volume, so write the old one again. " +
            "To mount another volume there: take the old one out in an `up` of its own, and then add the new one.",
        ];
  });
}

/** How many changes there are of each operation, the most harmless first. */
export function countOperations(changes: readonly Change[]): [operation: string, count: number][] {
  const counts = new Map<string, number>(["create", "update", "replace", "delete"].map((operation) => [operation, 0]));
  for (const { operation } of changes) counts.set(operation, (counts.get(operation) ?? 0) + 1);
  return [...counts].filter(([, count]) => count > 0);
}

/** The changes of each tier of each host, in their order. */
export function groupByTier(changes: readonly Change[]): Map<string, Change[]> {
  const groups = new Map<string, Change[]>();
  for (const change of changes) {
    const key = change.host === "" ? change.tier : `${change.host}: ${change.tier}`;
    groups.set(key, [...(groups.get(key) ?? []), change]);
  }
  return groups;
}

function isOnHost({ type, op }: Step): boolean {
  return isOfHost(type) && !PARTS_OF_A_REPLACEMENT.includes(op);
}

/** Whether a type is of what hosts have: no component, no provider, not the stack. */
export function isOfHost(type: string): boolean {
  return !type.startsWith("pulumi:") && !type.startsWith("jts-storage:");
}

function readChange(step: Step): Change {
  const { op: operation, urn, type } = step;
  const kind = kindOf(type);
  return {
    operation,
    ...placeOf(nameOf((step.new ?? step.old)?.parent ?? ""), nameOf(urn)),
    kind,
    ...describeChange(kind, operation, stateOf(step.old), stateOf(step.new), step),
  };
}

/** Of a resource, by its component's name and its own, whose host and tier it belongs to. */
export function placeOf(parent: string, name: string): Pick<Change, "host" | "tier" | "name"> {
  // Components are named HOST-TIER, and what they hold HOST-TIER-NAME.
  const dash = parent.lastIndexOf("-");
  const [host, tier] = dash === -1 ? ["", "stack"] : [parent.slice(0, dash), parent.slice(dash + 1)];
  return { host, tier, name: name.startsWith(`${parent}-`) ? name.slice(parent.length + 1) : name };
}

function stateOf(state: Step["old"]): { readonly inputs: Properties; readonly outputs: Properties } {
  return { inputs: (state?.inputs ?? {}) as Properties, outputs: (state?.outputs ?? {}) as Properties };
}

function readOutputs(events: readonly EngineEvent[]): Plan["outputs"] {
  const ofStack = events.flatMap(({ resOutputsEvent }) =>
    resOutputsEvent?.metadata.type === STACK_TYPE ? [resOutputsEvent.metadata.new?.outputs ?? {}] : [],
  );
  return (ofStack.at(-1) ?? {}) as Plan["outputs"];
}

/** By host, tier, service and kind: a volume's LV, filesystem, mount and folders stand together. */
function compareChanges(one: Change, other: Change): number {
  return compareKeys(sortKeys(one), sortKeys(other));
}

function sortKeys({ host, tier, name, kind }: Change): readonly (number | string)[] {
  const rank = (list: readonly string[], word: string) => (list.includes(word) ? list.indexOf(word) : list.length);
  const kindRank = rank(KINDS, kind);
  const shared = kindRank < KINDS.indexOf("LogicalVolume");
  return [
    host,
    rank(PARTS, tier),
    tier,
    shared ? kindRank : KINDS.length,
    name.slice(0, Math.max(0, name.lastIndexOf("-"))),
    kindRank,
    name,
  ];
}

function compareKeys(one: readonly (number | string)[], other: readonly (number | string)[]): number {
  const at = one.findIndex((key, index) => key !== other[index]);
  if (at === -1) return 0;
  const [first = "", second = ""] = [one[at], other[at]];
  return typeof first === "number" && typeof second === "number"
    ? first - second
    : String(first).localeCompare(String(second), "en", { numeric: true });
}

/** The engine says of a refused property at length which resource's it is. */
function withoutPreamble(message: string): string {
  const [, property, reason] =
    /^\S+ resource '[^']+': property (\S+) value .* has a problem: (.*)$/s.exec(message) ?? [];
  if (property === undefined || reason === undefined) return message;
  return reason.startsWith(`${property}: `) ? reason : `${property}: ${reason}`;
}

/** The last part of a URN. */
export function nameOf(urn: string): string {
  return urn.slice(urn.lastIndexOf("::") + 2);
}
