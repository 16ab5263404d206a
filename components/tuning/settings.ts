import { z } from "zod";
import { line, strictObject } from "../../providers/values/fields.ts";
import { kernelFileOf, refusedKernelValues } from "../../providers/values/sysctl.ts";
import { calendar } from "../fields.ts";

export const tuningSettings = strictObject({
  /**
   * The I/O scheduler of the disks that the hot tier's devices are on, set by a udev rule. A device that has no choice,
   * such as one that is made of others, is left alone. Only with the layout `lvm`.
   */
  scheduler: z.enum(["none", "mq-deadline", "kyber", "bfq"]).default("none"),
  /** Kernel parameter → its value, see sysctl(8). Replaces all of these. */
  sysctl: z
    .record(
      z.string().regex(/^[a-z0-9_]+([./][a-z0-9_-]+)+$/i, { error: "is not a valid kernel parameter" }),
      z
        .union([
          line,
          z.number().refine((number) => !Number.isInteger(number) || Number.isSafeInteger(number), {
            error: 'is too large for a number of YAML or JavaScript: write it as a text, in ""',
          }),
        ])
        .transform(String),
    )
    .superRefine((sysctl, context) => {
      // As kernelValuesIn reads it from the file; a number that was refused is still one.
      const values = Object.entries(sysctl).map(([key, value]) => ({
        key,
        file: kernelFileOf(key),
        value: String(value).trim().replaceAll(/\s+/g, " "),
      }));
      for (const { key, reason } of refusedKernelValues(values))
        context.addIssue({ code: "custom", path: [key], message: reason });
    })
    .default({
      "net.core.rmem_default": "262144",
      "net.core.wmem_default": "262144",
      "net.core.rmem_max": "16777216",
      "net.core.wmem_max": "16777216",
    }),
  /** When the hot tier's filesystems are trimmed, see fstrim(8). Only with the layout `lvm`. */
  fstrimOnCalendar: calendar.default("Sun *-*-* 04:00"),
});

export type TuningSettings = z.output<typeof tuningSettings>;
export type TuningInput = z.input<typeof tuningSettings>;
