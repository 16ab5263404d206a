import * as pulumi from "@pulumi/pulumi";
import type { z } from "zod";
import { childrenOf, kindOf, rowAt, shapeOf } from "./rows.ts";

/** Something that can't be as it is declared. */
export interface Problem {
  /** Where it is declared: `trading.hot.volumes.postgres.size`. */
  readonly key: string;
  readonly message: string;
}

/** The same problems, of a section that is declared at `prefix`; one of the empty key is about the whole section. */
export function below(prefix: string, problems: readonly Problem[]): Problem[] {
  return problems.map(({ key, message }) => ({ key: key === "" ? prefix : `${prefix}.${key}`, message }));
}

/**
 * What a schema has against a section, each with the value that is wrong and what would be right.
 *
 * @param describe what a key that is missing is about, in a sentence
 */
export function problemsIn(
  schema: z.ZodType,
  section: unknown,
  describe: (path: readonly PropertyKey[]) => string | undefined = () => undefined,
): Problem[] {
  // Where the row has no words of its own, they are made of the row: zod's are for programmers.
  const { error } = schema.safeParse(section, { error: () => "" });
  const issues = (error?.issues ?? []).flatMap((issue) => innermost(issue));
  return issues.flatMap((issue): Problem[] => {
    const value = issue.path.reduce<unknown>(
      (at, part) => (typeof at === "object" && at !== null ? (at as Record<PropertyKey, unknown>)[part] : undefined),
      section,
    );
    const row = rowAt(schema, issue.path);
    const key = issue.path.map(String).join(".");
    if (row === undefined) return [{ key, message: `${JSON.stringify(value)}: ${issue.message}` }];
    if (issue.code === "unrecognized_keys") {
      const known = childrenOf(shapeOf(row, value)).map(([name]) => name);
      return issue.keys.map((name) => ({ key: [...issue.path, name].join("."), message: unknownKey(name, known) }));
    }
    const kind = kindOf(row, String(issue.path.at(-1)));
    if (value === undefined) return [{ key, message: missing(kind, describe(issue.path)) }];
    return [{ key, message: `${JSON.stringify(value)}: ${issue.message || `must be ${kind}`}` }];
  });
}

type Issue = z.core.$ZodIssue;

/** What says most: of a key, what is wrong with its name; of several kinds, what is wrong with the one that fits. */
function innermost(issue: Issue): Issue[] {
  const at = (inner: readonly Issue[]) =>
    inner.map((one) => ({ ...one, path: [...issue.path, ...one.path] })).flatMap(innermost);
  if (issue.code === "invalid_key") return at(issue.issues);
  if (issue.code !== "invalid_union") return [issue];
  const isOfAnotherKind = ({ path, code }: Issue) =>
    path.length === 0 && (code === "invalid_type" || code === "invalid_value");
  const fitting = issue.errors.find((inner) => inner.length > 0 && !inner.some(isOfAnotherKind));
  return fitting === undefined ? [issue] : at(fitting);
}

function missing(kind: string, description: string | undefined): string {
  const [sentence] = description?.split(/\.(?:\s|$)/) ?? [];
  if (sentence === undefined) return `is missing: must be ${kind}`;
  const isAcronym = /^[A-Z]{2}/.test(sentence);
  return `is missing: ${isAcronym ? sentence : sentence.charAt(0).toLowerCase() + sentence.slice(1)} (${kind})`;
}

/** What is wrong with a key that is not one of those. */
export function unknownKey(key: string, known: readonly string[]): string {
  const [nearest] = known
    .map((one) => ({ one, distance: distanceBetween(one.toLowerCase(), key.toLowerCase()) }))
    .filter(({ one, distance }) => distance <= Math.max(1, Math.min(one.length, key.length) / 3))
    .sort((a, b) => a.distance - b.distance);
  const hint = nearest === undefined ? "" : `; did you mean ${nearest.one}?`;
  return `is an unknown key${hint} (known: ${known.join(", ")})`;
}

/** How many letters must be added, taken away or changed to make one word of the other (Levenshtein). */
function distanceBetween(one: string, other: string): number {
  let row = Array.from({ length: other.length + 1 }, (_, index) => index);
  for (const [index, letter] of [...one].entries()) {
    const next = [index + 1];
    for (const [column, otherLetter] of [...other].entries())
      next.push(Math.min(row[column + 1]! + 1, next[column]! + 1, row[column]! + (letter === otherLetter ? 0 : 1)));
    row = next;
  }
  return row.at(-1)!;
}

/** @throws {pulumi.RunError} with every problem, where there are any; `what` says whose they are. */
export function requireNone(problems: readonly Problem[], what: string): void {
  if (problems.length === 0) return;
  const lines = problems.map(({ key, message }) => `  ${key}: ${message}`);
  const error = new pulumi.RunError(`${what} can't be carried out:\n${lines.join("\n")}`);
  // Nobody needs the stack, and Pulumi prints it by a function of Node.js 24.9 that takes 20 s (nodejs/node#64011).
  error.stack = "";
  throw error;
}
