import type * as pulumi from "@pulumi/pulumi";
import type { z } from "zod";
import type { TierArgs } from "./arguments.ts";
import type { Order, Place, Placed } from "./places.ts";
import type { Problem } from "./problem.ts";

/** What a tier comes to on a host, as far as its settings are without problems. */
export interface TierLayout extends Placed {
  /** Debian's packages that it needs. */
  readonly packages: readonly string[];
  /** Its devices, which nothing else may use. Those that only the running program knows are left out. */
  readonly devices: readonly Place[];
  /** Where verification puts the file that it sends through the tiers, and the mount that this must be on. */
  readonly probe?: { readonly path: string; readonly mount: string };
  /** Where else a file is sent to from the tier before it; `tier` is its name in messages. */
  readonly furtherProbes?: readonly { readonly tier: string; readonly path: string; readonly mount: string }[];
  /** What the scripts on the host read of it: scripts/jts_storage/settings.py has the same keys. */
  readonly script?: object;
  /** What an operator wants to see of it: nothing that changes by itself. */
  readonly summary: object;
}

/**
 * A kind of storage that a host can have one of. To add one: its folder, its name in tiers.ts, its class in index.ts,
 * and, where the scripts are to work on it, automation/scriptSettings.ts and their settings.py.
 */
export interface Tier<Settings = unknown> {
  /** Its section of a host's configuration. */
  readonly settings: z.ZodType;
  /** What no host could carry out, by key paths below its section. */
  problems(settings: Settings): Problem[];
  /** Pure. */
  layout(settings: Settings): TierLayout;
  component(
    name: string,
    args: TierArgs & Settings,
    options?: pulumi.ComponentResourceOptions,
    order?: Order,
  ): pulumi.ComponentResource & { readonly settings: Settings };
}
