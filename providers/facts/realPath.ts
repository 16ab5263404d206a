import { cmd } from "../host/command.ts";
import type { Fact } from "./fact.ts";

/** Where a path of a device leads, links followed (readlink(1)); undefined: it leads nowhere. */
export const realPath: Fact<string, string | undefined> = {
  name: "the path",
  about: ["block"],
  command: (path) => ({ ...cmd`readlink --canonicalize-existing -- ${path}`, okExitCodes: [0, 1] }),
  parse: ({ stdout, exitCode }) => (exitCode === 0 ? stdout.replace(/\n$/, "") : undefined),
};
