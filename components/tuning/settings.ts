import { z } from "zod";
import { line } from "../../providers/values/fields.ts";
import { calendar } from "../fields.ts";

export const tuningSettings = z.strictObject({
  /** The I/O scheduler of the hot tier's device. */
  scheduler: z
    .string()
    .regex(/^[a-z-]+$/)
    .default("none"),
  /** Kernel parameters, see sysctl(8). */
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
  fstrimOnCalendar: calendar.default("Sun *-*-* 04:00"),
});

export type TuningSettings = z.output<typeof tuningSettings>;
export type TuningInput = z.input<typeof tuningSettings>;
