/** What a name, a path or an option must look like, for the resources and for the configuration. */
import { isAbsolute, normalize } from "node:path/posix";
import { z } from "zod";

/**
 * An object with these rows and no others. In declaration files, the type of z.strictObject would lose their
 * documentation, and so does a spread of rows from another file.
 */
export function strictObject<Rows extends z.core.$ZodLooseShape>(rows: Rows): z.ZodObject<Rows, z.core.$strict> {
  return z.strictObject(rows);
}

/** A text on one line. */
export const line = z
  .string()
  .min(1)
  .regex(/^\P{Cc}*$/u, { error: "must not hold line ends and other control characters" })
  .meta({ kind: "a line of text" });

/** As the kernel takes a path: 255 bytes a name, 4095 in all. */
const fits = (text: string) =>
  Buffer.byteLength(text) <= 4095 && text.split("/").every((name) => Buffer.byteLength(name) <= 255);
const TOO_LONG = "is too long: a path has at most 4095 bytes, and each name in it 255";

/** An absolute path in its shortest form. */
export const path = z
  .string()
  .refine(fits, { error: TOO_LONG })
  .refine(
    (text) =>
      isAbsolute(text) && normalize(text) === text && (text === "/" || !text.endsWith("/")) && !/\p{Cc}/u.test(text),
    {
      error:
        "must be an absolute path without `..`, doubled or final slashes, and control characters such as line ends",
    },
  )
  .meta({ kind: "an absolute path", pattern: "^/" });

/** A path below a folder, in its shortest form. */
export const relativePath = z
  .string()
  .refine(fits, { error: TOO_LONG })
  .regex(/^(?!\.{1,2}(\/|$))[^/\p{Cc}]+(\/(?!\.{1,2}(\/|$))[^/\p{Cc}]+)*$/u, {
    error: "must be a relative path without `..`",
  })
  .meta({ kind: "a relative path" });

/** A directive's value in a unit file. */
export const directiveValue = z
  .string()
  .regex(/^\P{Cc}*$/u, { error: "must not hold line ends and other control characters" })
  .regex(/(?<!\\)$/, { error: "must not end with a backslash, which would join the next line to it" });

/**
 * A device's serial number; it is also written into rules of udev, where the refused characters mean something else.
 */
export const serial = z
  .string()
  .regex(/^[^\p{Cc}"\\*?|[\]]+$/u, {
    error: 'is not a valid serial number: it holds a control character or one of " \\ * ? | [ ]',
  })
  .meta({ kind: "a serial number" });

/** One option of fstab(5). */
export const mountOption = z
  .string()
  .regex(/^[^,\s\p{Cc}]+$/u, {
    error: "is not a mount option: list each by itself, without commas, spaces and control characters",
  })
  .meta({ kind: "a mount option" });

/** An argument of mkfs(8). The device isn't one: mkfs would take another one before it, or both. */
export const mkfsOption = line
  .regex(/^(?!\/+dev\/)/, { error: "is a device; mkfs gets only the declared one" })
  .meta({ kind: "an argument" });

/** An NFS server. */
export const nfsServer = z
  .string()
  .regex(/^(\[[0-9A-Fa-f:.]+(%[\w.-]+)?\]|[A-Za-z0-9._][A-Za-z0-9._-]*)$/, {
    error: 'is not a valid host name or address; an IPv6 address is written in brackets: "[fd00::1]"',
  })
  .meta({ kind: "a host name or address" });

/** A folder that an NFS server exports: mount.nfs(8) and NFS 3 take 1024 bytes. */
export const exportPath = path.refine((text) => Buffer.byteLength(text) <= 1024, {
  error: "is too long: NFS takes 1024 bytes for the path of an export",
});

/** A name as lvm(8) takes it. */
export const lvmName = z
  .string()
  .regex(/^(?!\.{1,2}$)[a-zA-Z0-9+_.][a-zA-Z0-9+_.-]{0,126}$/, {
    error: "is not a valid LVM name: letters, digits and + _ . - are allowed, at most 127, not starting with -",
  })
  .meta({ kind: "a valid LVM name" });

/**
 * What `destroy`, and removal from the program, do to what holds data; read from the state, so an `up` must have set
 * it.
 */
export const onDelete = z
  .enum(["retain", "wipe", "protect"], { error: "must be retain, wipe or protect" })
  .default("retain");
/**
 * What `destroy`, and removal from the program, do to what holds data; read from the state, so an `up` must have set
 * it.
 */
export type OnDelete = z.output<typeof onDelete>;

/** A size in bytes. */
export const bytes = z.int().positive();

/** Permission bits, three or four octal digits, as chmod(1) takes them; without a leading zero. */
export const mode = z
  .string()
  .regex(/^[0-7]{3,4}$/, { error: 'is not a valid mode; write octal digits: "750"' })
  .transform((text) => text.replace(/^0(?=[0-7]{3}$)/, ""))
  .meta({ kind: 'a mode in octal digits, such as "750"' });

/** An account's name, as Debian's useradd(8) takes it. Of digits only, it would be taken for a number. */
export const accountName = z
  .string()
  .regex(/^(?=.{1,32}$)(?!\d+$)[A-Za-z0-9_][A-Za-z0-9_.-]*\$?$/, {
    error:
      "is not a valid account name (useradd(8)): letters, digits and _ . - are allowed, at most 32, " +
      "not starting with . or -, and not only digits",
  })
  .meta({ kind: "a valid account name" });
