import { program } from "../programs/program.ts";
import type { Fact } from "./fact.ts";

/** The kernel's path of the device that an fstab source names by path, LABEL=, UUID=, …; undefined: none now. */
export const sourceDevice: Fact<string, string | undefined> = {
  name: "the device of the source",
  about: ["block", "contents", "lvm"],
  command: (source) => ({ ...program("print-source-device", source), okExitCodes: [0, 1] }),
  parse: ({ stdout, exitCode }) => (exitCode === 0 ? stdout.trim() : undefined),
};
