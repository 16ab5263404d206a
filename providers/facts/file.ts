import { program } from "../programs/program.ts";
import type { Fact } from "./fact.ts";
import type { PathStatus } from "./pathStatus.ts";

/** A file with its content; undefined: proved absent. */
export const file: Fact<string, (PathStatus & { readonly content: string }) | undefined> = {
  name: "the file",
  about: ["files"],
  command: (path) => ({ ...program("print-file", path), okExitCodes: [0, 10] }),
  parse({ stdout, exitCode }) {
    if (exitCode === 10) return undefined;
    const endOfLine = stdout.indexOf("\n");
    const [type = "", owner = "", group = "", mode = ""] = stdout.slice(0, endOfLine).split("\t");
    return {
      type: type === "regular empty file" ? "regular file" : type,
      owner,
      group,
      mode: mode.padStart(3, "0"),
      content: stdout.slice(endOfLine + 1),
    };
  },
};
