/** How the hosts of a stack differ from its configuration, in the configuration's words, and what to do about it. */
import type { Properties } from "../../providers/engine/resource.ts";
import type { Session } from "../../providers/engine/session.ts";
import { HostUnreachable, StorageError } from "../../providers/errors.ts";
import { formatBytes } from "../../providers/values/size.ts";
import { compare, type Comparison, type HostResource, type StackHost } from "../stackFile.ts";
import { keyOfOptions, keysOf, type Keys } from "./keys.ts";

/**
 * What drift asks of people, the most urgent first:
 * - `needs-a-person`: an `up` refuses it, would make empty what held data, or can't get to it before that
 * - `not-asked`: it could not be looked at, so that nothing is known of it
 * - `interrupts-service`: `pulumi up --refresh` mends it, and interrupts who uses it
 * - `heals-itself`: `pulumi up --refresh` mends it, and nobody notices
 */
export const CLASSES = ["needs-a-person", "not-asked", "interrupts-service", "heals-itself"] as const;
export type DriftClass = (typeof CLASSES)[number];

/** A declared resource that the host doesn't have as declared, or that could not be looked at. */
export interface Finding {
  readonly class: DriftClass;
  /** Key paths below the host's name: `hot.volumes.redis.size`. */
  readonly keys: readonly string[];
  /** The resource's name in the stack. */
  readonly resource: string;
  readonly kind: string;
  /** Key paths with what the host has, and what is declared. Empty: no key shows the difference. */
  readonly differences: readonly string[];
  /** What is in the way of an `up`, or of a look. */
  readonly found: readonly string[];
  /** What an `up` would do. */
  readonly steps: readonly string[];
  /** What a person can do, each way once. */
  readonly next: readonly string[];
  /** Keys of what else differs and comes before this one: it may follow from that. */
  readonly after: readonly string[];
}

export interface HostDrift {
  readonly name: string;
  /** How many resources were looked at. */
  readonly compared: number;
  /** The most urgent first. */
  readonly drift: readonly Finding[];
  /** Why the host, or a part of it, could not be asked. */
  readonly problem?: string;
}

/** What was seen of a stack. */
export interface DriftReport {
  readonly stack: string;
  /** ISO 8601, UTC. */
  readonly lookedAt: string;
  readonly hosts: readonly HostDrift[];
  /** Why the stack's configuration could not be read, so that no host was asked. */
  readonly problem?: string;
}

/** `none`, or the most urgent class. */
export type Verdict = DriftClass | "none";

/** The command's exit status: the most urgent verdict of all hosts decides. */
export const EXIT_STATUS: Readonly<Record<Verdict, number>> = {
  none: 0,
  "heals-itself": 1,
  "interrupts-service": 1,
  "not-asked": 3,
  "needs-a-person": 4,
};

export function verdictOf({ drift, problem }: Pick<HostDrift, "drift" | "problem">): Verdict {
  const classes = new Set<DriftClass>([
    ...drift.map((one) => one.class),
    ...(problem === undefined ? [] : (["not-asked"] as const)),
  ]);
  return CLASSES.find((one) => classes.has(one)) ?? "none";
}

export function verdictOfAll({ hosts, problem }: Pick<DriftReport, "hosts" | "problem">): Verdict {
  const verdicts = hosts.map(verdictOf);
  if (problem !== undefined) verdicts.push("not-asked");
  return CLASSES.find((one) => verdicts.includes(one)) ?? "none";
}

/** What a look at a resource gave. */
type Looked = Comparison | { readonly resource: HostResource; readonly error: unknown };

/** Only looks. What could not be looked at is part of the result, never thrown. */
export async function findDrift(session: Session, host: StackHost): Promise<HostDrift> {
  const looked = await Promise.all(
    host.resources.map((resource): Promise<Looked> =>
      compare(session, resource).catch((error: unknown) => ({ resource, error })),
    ),
  );
  const differing = new Map(looked.filter(isDrift).map((one) => [one.resource.name, one]));
  const before = ({ parent, dependencies }: HostResource) =>
    dependencies.flatMap((name) => differing.get(name) ?? []).filter((one) => one.resource.parent === parent);
  const keys = (resource: HostResource) => keysOf(host.name, host.settings, resource);
  const findings = new Map<string, Finding>();
  for (const [name, one] of differing) {
    if ("error" in one && isOfHost(one.error)) continue;
    const after = [...new Set(before(one.resource).flatMap(({ resource }) => keys(resource).whole))];
    const own =
      "error" in one
        ? unanswered(one.error as StorageError, one.resource, keys(one.resource))
        : describe(await asItStands(session, one, before(one.resource)), keys(one.resource));
    // Only the first of those that follow from each other says what to do where something is gone.
    findings.set(name, { ...own, next: own.next.filter((next) => after.length === 0 || next !== LOST), after });
  }
  const problem = looked.flatMap((one) => ("error" in one && isOfHost(one.error) ? [problemOf(one.error)] : []))[0];
  const drift = [...differing.values()].flatMap(({ resource }) => {
    const finding = findings.get(resource.name);
    return finding === undefined ? [] : [{ ...finding, class: classAfter(resource, findings, before) }];
  });
  return {
    name: host.name,
    compared: looked.filter((one) => !("error" in one)).length,
    drift: drift.sort((one, other) => CLASSES.indexOf(one.class) - CLASSES.indexOf(other.class)),
    ...(problem === undefined ? {} : { problem }),
  };
}

/**
 * A refusal may be only about what an `up` first mends in another resource: a filesystem on a volume that is to grow is
 * not yet on a device of the declared size. So it is looked at again, as if what it shares with those resources were
 * declared as the host has it.
 */
async function asItStands(session: Session, comparison: Comparison, before: readonly Looked[]): Promise<Comparison> {
  const { resource, refusals } = comparison;
  const shared = before.flatMap((one) => {
    if ("error" in one || one.refusals.length > 0) return [];
    const { inputs = {}, found } = one;
    return Object.entries(found).filter(
      ([property, seen]) => inputs[property] !== seen && inputs[property] === resource.inputs[property],
    );
  });
  if (refusals.length === 0 || shared.length === 0) return comparison;
  const again = await compare(session, {
    ...resource,
    inputs: { ...resource.inputs, ...Object.fromEntries(shared) },
  });
  return again.refusals.length === 0 ? { ...comparison, steps: again.steps, refusals: [] } : comparison;
}

/** An `up` mends nothing that depends on what it can't mend. */
function classAfter(
  resource: HostResource,
  findings: ReadonlyMap<string, Finding>,
  before: (resource: HostResource) => readonly Looked[],
): DriftClass {
  const classes: readonly DriftClass[] = before(resource)
    .map((one) => (findings.has(one.resource.name) ? classAfter(one.resource, findings, before) : "not-asked"))
    .filter((one) => one === "needs-a-person" || one === "not-asked");
  const own = findings.get(resource.name)!.class;
  return CLASSES.find((one) => one === own || classes.includes(one))!;
}

/** Why a host, or a stack, could not be asked, in words. */
export function problemOf(error: unknown): string {
  return error instanceof StorageError ? error.message : ((error as Error).stack ?? String(error));
}

function isDrift(one: Looked): boolean {
  return "error" in one || one.steps.length > 0 || one.refusals.length > 0;
}

/** Whether it is about the host, and not about one resource's question. */
function isOfHost(error: unknown): boolean {
  return error instanceof HostUnreachable || !(error instanceof StorageError);
}

function unanswered(
  { what, next }: StorageError,
  { name, kind }: HostResource,
  { whole }: Keys,
): Omit<Finding, "after"> {
  return {
    class: "not-asked",
    keys: whole,
    resource: name,
    kind: kind.name,
    differences: [],
    found: [what],
    steps: [],
    next: [next],
  };
}

function describe(comparison: Comparison, keys: Keys): Omit<Finding, "after"> {
  const { resource, steps, refusals } = comparison;
  const differing = differencesOf(comparison, keys);
  const isLost = isLostData(comparison);
  return {
    class: classOf(comparison),
    keys: differing.length === 0 ? keys.whole : [...new Set(differing.flatMap((one) => one.keys))],
    resource: resource.name,
    kind: resource.kind.name,
    differences: differing.map(({ keys, words }) => `${keys.join(", ")}: ${words}`),
    found: [
      ...refusals.map(({ found }) => found),
      ...(isLost ? ["it isn't there, and an up would make it empty"] : []),
    ],
    steps: steps.map(({ summary }) => summary),
    next: [...new Set([...refusals.map(({ next }) => next), ...(isLost ? [LOST] : [])])],
  };
}

const LOST =
  "if it was there before, its data is not on this host any more: find out why first (lsblk, pvs, lvs), and see " +
  "docs/runbooks/replace-a-failed-nvme.md and docs/runbooks/restore-a-backup.md. If it is new in the configuration, or " +
  "nobody needs what was there: pulumi up --refresh.";

function classOf(comparison: Comparison): DriftClass {
  const { steps, refusals } = comparison;
  const risks = steps.map(({ risk }) => risk);
  if (refusals.length > 0 || risks.includes("destroys-data") || isLostData(comparison)) return "needs-a-person";
  return risks.includes("interrupts-service") ? "interrupts-service" : "heals-itself";
}

/** What holds data and is gone. The steps that make it anew are safe, but the data would not come back by them. */
function isLostData({ resource, steps, isAbsent }: Comparison): boolean {
  return resource.kind.holdsData === true && isAbsent && steps.length > 0;
}

interface Difference {
  readonly keys: readonly string[];
  readonly words: string;
}

/** The inputs that the host has otherwise. */
function differencesOf({ inputs = {}, found }: Comparison, { whole, properties }: Keys): Difference[] {
  return Object.keys(found).flatMap((property) => {
    const [seen, declared] = [found[property], inputs[property]];
    if (JSON.stringify(seen) === JSON.stringify(declared)) return [];
    const key = properties[property];
    const keys = key === undefined ? whole : [keyOfOptions(key, onlyInOne(seen, declared))];
    return [{ keys, words: contrast(property, seen, declared) }];
  });
}

function contrast(property: string, seen: unknown, declared: unknown): string {
  // A file's text may be long, and what somebody wrote there is nobody else's to read.
  if (property === "content") return "the file has another text than declared";
  if (Array.isArray(seen) && Array.isArray(declared)) {
    const more = without(seen, declared).join(", ");
    const lacking = without(declared, seen).join(", ");
    if (more === "" && lacking === "") return "in another order than declared";
    if (more === "") return `not on the host as declared: ${lacking}`;
    return lacking === "" ? `also on the host: ${more}` : `${more} on the host, ${lacking} declared`;
  }
  const show = (value: unknown) => (value === undefined || value === "" ? "none" : printValue(property, value));
  // Sizes that are nearly the same would look the same.
  const [one, other] = [show(seen), show(declared)];
  return one === other
    ? `${String(seen)} on the host, ${String(declared)} declared`
    : `${one} on the host, ${other} declared`;
}

function printValue(property: string, value: unknown): string {
  if (typeof value === "number" && property.endsWith("Bytes")) return formatBytes(value);
  return typeof value === "string" ? value : JSON.stringify(value);
}

function without(all: readonly unknown[], others: readonly unknown[]): string[] {
  return all.filter((one) => !others.includes(one)).map(String);
}

function onlyInOne(one: unknown, other: unknown): string[] {
  return Array.isArray(one) && Array.isArray(other) ? [...without(one, other), ...without(other, one)] : [];
}

/** As the reports of a stack are shown to machines: docs/ci.md has its form. */
export function toJson(report: DriftReport): Properties {
  const verdict = verdictOfAll(report);
  const { stack, lookedAt, hosts, problem } = report;
  return {
    version: 1,
    stack,
    lookedAt,
    verdict,
    exitStatus: EXIT_STATUS[verdict],
    ...(problem === undefined ? {} : { problem }),
    hosts: Object.fromEntries(hosts.map(({ name, ...host }) => [name, { verdict: verdictOf(host), ...host }])),
  };
}
