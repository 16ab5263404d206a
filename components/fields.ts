/** Rows that sections of the configuration share. Each takes what it made again, so that settings can be arguments. */
import { z } from "zod";
import { directiveValue, path, relativePath, serial, strictObject } from "../providers/values/fields.ts";
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

/** A mount point or the tree: units of systemd name it, and lists of the scripts, which colons separate. */
export const namedPath = path
  .regex(/^[^:"'\\%$]*$/, {
    error: "must not hold any of : \" ' \\ % $, which mean something else in systemd's units and in the scripts' lists",
  })
  .meta({ onHost: "Path", pattern: "^/[^:\"'\\\\%$]*$" });

export const folder = relativePath.regex(/^[^:]*$/, {
  error: "must not hold a colon, which separates the scripts' lists",
});

export const days = z.int().min(0);
export const keptDays = z.int().min(1);
export const hours = z.int().min(0);
const CALENDAR_WORD =
  /^(minutely|hourly|daily|weekly|monthly|quarterly|semi-?annually|bi-?annually|annually|yearly|@\d+)$/i;
const DAY = "(mon(day)?|tue(sday)?|wed(nesday)?|thu(rsday)?|fri(day)?|sat(urday)?|sun(day)?)";
const DAYS = new RegExp(`^${DAY}((\\.\\.|-|,)${DAY})*,?$`, "i");
/** Numbers, ranges and lists of one part of a date or time, each maybe with a repetition. */
const PART = /^(\*|[\d.]+(\.\.[\d.]+)?)(\/[\d.]+)?(,[\d.]+(\.\.[\d.]+)?(\/[\d.]+)?)*$/;

/** Whether systemd may take it: what passes is not surely right, what fails is surely wrong. */
function mayBeCalendar(text: string): boolean {
  // Refused already, in words of its own.
  if (/[\p{Cc}\\]/u.test(text)) return true;
  const words = text.trim().split(/\s+/);
  // At the end may be a time zone, which only the host knows.
  const last = words.at(-1)!;
  if (words.length > 1 && /^[A-Z][\w+-]*(\/[\w+-]+)*$/i.test(last) && !DAYS.test(last)) words.pop();
  if (words.length === 1 && CALENDAR_WORD.test(words[0]!)) return true;
  if (words.length > 1 && DAYS.test(words[0]!)) words.shift();
  else if (words.length === 1 && DAYS.test(words[0]!)) return true;
  const [date, time] = words[0]?.includes(":") ? ["*-*", words[0]] : [words[0], words[1] ?? "0:0"];
  if (date === undefined || words.length > (date === "*-*" && words[0] === time ? 1 : 2)) return false;
  const days = date.split(/[-~]/);
  const times = time.split(":");
  return (
    (days.length === 2 || days.length === 3) &&
    (times.length === 2 || times.length === 3) &&
    [...days, ...times].every((part) => PART.test(part)) &&
    isWithin(days.at(-2)!, 1, 12) &&
    isWithin(days.at(-1)!, 1, 31) &&
    isWithin(times[0]!, 0, 23) &&
    times.slice(1).every((part) => isWithin(part, 0, 59.999_999))
  );
}

function isWithin(part: string, least: number, most: number): boolean {
  const numbers = part.split(",").flatMap((one) => one.replace(/\/.*/, "").split(".."));
  return numbers.every((one) => one === "*" || (Number(one) >= least && Number(one) <= most));
}

/** As OnCalendar= takes it, see systemd.time(7). Only timers need it: no script reads it. */
export const calendar = directiveValue
  .min(1)
  .refine(mayBeCalendar, {
    error: 'is not a valid calendar; write for example daily, "03:00", "Mon *-*-* 03:00" or "*-*-01 02:30 UTC"',
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
