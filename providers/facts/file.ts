import { program } from "../programs/program.ts";
import type { Fact } from "./fact.ts";
import type { PathStatus } from "./pathStatus.ts";
import { sections } from "./sections.ts";

/** A file with its content; undefined: proved absent. */
export const file: Fact<string, (PathStatus & { readonly content: string }) | undefined> = {
  name: "the file",
  about: ["files"],
  command: (path) => program("print-files", path),
  together: {
    command: (paths) => program("print-files", ...paths),
    part: ({ stdout }, _path, index) => ({ stdout: sections(stdout)[index] ?? "", stderr: "", exitCode: 0 }),
  },
  parse({ stdout }) {
    const [section] = sections(stdout);
    if (section === undefined) throw new Error("nothing was printed about it");
    const [header = "", ...content] = section.split(/(?<=\n)/);
    const [type = "", owner = "", group = "", mode = ""] = header.trimEnd().split("\t").slice(1);
    if (type === "") return undefined;
    return {
      type: type === "regular empty file" ? "regular file" : type,
      owner,
      group,
      mode: mode.padStart(3, "0"),
      content: content.join(""),
    };
  },
};
