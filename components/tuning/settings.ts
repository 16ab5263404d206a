import { z } from "zod";
import { line, strictObject } from "../../providers/values/fields.ts";
import { calendar } from "../fields.ts";

export const tuningSettings = strictObject({
  /** The I/O scheduler of the hot tier's device, set by a udev rule. Only with the layout `lvm`. */
  scheduler: z
    .string()
    .regex(/^[a-z-]+$/, { error: "is not a valid I/O scheduler: lower-case letters and -" })
    .default("none"),
  /** Kernel parameter → its value, see sysctl(8). Replaces all of these. */
  sysctl: z
    .record(
      z.string().regex(/^[a-z0-9_]+([./][a-z0-9_-]+)+$/i, { error: "is not a valid kernel parameter" }),
      z.union([line, z.number()]).transform(String),
    )
    .default({
      "net.core.rmem_default": "262144",
      "net.core.wmem_default": "262144",
      "net.core.rmem_max": "16777216",
      "net.core.wmem_max": "16777216",
    }),
  /** When the hot tier's filesystems are trimmed, see fstrim(8). Only with the layout `lvm`. */
  fstrimOnCalendar: calendar.default("Sun *-*-* 04:00"),
});

export type TuningInput = z.input<typeof tuningSettings>;
