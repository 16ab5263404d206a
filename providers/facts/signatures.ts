import { z } from "zod";
import { program } from "../programs/program.ts";
import type { Fact } from "./fact.ts";

/** What libblkid finds on a device, see wipefs(8). */
export interface Signature {
  /** As blkid names it: "ext4", "LVM2_member", "gpt". */
  readonly type: string;
  readonly label: string | undefined;
  readonly uuid: string | undefined;
}

const printed = z.object({
  signatures: z.array(z.object({ type: z.string(), label: z.string().nullish(), uuid: z.string().nullish() })),
});

/** All signatures on a device; empty: none, on the evidence of a probe that succeeded. */
export const signatures: Fact<string, readonly Signature[]> = {
  name: "the signatures",
  about: ["block", "contents"],
  command: (device) => program("print-signatures", device),
  // Where there is nothing to print, util-linux prints no JSON at all.
  parse: ({ stdout }) =>
    stdout.trim() === ""
      ? []
      : printed
          .parse(JSON.parse(stdout))
          .signatures.map(({ type, label, uuid }) => ({ type, label: label ?? undefined, uuid: uuid ?? undefined })),
};
