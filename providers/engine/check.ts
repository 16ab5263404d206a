import type { CheckResult } from "@pulumi/pulumi/dynamic/index.js";
import { unknownValue } from "@pulumi/pulumi/runtime/rpc.js";
import { z } from "zod";
import { InvalidConfig } from "../errors.ts";
import type { AnyKind, CommonInputs, InvalidInput, Properties } from "./resource.ts";

type Inputs = Properties & CommonInputs;

/**
 * Checks and normalizes what the program declares. Everything wrong is reported at once, each with its
 * property; values that a preview can't know yet are passed on as they are.
 *
 * A failure would end a preview at its first resource. So a program that is only previewed says so, by `isPreview`; it
 * then gets what is wrong as the property `refused`, and reports it for all resources. Neither enters a state.
 */
export function checkInputs(
  kind: AnyKind,
  olds: Properties,
  { isPreview, ...news }: Properties,
): CheckResult<Properties> {
  const { inputs, failures = [] } = check(kind, olds, news);
  if (failures.length === 0) return { inputs };
  return isPreview === true ? { inputs: { ...inputs, refused: failures } } : { inputs, failures };
}

function check(
  kind: AnyKind,
  olds: Properties,
  news: Properties,
): { readonly inputs: Properties; readonly failures?: InvalidInput[] } {
  const { __provider: _provider, ...declared } = news;
  const unknown = Object.keys(declared).filter((key) => holdsUnknown(declared[key]));
  const known = Object.fromEntries(Object.entries(declared).filter(([key]) => !unknown.includes(key)));
  const shape = Object.fromEntries(Object.entries(kind.inputs.shape).filter(([key]) => !unknown.includes(key)));
  const schema = z.strictObject(shape);
  const parsed = schema.safeParse(known);
  if (!parsed.success) {
    const failures = parsed.error.issues.map(({ path, message }) => ({
      property: path.join("."),
      reason: `${path.length > 0 ? `${path.join(".")}: ` : ""}${message}`,
    }));
    return { inputs: declared, failures };
  }
  if (unknown.length > 0) return { inputs: { ...declared, ...parsed.data, drift: [] } };
  const inputs = parsed.data as Inputs;
  const failures: InvalidInput[] = [...(kind.refuse?.(inputs) ?? [])];
  const old = kind.inputs.safeParse(olds);
  const sameResource =
    old.success &&
    ["host", ...kind.identity].every((key) => JSON.stringify(old.data[key]) === JSON.stringify(parsed.data[key]));
  if (sameResource) failures.push(...(kind.refuseChange?.(old.data as Inputs, inputs) ?? []));
  return { inputs: normalInputs(kind, inputs), failures };
}

/** The inputs among a resource's properties, which hold outputs beside them. */
export function parseInputs(kind: AnyKind, properties: Properties): Inputs {
  const parsed = kind.inputs.safeParse(properties);
  if (parsed.success) return parsed.data as Inputs;
  const said = parsed.error.issues.map(({ path, message }) => `${path.join(".")}: ${message}`).join("; ");
  throw new InvalidConfig(
    `${kind.name}: the state holds inputs that this version doesn't take: ${said}`,
    "pulumi up with the version of this program that wrote the state.",
  );
}

function holdsUnknown(value: unknown): boolean {
  if (value === unknownValue) return true;
  return typeof value === "object" && value !== null && Object.values(value).some(holdsUnknown);
}

/** The inputs as check leaves them: with what follows from them, and no drift. */
export function normalInputs(kind: AnyKind, inputs: Inputs): Properties {
  return { ...inputs, ...kind.derive?.(inputs), drift: [] };
}
