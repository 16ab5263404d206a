import { z } from "zod";
import { CONVERGED, step, toDo } from "../engine/plan.ts";
import type { ResourceKind } from "../engine/resource.ts";
import { installedPackages } from "../facts/packages.ts";
import { program } from "../programs/program.ts";
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
  readonly installed: ReadonlySet<string>;
}

/** Debian packages, installed where they are absent. One that is there stays as it is, and none is ever removed. */
export const packages: ResourceKind<typeof inputs, Seen> = {
  name: "Packages",
  inputs,
  identity: [],
  // A package brings accounts, units and tools, and lets the kernel see more of the disks.
  changes: ["packages", "accounts", "units", "files", "block", "lvm"],
  turn: "host",
  id: ({ host }) => `${host}:packages`,
  describe: ({ names }) => words(names),

  observe: async (ask, { names }) => ({ installed: await ask(installedPackages, names) }),
  isAbsent: ({ names }, { installed }) => !names.some((name) => installed.has(name)),

  plan({ names }, { installed }) {
    const absent = names.filter((name) => !installed.has(name));
    if (absent.length === 0) return CONVERGED;
    return toDo(step(`install ${absent.join(", ")}`, program("install-packages", ...absent)));
  },

  // Others may need them by now.
  leaves: () => true,
  planDestroy: () => CONVERGED,

  report: ({ names }, { installed }) => ({ inputs: { names: names.filter((name) => installed.has(name)) } }),
};
