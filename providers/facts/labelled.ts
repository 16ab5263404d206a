import { z } from "zod";
import { cmd } from "../host/command.ts";
import type { Fact } from "./fact.ts";

/** A filesystem that has a label. */
export interface Labelled {
  readonly device: string;
  /** MAJOR:MINOR of the device. */
  readonly number: string;
  readonly label: string;
  /** Several devices of one filesystem have the same. */
  readonly uuid: string | undefined;
}

const answer = z.object({
  blockdevices: z.array(
    z.object({
      name: z.string(),
      "maj:min": z.string(),
      fstype: z.string().nullable(),
      label: z.string().nullable(),
      uuid: z.string().nullable(),
    }),
  ),
});

/** All filesystems with a label that udev knows. */
export const labelled: Fact<undefined, readonly Labelled[]> = {
  name: "the labels of filesystems",
  about: ["block", "lvm", "contents"],
  command: () => cmd`lsblk --json --list --paths --output NAME,MAJ:MIN,FSTYPE,LABEL,UUID`,
  parse: ({ stdout }) =>
    answer.parse(JSON.parse(stdout)).blockdevices.flatMap(({ name, "maj:min": number, fstype, label, uuid }) =>
      // Members of an array bear its name.
      label === null || /_member$|^crypto_LUKS$/.test(fstype ?? "")
        ? []
        : [{ device: name, number, label, uuid: uuid ?? undefined }],
    ),
};
