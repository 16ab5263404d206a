import type * as pulumi from "@pulumi/pulumi";
import type { z } from "zod";
import type { TierArgs } from "./arguments.ts";
import type { Order } from "./places.ts";
import type { Problem } from "./problem.ts";

/** A path, and the key below the tier's section that it is declared by. */
export interface Place {
  readonly key: string;
  readonly path: string;
}

/** A path where a mount, or a service's folder, is. */
export interface MountPlace extends Place {
  /** The key of what is there. Several mounts of one part show the same. */
  readonly part: string;
}

/** A folder, those below it, and who may write there. */
export interface FolderTree {
  readonly path: string;
  readonly owner: string;
  readonly group: string;
  /** Octal digits, as chmod(1) takes them. */
  readonly mode: string;
  /** Paths below it, of the same owner, group and mode. */
  readonly folders: readonly string[];
}

/** What a tier comes to on a host, as far as its settings are without problems. */
export interface TierLayout {
  /** Debian's packages that it needs. */
  readonly packages: readonly string[];
  /** Its devices, which nothing else may use. Those that only the running program knows are left out. */
  readonly devices: readonly Place[];
  /** Paths that only one thing on a host can have. */
  readonly mountPoints: readonly MountPlace[];
  /** Accounts that it makes, as `user NAME` and `group NAME`. */
  readonly accounts?: readonly string[];
  readonly folders: readonly FolderTree[];
  /** Where verification puts the file that it sends through the tiers, and the mount that this must be on. */
  readonly probe?: { readonly path: string; readonly mount: string };
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
