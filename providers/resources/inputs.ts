import { isAbsolute, normalize } from "node:path/posix";
import { z } from "zod";
import type { BlockDevice } from "../facts/lsblk.ts";

/** A text on one line. */
export const line = z
  .string()
  .min(1)
  .regex(/^\P{Cc}*$/u, { error: "must not hold line ends and other control characters" });

/** The key of the host in `jts-storage:hosts`. */
export const hostName = line;

/** An absolute path in its shortest form. */
export const path = z
  .string()
  .refine(
    (text) =>
      isAbsolute(text) && normalize(text) === text && (text === "/" || !text.endsWith("/")) && !/\p{Cc}/u.test(text),
    {
      error:
        "must be an absolute path without `..`, doubled or final slashes, and control characters such as line ends",
    },
  );

/** A path below a folder, in its shortest form. */
export const relativePath = z.string().regex(/^(?!\.{1,2}(\/|$))[^/\p{Cc}]+(\/(?!\.{1,2}(\/|$))[^/\p{Cc}]+)*$/u, {
  error: "must be a relative path without `..`",
});

/** A directive's value in a unit file. */
export const directiveValue = z
  .string()
  .regex(/^\P{Cc}*$/u, { error: "must not hold line ends and other control characters" })
  .regex(/(?<!\\)$/, { error: "must not end with a backslash, which would join the next line to it" });

/** A device's serial number; it is also written into rules of udev, where the refused characters mean something else. */
export const serial = z.string().regex(/^[^\p{Cc}"\\*?|[\]]+$/u, {
  error: 'is no serial number: it holds a control character or one of " \\ * ? | [ ]',
});

/** One option of fstab(5). */
export const mountOption = z.string().regex(/^[^,\s\p{Cc}]+$/u, {
  error: "is no mount option: list each by itself, without commas, spaces and control characters",
});

/** An argument of mkfs(8). The device isn't one: mkfs would take another one before it, or both. */
export const mkfsOption = line.regex(/^(?!\/+dev\/)/, { error: "is a device; mkfs gets the declared one alone" });

/** An NFS server. */
export const nfsServer = z
  .string()
  .regex(/^[A-Za-z0-9._[:][A-Za-z0-9.:_[\]-]*$/, { error: "is no host name or address" });

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
export const accountName = z
  .string()
  .regex(/^[a-z_][a-z0-9_-]{0,30}\$?$/, { error: "is no account name (see useradd(8))" });

/** A device by its path, and what tells it from another one that may get this path some day. */
export interface DeviceIdentity {
  readonly device: string;
  readonly sizeBytes?: number | undefined;
  readonly serial?: string | undefined;
}

/** How a device differs from the one declared; empty: it is that one. */
export function wrongDevice({ device, sizeBytes, serial }: DeviceIdentity, seen: BlockDevice): string[] {
  return [
    ...(sizeBytes !== undefined && sizeBytes !== seen.sizeBytes
      ? [`${device} (${seen.path}) has ${seen.sizeBytes} bytes instead of ${sizeBytes}`]
      : []),
    ...(serial !== undefined && serial !== seen.serial
      ? [`${device} (${seen.path}) has the serial number ${seen.serial ?? "unknown"} instead of ${serial}`]
      : []),
  ];
}
