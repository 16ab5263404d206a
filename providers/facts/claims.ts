import { program } from "../programs/program.ts";
import type { Fact } from "./fact.ts";

/** What speaks against replacing a file that isn't ours. */
export interface Claims {
  /** As stat(1) says: "regular file", "symbolic link", "directory". */
  readonly type: string;
  /** Debian packages that it is of. */
  readonly packages?: string;
  /** A folder with settings that systemd adds to the unit of this file, see systemd.unit(5). */
  readonly settings?: string;
}

/** Files that are there and aren't ours, by their paths. */
export const claims: Fact<readonly string[], ReadonlyMap<string, Claims>> = {
  name: "whose the files are",
  about: ["files", "packages"],
  command: (paths) => program("print-claims", ...paths),
  parse({ stdout }, paths) {
    const found = new Map<string, Claims>();
    for (const line of stdout.split("\n").filter((one) => one !== "")) {
      const [what = "", value = "", ...rest] = line.split("\t");
      const path = rest.join("\t");
      if (!["type", "package", "settings"].includes(what) || !paths.includes(path))
        throw new Error(`an odd line: ${line}`);
      if (what === "type") found.set(path, { type: value.replace(" empty", "") });
      else found.set(path, { ...found.get(path)!, [what === "package" ? "packages" : what]: value });
    }
    return found;
  },
};
