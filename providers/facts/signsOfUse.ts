import { program } from "../programs/program.ts";
import type { Fact } from "./fact.ts";

/**
 * Every sign that a device holds data or is held: signatures, partition tables, holders, mounts, swap. Empty: proved
 * blank. A device that can't be probed is an error, never blank.
 */
export const signsOfUse: Fact<string, readonly string[]> = {
  name: "the signs of use",
  isProofBefore: true,
  about: ["block", "contents", "lvm", "mounts"],
  command: (device) => ({ ...program("find-signs-of-use", device), okExitCodes: [0, 10] }),
  parse: ({ stdout }) => stdout.split("\n").filter((line) => line !== ""),
};
