import { cmd, type Command } from "../host/command.ts";
import type { Fact } from "./fact.ts";

export interface PathStatus {
  /** As stat(1) says: "directory", "regular file", "symbolic link". */
  readonly type: string;
  readonly owner: string;
  readonly group: string;
  /** Octal digits, at least three. */
  readonly mode: string;
}

/** stat has no exit code for "not there"; the C library's words are the only evidence. */
const ABSENT = /: (No such file or directory|Not a directory)$/;

/**
 * What lies at paths, links not followed; a path that isn't there is left out. Bounded in time, since a path on a
 * network filesystem whose server is away never answers.
 */
export const pathStatus: Fact<readonly string[], ReadonlyMap<string, PathStatus>> = {
  name: "the paths",
  about: ["files", "mounts"],
  command: (paths) => statusOf(paths, 20),
  together: {
    // Where one of them doesn't answer, each is asked by itself.
    command: (all) => statusOf([...new Set(all.flat())], 10),
    part({ stdout, stderr, exitCode }, paths) {
      const found = linesOf(stdout).filter((line) => paths.includes(nameOf(line)));
      const errors = linesOf(stderr);
      const ours = errors.every((line) => ABSENT.test(line))
        ? errors.slice(0, new Set(paths).size - found.length)
        : errors.filter((line) => paths.some((path) => line.includes(`'${path}'`)));
      return { stdout: found.join("\n"), stderr: ours.join("\n"), exitCode };
    },
  },
  parse({ stdout, stderr }, paths) {
    const found = new Map<string, PathStatus>();
    for (const line of linesOf(stdout)) {
      const [type = "", owner = "", group = "", mode = ""] = line.split("\t");
      found.set(nameOf(line), { type, owner, group, mode: mode.padStart(3, "0") });
    }
    const absent = linesOf(stderr).filter((line) => ABSENT.test(line)).length;
    if (found.size + absent !== new Set(paths).size) throw new Error(stderr.trim());
    return found;
  },
};

function statusOf(paths: readonly string[], seconds: number): Command {
  return {
    ...cmd`timeout --kill-after=5 ${String(seconds)} stat ${"--printf=%F\\t%U\\t%G\\t%a\\t%n\\n"} -- ${paths}`,
    okExitCodes: [0, 1],
  };
}

function linesOf(text: string): string[] {
  return text.split("\n").filter((line) => line !== "");
}

/** The last field: what was asked for. */
function nameOf(line: string): string {
  return line.split("\t").slice(4).join("\t");
}
