/** Drift for a terminal. */
import { CLASSES, verdictOf, type DriftClass, type DriftReport, type Finding, type HostDrift } from "./drift.ts";

/** What each class means to whoever reads it, and the command that follows from it where there is one for all. */
export const MEANING: Readonly<Record<DriftClass, string>> = {
  "needs-a-person": "needs a person",
  "not-asked": "could not be looked at",
  "interrupts-service": "interrupts a service: `pulumi up --refresh` mends it, and unmounts or stops what it must",
  "heals-itself": "heals itself: `pulumi up --refresh` mends it, and interrupts nothing",
};

const COUNTED: Readonly<Record<DriftClass, readonly [one: string, many: string]>> = {
  "needs-a-person": ["needs a person", "need a person"],
  "not-asked": ["could not be looked at", "could not be looked at"],
  "interrupts-service": ["interrupts a service", "interrupt services"],
  "heals-itself": ["heals itself", "heal themselves"],
};

export function printDrift({ stack, hosts, problem }: DriftReport): string {
  if (problem !== undefined) return `${stack}: no host was asked: ${problem}`;
  return hosts.map(printHost).join("\n");
}

function printHost(host: HostDrift): string {
  const lines = [`${host.name}: ${summarizeHost(host)}`];
  if (host.problem !== undefined) lines.push(...indented(host.problem, "  "));
  for (const [kind, findings] of byClass(host.drift)) {
    lines.push(`  ${MEANING[kind]}`);
    for (const finding of findings) {
      const [first = "", ...more] = linesOf(finding);
      lines.push(...indented(first, "    "), ...more.flatMap((line) => indented(line, "      ")));
    }
  }
  return lines.join("\n");
}

/** `no drift in 74 resources`, or how many there are of each class. */
export function summarizeHost(host: HostDrift): string {
  const { compared, drift, problem } = host;
  if (verdictOf(host) === "none") return `no drift in ${compared} resources`;
  const counts = countClasses(drift);
  if (problem === undefined) return counts;
  return ["could not be asked", ...(compared === 0 ? [] : [`only ${compared} resources were compared`, counts])]
    .filter((one) => one !== "")
    .join("; ");
}

/** `1 needs a person, 2 heal themselves` */
export function countClasses(drift: readonly Finding[]): string {
  return [...byClass(drift)].map(([kind, { length }]) => `${length} ${COUNTED[kind][length === 1 ? 0 : 1]}`).join(", ");
}

export function byClass(drift: readonly Finding[]): Map<DriftClass, readonly Finding[]> {
  const groups = CLASSES.map((one) => [one, drift.filter((finding) => finding.class === one)] as const);
  return new Map(groups.filter(([, findings]) => findings.length > 0));
}

/** What is said of a finding; the first line names its keys. */
export function linesOf({ keys, differences, found, steps, next, after }: Finding): string[] {
  const [first = keys.join(", "), ...more] = differences;
  return [
    first,
    ...more,
    ...found,
    ...steps.map((step) => `an up would ${step}`),
    ...(after.length === 0 ? [] : [`may follow from ${[...new Set(after)].join(", ")}: look again after that`]),
    ...next.map((one) => `Next: ${one}`),
  ];
}

function indented(text: string, indent: string): string[] {
  return text.split("\n").map((line) => indent + line);
}
