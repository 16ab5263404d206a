import { z } from "zod";
import { CONVERGED, refuseAll, step, toDo } from "../engine/plan.ts";
import type { ResourceKind } from "../engine/resource.ts";
import { installedPackages, kernelRelease } from "../facts/packages.ts";
import { program } from "../programs/program.ts";
import { isOlder, LEAST_VERSIONS } from "../values/versions.ts";
import { words } from "../values/words.ts";
import { kindInputs } from "./inputs.ts";

const inputs = kindInputs({
  /** Names of packages, as `dpkg-query --show` prints them; at least one. */
  names: z
    .array(
      z
        .string()
        // apt-get(8) takes a hyphen at the end of a name for a wish to remove the package.
        .regex(/^[a-z0-9][a-z0-9+.-]*[a-z0-9+.]$/, { error: "is not a valid name of a Debian package" }),
    )
    .min(1),
});

export interface Seen {
  /** Package → version, of those that are declared, and of those that {@link LEAST_VERSIONS} has. */
  readonly installed: ReadonlyMap<string, string>;
  readonly kernel: string;
}

/**
 * Debian packages, installed where they are absent. One that is there stays as it is, and none is ever removed. Tools
 * that are older than this program needs are refused by their names.
 */
export const packages: ResourceKind<typeof inputs, Seen> = {
  name: "Packages",
  inputs,
  identity: [],
  // A package brings accounts, units and tools, and lets the kernel see more of the disks.
  changes: ["packages", "accounts", "units", "files", "block", "lvm"],
  turn: "host",
  id: ({ host }) => `${host}:packages`,
  describe: ({ names }) => words(names),

  async observe(ask, { names }) {
    const all = [...new Set([...names, ...Object.keys(LEAST_VERSIONS)])];
    const [installed, kernel] = await Promise.all([ask(installedPackages, all), ask(kernelRelease, undefined)]);
    return { installed, kernel };
  },
  isAbsent: ({ names }, { installed }) => !names.some((name) => installed.has(name)),

  plan({ names }, { installed, kernel }) {
    const refusals = Object.entries(LEAST_VERSIONS).flatMap(([name, least]) => {
      const version = name === "linux" ? kernel : installed.get(name);
      if (version === undefined || !isOlder(version, least)) return [];
      return [
        {
          found: `${name} on this host is ${version}, and ${least} or newer is needed`,
          next: "upgrade the host to Debian 12 or newer; on such a host: apt-get update && apt-get upgrade, and reboot.",
        },
      ];
    });
    if (refusals.length > 0) return refuseAll(refusals);
    const absent = names.filter((name) => !installed.has(name));
    if (absent.length === 0) return CONVERGED;
    return toDo(step(`install ${absent.join(", ")}`, program("install-packages", ...absent), { readProgress }));
  },

  // Others may need them by now.
  leaves: () => true,
  planDestroy: () => CONVERGED,

  report: ({ names }, { installed }) => ({ inputs: { names: names.filter((name) => installed.has(name)) } }),
};

/** As apt writes it to APT::Status-Fd: `pmstatus:xfsprogs:50.0000:Unpacking xfsprogs (amd64)`. */
function readProgress(line: string): string | undefined {
  const [, percent, words] = /^(?:dl|pm)status:.*?:([0-9]+\.[0-9]+):(.*)$/.exec(line) ?? [];
  return percent === undefined || words === undefined ? undefined : `${words}, ${Math.round(Number(percent))} %`;
}
