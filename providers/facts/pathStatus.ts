import { cmd } from "../host/command.ts";
import type { Fact } from "./fact.ts";

export interface PathStatus {
  /** As stat(1) says: "directory", "regular file", "symbolic link". */
  readonly type: string;
  readonly owner: string;
  readonly group: string;
  /** Octal digits, at least three. */
  readonly mode: string;
}

/**
 * What lies at paths, links not followed; a path that isn't there is left out. Bounded in time, since a path on a
 * network filesystem whose server is away never answers.
 */
export const pathStatus: Fact<readonly string[], ReadonlyMap<string, PathStatus>> = {
  name: "the paths",
  about: ["files", "mounts"],
  command: (paths) => ({
    ...cmd`timeout --kill-after=5 20 stat ${"--printf=%F\\t%U\\t%G\\t%a\\t%n\\n"} -- ${paths}`,
    okExitCodes: [0, 1],
  }),
  parse({ stdout, stderr }, paths) {
    const found = new Map<string, PathStatus>();
    for (const line of stdout.split("\n").filter((text) => text !== "")) {
      const [type = "", owner = "", group = "", mode = "", ...name] = line.split("\t");
      found.set(name.join("\t"), { type, owner, group, mode: mode.padStart(3, "0") });
    }
    // stat has no exit code for "not there"; the C library's words are the only evidence.
    const absent = stderr
      .split("\n")
      .filter((line) => /: (No such file or directory|Not a directory)$/.test(line)).length;
    if (found.size + absent !== new Set(paths).size) throw new Error(stderr.trim());
    return found;
  },
};
