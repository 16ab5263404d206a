import { z } from "zod";
import { program } from "../programs/program.ts";
import type { Fact } from "./fact.ts";
import { sections } from "./sections.ts";

/** What libblkid finds on a device, see wipefs(8). */
export interface Signature {
  /** As blkid names it: "ext4", "LVM2_member", "gpt". */
  readonly type: string;
  readonly label: string | undefined;
  readonly uuid: string | undefined;
}

export interface Contents {
  /** All of them. That there is none doesn't prove a blank device: wipefs finds none in what it can't read, either. */
  readonly signatures: readonly Signature[];
  /** The size of the filesystem of the type asked for, mounted or not; undefined: there is no such filesystem. */
  readonly bytes: number | undefined;
  /** How much of its device a filesystem of this geometry may leave unused at the end, in bytes. */
  readonly unusableBytes: number;
  /** On how many devices the filesystem lies. */
  readonly devices: number;
}

/** A device, and the type of the filesystem whose size is wanted. */
export interface ContentsArgs {
  readonly device: string;
  readonly type: string | undefined;
}

const printed = z.object({
  signatures: z.array(z.object({ type: z.string(), label: z.string().nullish(), uuid: z.string().nullish() })),
});

const print = (all: readonly ContentsArgs[]) =>
  program("print-contents", ...all.flatMap(({ type = "none", device }) => [type, device]));

/** What is on a device. */
export const contents: Fact<ContentsArgs, Contents> = {
  name: "what is on the device",
  about: ["block", "contents"],
  command: (args) => print([args]),
  together: {
    command: print,
    part: ({ stdout }, _args, index) => ({ stdout: sections(stdout)[index] ?? "", stderr: "", exitCode: 0 }),
  },
  parse({ stdout }) {
    const [section = ""] = sections(stdout);
    const endOfHeader = section.indexOf("\n");
    const [, bytes = "", unusable = "0", devices = "1"] = section.slice(0, endOfHeader).split(" ");
    if (!/^(-|[1-9]\d*)$/.test(bytes) || ![unusable, devices].every((number) => /^\d+$/.test(number)))
      throw new Error(`not a size: "${bytes}"`);
    const json = section.slice(endOfHeader + 1);
    return {
      signatures:
        json.trim() === ""
          ? []
          : printed.parse(JSON.parse(json)).signatures.map(({ type, label, uuid }) => ({
              type,
              // A text for people and the state, which both take no odd bytes.
              label: label?.toWellFormed(),
              uuid: uuid ?? undefined,
            })),
      bytes: bytes === "-" ? undefined : Number(bytes),
      unusableBytes: Number(unusable),
      devices: Number(devices),
    };
  },
};
