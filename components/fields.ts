/** Rows that sections of the configuration share. Each takes what it made again, so that settings can be arguments. */
import { z } from "zod";
import { refusedCalendar } from "../providers/values/calendar.ts";
import { directiveValue, path, serial, strictObject } from "../providers/values/fields.ts";
import { parseSize } from "../providers/values/size.ts";

/** `800GiB`, `800GB`, `1.5TiB`, bytes, or `50%VG`, which stays a text. A bare `800G` is GiB, as LVM has it. */
export const size = z
  .union([z.string(), z.number()], { error: "must be a size such as 800GiB" })
  .transform((text, context): number | string => {
    try {
      const parsed = parseSize(text);
      return "bytes" in parsed ? parsed.bytes : text;
    } catch (error) {
      context.addIssue({ code: "custom", message: (error as Error).message });
      return z.NEVER;
    }
  })
  .meta({
    kind: "a size or share, such as 800GiB or 50%VG",
    pattern: "^\\s*[0-9.]+\\s*(%VG|[KMGTPkmgtp]?([iI]?[bB])?)\\s*$",
  });

/** A size in bytes, which means the same on any host. */
export const byteSize = size
  .transform((bytes, context): number => {
    if (typeof bytes === "number") return bytes;
    context.addIssue({
      code: "custom",
      message: "a share of a volume group is not a valid size here; write for example 4MiB",
    });
    return z.NEVER;
  })
  .meta({ kind: "a size, such as 800GiB", pattern: "^\\s*[0-9.]+\\s*[KMGTPkmgtp]?([iI]?[bB])?\\s*$" });

/** A mount point or the tree, which units of systemd name. */
export const namedPath = path
  .regex(/^[^"'\\%$]*$/, { error: "must not hold any of \" ' \\ % $, which mean something else in systemd's units" })
  .meta({ onHost: "Path", pattern: "^/[^\"'\\\\%$]*$" });

export const days = z.int().min(0);
export const keptDays = z.int().min(1);
export const hours = z.int().min(0);
/** As OnCalendar= takes it, see systemd.time(7). Only timers need it: no script reads it. */
export const calendar = directiveValue
  .min(1)
  .superRefine((text, context) => {
    const reason = refusedCalendar(text);
    if (reason !== undefined) context.addIssue({ code: "custom", message: reason });
  })
  .meta({ kind: "a calendar of systemd.time(7)", onHost: false });
/** A host takes 0 % too. */
export const percent = z.number().gt(0).max(100).meta({ onHost: "Percent" });

const deviceRows = {
  /** Any path that leads to the device. `/dev/disk/by-id/…` stays the same over boots. */
  path,
  /**
   * The device's size. Checked on the host; with it, previews do the sums.
   * @default any
   */
  size: byteSize.optional(),
  /**
   * The device's serial number. Checked on the host; limits the udev rule of the hot tier to this device.
   * @default any
   */
  serial: serial.optional(),
};
/** By this name, declaration files keep the documentation of the rows in every section. */
export type DeviceRows = Pick<typeof deviceRows, keyof typeof deviceRows>;
export const device = strictObject<DeviceRows>(deviceRows);
