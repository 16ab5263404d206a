import { remote } from "@pulumi/command";
import * as pulumi from "@pulumi/pulumi";
import { sha256 } from "../providers/values/sha256.ts";
import type { HostArgs } from "./arguments.ts";
import { INSTALLED, scriptSums } from "./automation/scripts.ts";
import { programText, remoteTo } from "./remote.ts";
import type { FolderTree } from "./places.ts";
import type { TierLayout } from "./tier.ts";
import { layoutsOf, settingsOf, type TierComponents, type TierSettings } from "./tiers.ts";

export interface VerificationArgs extends HostArgs {
  /** The host's tiers: all of them are verified, with the scripts that TieringAutomation delivers. */
  readonly tiers: TierComponents;
}

/**
 * Verifies, once all is made and again when it changed, what no resource can compare: that each service's account can
 * write to its own folders and to no others', and that a file goes through the tiers. It runs scripts/verify-tiers.py,
 * whose table shows below the resource while the `up` runs.
 */
export class Verification extends pulumi.ComponentResource {
  constructor(name: string, args: VerificationArgs, options?: pulumi.ComponentResourceOptions) {
    super("jts-storage:Verification", name, {}, options);
    const { connection, asRoot } = remoteTo(args);
    new remote.Command(
      `${name}-run`,
      {
        connection,
        create: asRoot("verify", INSTALLED),
        stdin: programText("verify", JSON.stringify(trialOf(settingsOf(args.tiers)))),
        triggers: [sha256(JSON.stringify(scriptSums()))],
        logging: "stdoutAndStderr",
        addPreviousOutputInEnv: false,
      },
      { parent: this },
    );
    this.registerOutputs({});
  }
}

type Step = { readonly tier: string; readonly path: string; readonly mount: string };

/** What is tried on a host, as scripts/verify-tiers.py reads it. */
export interface Trial {
  /** Whose accounts must be able to write there, and no others. */
  readonly folders: readonly FolderTree[];
  /** The tiers that a file is sent through, in this order. */
  readonly moves: readonly Step[];
  /** Other ways that a file is sent; left out where there is none. */
  readonly furtherMoves?: readonly (readonly Step[])[];
}

/** What {@link Verification} tries on a host with these tiers. */
export function trialOf(tiers: TierSettings): Trial {
  const layouts = Object.entries<TierLayout>(layoutsOf(tiers));
  const stepsOf = ([tier, { probe }]: (typeof layouts)[number]) => (probe === undefined ? [] : [{ tier, ...probe }]);
  const furtherMoves = layouts.flatMap(([, { furtherProbes = [] }], index) =>
    furtherProbes.map((probe) => [...layouts.slice(0, index).flatMap(stepsOf).slice(-1), probe]),
  );
  return {
    folders: layouts.flatMap(([, { folders }]) => folders),
    moves: layouts.flatMap(stepsOf),
    ...(furtherMoves.length > 0 && { furtherMoves }),
  };
}
