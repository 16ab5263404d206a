import { program } from "../programs/program.ts";
import type { Fact } from "./fact.ts";

/** What a filesystem takes as its size, in bytes, mounted or not. */
export const filesystemBytes: Fact<{ readonly type: string; readonly device: string }, number> = {
  name: "the filesystem's size",
  about: ["contents"],
  command: ({ type, device }) => program("print-filesystem-bytes", type, device),
  parse({ stdout }) {
    const bytes = Number(stdout.trim());
    if (!Number.isSafeInteger(bytes) || bytes <= 0) throw new Error(`not a size: "${stdout.trim()}"`);
    return bytes;
  },
};
