/** Rows that sections of the configuration share. Each takes what it made again, so that settings can be arguments. */
import { z } from "zod";
import { directiveValue, path, relativePath, serial } from "../providers/values/fields.ts";
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
  });

/** A size in bytes, which means the same on any host. */
export const byteSize = size.transform((bytes, context): number => {
  if (typeof bytes === "number") return bytes;
  context.addIssue({
    code: "custom",
    message: "a share of a volume group is not a valid size here; write for example 4MiB",
  });
  return z.NEVER;
});

/** A mount point or the tree: units of systemd name it, and lists of the scripts, which colons separate. */
export const namedPath = path.regex(/^[^:"'\\%$]*$/, {
  error: "must not hold any of : \" ' \\ % $, which mean something else in systemd's units and in the scripts' lists",
});

export const folder = relativePath.regex(/^[^:]*$/, {
  error: "must not hold a colon, which separates the scripts' lists",
});

export const days = z.int().min(0);
export const keptDays = z.int().min(1);
/** As OnCalendar= takes it, see systemd.time(7). */
export const calendar = directiveValue.min(1);
export const percent = z.number().gt(0).max(100);

export const device = z.strictObject({
  /** Any path that leads to it; /dev/disk/by-id/… stays the same over boots. */
  path,
  /** Checked on the host, and lets previews do their sums. */
  size: byteSize.optional(),
  /** Checked on the host. */
  serial: serial.optional(),
});

/** Whether to mount over a folder that isn't empty, which hides what is in it. Left out: that is refused. */
export const mountOverFiles = z.boolean().optional();
