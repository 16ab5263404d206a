import { cmd } from "../host/command.ts";
import type { Fact } from "./fact.ts";

/**
 * Values that the kernel shows as files under /proc/sys and /sys, spaces as single ones; of a choice such as
 * `[none] mq-deadline` the chosen one. A file that isn't there is left out.
 */
export const kernelValues: Fact<readonly string[], ReadonlyMap<string, string>> = {
  name: "the kernel's values",
  about: ["kernel"],
  command: (paths) => ({ ...cmd`grep --with-filename --extended-regexp ^ -- ${paths}`, okExitCodes: [0, 2] }),
  parse({ stdout }, paths) {
    const values = new Map<string, string>();
    for (const path of paths) {
      const line = stdout.split("\n").find((text) => text.startsWith(`${path}:`));
      if (line === undefined) continue;
      const text = line
        .slice(path.length + 1)
        .trim()
        .replaceAll(/\s+/g, " ");
      values.set(path, /\[(\S+)\]/.exec(text)?.[1] ?? text);
    }
    return values;
  },
};
