import { isAbsolute, normalize } from "node:path/posix";
import { z } from "zod";
import type { BlockDevice } from "../facts/lsblk.ts";

/** The key of the host in `jts-storage:hosts`. */
export const hostName = z.string().min(1);

/** An absolute path in its shortest form. */
export const path = z
  .string()
  .refine((text) => isAbsolute(text) && normalize(text) === text && (text === "/" || !text.endsWith("/")) && !/[\0\n]/.test(text), {
    error: "must be an absolute path without `..`, doubled or final slashes, and line ends",
  });

/** A name as lvm(8) takes it. */
export const lvmName = z.string().regex(/^(?!\.{1,2}$)[a-zA-Z0-9+_.][a-zA-Z0-9+_.-]{0,126}$/, {
  error: "is no LVM name: letters, digits and + _ . - are allowed, at most 127, not starting with -",
});

/** What deleting does to what holds data. Obeyed as the state has it: an `up` must have set it before. */
export const onDelete = z.enum(["retain", "wipe", "protect"]).default("retain");

/** A size in bytes. */
export const bytes = z.int().positive();

/** Permission bits, three or four octal digits, as chmod(1) takes them; without a leading zero. */
export const mode = z
  .string()
  .regex(/^[0-7]{3,4}$/, { error: 'is no mode; write octal digits: "750"' })
  .transform((text) => text.replace(/^0(?=[0-7]{3}$)/, ""));

/** An account's name, as useradd(8) takes it. */
export const accountName = z.string().regex(/^[a-z_][a-z0-9_-]{0,30}\$?$/, { error: "is no account name (see useradd(8))" });

/** A device by its path, and what tells it from another one that may get this path some day. */
export interface DeviceIdentity {
  readonly device: string;
  readonly sizeBytes?: number | undefined;
  readonly serial?: string | undefined;
}

/** How a device differs from the one declared; empty: it is that one. */
export function wrongDevice({ device, sizeBytes, serial }: DeviceIdentity, seen: BlockDevice): string[] {
  return [
    ...(sizeBytes !== undefined && sizeBytes !== seen.sizeBytes ? [`${device} (${seen.path}) has ${seen.sizeBytes} bytes instead of ${sizeBytes}`] : []),
    ...(serial !== undefined && serial !== seen.serial ? [`${device} (${seen.path}) has the serial number ${seen.serial ?? "unknown"} instead of ${serial}`] : []),
  ];
}
