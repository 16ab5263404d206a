import { cmd } from "../host/command.ts";
import type { Fact } from "./fact.ts";

/**
 * Where mount points lead, links followed, by their path; what isn't there leads where its name says. Bounded in time,
 * since a link may lead to a server that is away.
 */
export const realMountPoints: Fact<readonly string[], ReadonlyMap<string, string>> = {
  name: "where the mount points of fstab lead",
  // Nothing of ours makes links.
  about: [],
  command: (paths) => cmd`timeout --kill-after=5 20 readlink --canonicalize-missing -- ${paths}`,
  parse({ stdout }, paths) {
    const real = stdout.split("\n");
    if (real.length !== paths.length + 1) throw new Error("there is not one answer for each path");
    return new Map(paths.map((path, index) => [path, real[index] ?? path]));
  },
};
