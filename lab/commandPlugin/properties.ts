import { isDeepStrictEqual } from "node:util";
import {
  specialArchiveSig,
  specialAssetSig,
  specialSecretSig,
  specialSigKey,
  unknownValue,
} from "@pulumi/pulumi/runtime/rpc.js";
import type { z } from "zod";
import { Failed } from "./failed.ts";

/** As the engine sends them: secrets are wrapped, and in previews `unknownValue` stands for what isn't known yet. */
export type Properties = Readonly<Record<string, unknown>>;

export function isObject(value: unknown): value is Properties {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

export function isSecret(value: unknown): boolean {
  return isObject(value) && value[specialSigKey] === specialSecretSig;
}

export function secret(value: unknown): Properties {
  return { [specialSigKey]: specialSecretSig, value };
}

/** Without the wrapping of secrets, at any depth. */
export function plain<T>(value: T): T;
export function plain(value: unknown): unknown {
  if (Array.isArray(value)) return value.map((one: unknown) => plain(one));
  if (!isObject(value)) return value;
  if (isSecret(value)) return plain(value.value);
  return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, plain(one)]));
}

/** Whether two values differ. Assets and archives are compared by their content. */
export function differ(one: unknown, other: unknown): boolean {
  return !isDeepStrictEqual(byContent(plain(one)), byContent(plain(other)));
}

function byContent(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(byContent);
  if (!isObject(value)) return value;
  const isHashed =
    typeof value.hash === "string" && [specialAssetSig, specialArchiveSig].includes(value[specialSigKey] as string);
  return isHashed
    ? { hash: value.hash }
    : Object.fromEntries(Object.entries(value).map(([key, one]) => [key, byContent(one)]));
}

/** What the schema finds wrong. Values that aren't known yet are left out. */
export function failuresOf(schema: z.ZodType, properties: Properties): { property: string; reason: string }[] {
  const { error } = schema.safeParse(properties);
  return (error?.issues ?? [])
    .filter(({ path }) => !leadsToUnknown(properties, path))
    .map(({ path, message }) => ({
      property: path.join("."),
      reason: path.length > 0 ? `${path.join(".")} ${message}` : message,
    }));
}

function leadsToUnknown(value: unknown, path: readonly PropertyKey[]): boolean {
  if (value === unknownValue) return true;
  const [key, ...rest] = path;
  return (
    key !== undefined &&
    typeof value === "object" &&
    value !== null &&
    leadsToUnknown((value as Record<PropertyKey, unknown>)[key], rest)
  );
}

/** The inputs among a resource's properties. */
export function read<T>(schema: z.ZodType<T>, properties: Properties): T {
  const parsed = schema.safeParse(plain(properties));
  if (parsed.success) return parsed.data;
  throw new Failed(
    failuresOf(schema, plain(properties))
      .map(({ reason }) => reason)
      .join("; "),
  );
}
