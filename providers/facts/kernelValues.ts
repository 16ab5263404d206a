import { cmd } from "../host/command.ts";
import type { Fact } from "./fact.ts";

/** A value that the kernel shows. */
export interface ShownValue {
  /** Spaces are single ones; of a choice such as `[none] mq-deadline` the chosen one. */
  readonly value: string;
  /** What can be chosen, where it is a choice. */
  readonly choices?: readonly string[];
}

/** Values that the kernel shows as files under /proc/sys and /sys; a file that isn't there is left out. */
export const kernelValues: Fact<readonly string[], ReadonlyMap<string, ShownValue>> = {
  name: "the kernel's values",
  about: ["kernel"],
  command: (paths) => ({ ...cmd`grep --with-filename --extended-regexp ^ -- ${paths}`, okExitCodes: [0, 2] }),
  parse({ stdout }, paths) {
    const values = new Map<string, ShownValue>();
    for (const path of paths) {
      const line = stdout.split("\n").find((text) => text.startsWith(`${path}:`));
      if (line === undefined) continue;
      const text = line
        .slice(path.length + 1)
        .trim()
        .replaceAll(/\s+/g, " ");
      // Values of sysctl(8) have no choices: kernel.core_pattern may hold brackets.
      const chosen = path.startsWith("/proc/sys/") ? undefined : /\[(\S+)\]/.exec(text)?.[1];
      values.set(
        path,
        chosen === undefined
          ? { value: text }
          : { value: chosen, choices: text.replace(`[${chosen}]`, chosen).split(" ") },
      );
    }
    return values;
  },
};
