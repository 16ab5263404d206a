import { program } from "../programs/program.ts";
import type { Fact } from "./fact.ts";

export interface SourceDevice {
  /** The kernel's path. */
  readonly path: string;
  /** MAJOR:MINOR, as mountinfo has it for what lies on the device, but for btrfs. */
  readonly number: string;
}

/** The device that an fstab source names by path, LABEL=, UUID=, …; undefined: there is none now. */
export const sourceDevice: Fact<string, SourceDevice | undefined> = {
  name: "the device of the source",
  about: ["block", "contents", "lvm"],
  command: (source) => ({ ...program("print-source-device", source), okExitCodes: [0, 1] }),
  parse({ stdout, exitCode }) {
    if (exitCode !== 0) return undefined;
    const [number = "", path = ""] = stdout.trimEnd().split("\t");
    return { path, number };
  },
};
