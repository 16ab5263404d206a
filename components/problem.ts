import * as pulumi from "@pulumi/pulumi";
import type { z } from "zod";

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

/** What a schema has against a section, each with the value that is wrong. */
export function problemsIn(section: unknown, { issues }: z.ZodError): Problem[] {
  return issues.map((issue) => {
    const key = issue.path.map(String).join(".");
    if (issue.code === "unrecognized_keys") return { key, message: `has unknown keys: ${issue.keys.join(", ")}` };
    const value = issue.path.reduce<unknown>(
      (at, part) => (typeof at === "object" && at !== null ? (at as Record<PropertyKey, unknown>)[part] : undefined),
      section,
    );
    const message =
      value === undefined ? `is missing (${issue.message})` : `${JSON.stringify(value)}: ${issue.message}`;
    return { key, message };
  });
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
