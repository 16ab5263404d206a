import { program } from "../programs/program.ts";
import type { Fact } from "./fact.ts";
import type { PathStatus } from "./pathStatus.ts";

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
    if (section === undefined) throw new Error("nothing was said of it");
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

/** What print-files prints of each path, cut by the numbers of bytes that it tells. */
function sections(stdout: string): readonly string[] {
  const bytes = Buffer.from(stdout);
  const found: string[] = [];
  for (let at = 0; at < bytes.length;) {
    const endOfHeader = bytes.indexOf("\n", at) + 1;
    const length = Number.parseInt(bytes.toString("latin1", at, endOfHeader), 10);
    const end = endOfHeader + length;
    if (endOfHeader === 0 || Number.isNaN(length) || end > bytes.length) throw new Error("it ends early");
    found.push(bytes.toString("utf8", at, end));
    at = end;
  }
  return found;
}
