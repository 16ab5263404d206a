import { remote } from "@pulumi/command";
import * as pulumi from "@pulumi/pulumi";
import { shownOptions } from "../providers/filesystems/mountOptions.ts";
import { sha256 } from "../providers/values/sha256.ts";
import type { HostArgs } from "./arguments.ts";
import { INSTALLED, scriptsManifest } from "./automation/scripts.ts";
import type { AutomationSettings } from "./automation/settings.ts";
import { calendarsOf, timersFor } from "./automation/timers.ts";
import { remoteTo } from "./remote.ts";
import type { FolderTree, TierLayout } from "./tier.ts";
import { layoutsOf, settingsOf, type TierComponents, type TierSettings } from "./tiers.ts";
import { HostTuning } from "./tuning/hostTuning.ts";
import type { TuningSettings } from "./tuning/settings.ts";

export interface VerificationArgs extends HostArgs {
  /** The host's tiers: all of them are verified. */
  readonly tiers: TierComponents;
  /** Timer → its calendar: those of the host's tuning and automation, whose scripts verify. */
  readonly timers: Readonly<Record<string, string>>;
}

/**
 * Verifies, once all is made and again when what is declared changed, that the host is as declared and works:
 * scripts/verify-tiers.py, which `npm run verify` runs too. Its table shows below the resource while the `up` runs.
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
        stdin: pulumi.jsonStringify(declare(settingsOf(args.tiers), args.timers)),
        triggers: [sha256(scriptsManifest())],
        logging: "stdoutAndStderr",
        addPreviousOutputInEnv: false,
      },
      { parent: this },
    );
    this.registerOutputs({});
  }
}

/** What is expected of a host, as scripts/verify-tiers.py reads it. */
export interface Declaration {
  /** Options are those that the kernel shows. */
  readonly mounts: readonly {
    readonly point: string;
    readonly source: pulumi.Input<string>;
    readonly type: string;
    readonly options: readonly string[];
  }[];
  readonly folders: readonly FolderTree[];
  /** Timer → its calendar. */
  readonly timers: Readonly<Record<string, string>>;
  /** The tiers that a file is sent through, in this order. */
  readonly moves: readonly { readonly tier: string; readonly path: string; readonly mount: string }[];
}

/** The sections of a host's configuration that say what is expected of it. */
interface Expected extends TierSettings {
  readonly tuning: TuningSettings | false;
  readonly automation?: AutomationSettings | undefined;
}

/** What {@link Verification} expects of a host with these settings. */
export function declarationOf({ tuning, automation, ...tiers }: Expected): Declaration {
  return declare(tiers, {
    ...(tiers.hot === undefined || tuning === false ? {} : HostTuning.timersOf(tuning, tiers.hot)),
    ...(automation === undefined ? {} : calendarsOf(timersFor(tiers, automation))),
  });
}

function declare(tiers: TierSettings, timers: Readonly<Record<string, string>>): Declaration {
  const layouts = Object.entries<TierLayout>(layoutsOf(tiers));
  return {
    mounts: layouts.flatMap(([, { mounts }]) =>
      mounts.map(({ point, source, type, options }) => ({ point, source, type, options: shownOptions(type, options) })),
    ),
    folders: layouts.flatMap(([, { folders }]) => folders),
    timers,
    moves: layouts.flatMap(([tier, { probe }]) => (probe === undefined ? [] : [{ tier, ...probe }])),
  };
}
