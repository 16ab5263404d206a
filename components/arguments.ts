import type * as pulumi from "@pulumi/pulumi";
import type { z } from "zod";
import type { connectionSchema } from "../providers/values/connection.ts";
import type { OnDelete } from "../providers/index.ts";
import { below, problemsIn, requireNone, type Problem } from "./problem.ts";

export type ConnectionArgs = z.input<typeof connectionSchema>;

/** What every component takes. */
export interface HostArgs {
  /** The host's name. A change makes other resources. */
  readonly host: string;
  /**
   * How the host is reached.
   * @default what the configuration of the program has at `hosts`, below the host's name, as `connection`
   */
  readonly connection?: pulumi.Input<ConnectionArgs> | undefined;
}

/** What the component of every tier takes beside the tier's settings. */
export interface TierArgs extends HostArgs {
  /**
   * What `destroy`, and removal from the program, do to what holds data. Obeyed as the state has it: an `up` must have
   * set it before.
   * @default "retain"
   */
  readonly onDelete?: OnDelete | undefined;
  /**
   * What stands before an argument's name in messages: `trading.warm` for `trading.warm.device.path`.
   * @default the component's name
   */
  readonly configKey?: string | undefined;
}

/** The settings that a component's arguments make. @throws {pulumi.RunError} with all that is wrong with them. */
export function readArguments<Settings>(
  key: string,
  schema: z.ZodType<Settings>,
  args: unknown,
  problems: (settings: Settings) => Problem[] = () => [],
): Settings {
  const parsed = schema.safeParse(args);
  requireNone(below(key, parsed.success ? problems(parsed.data) : problemsIn(args, parsed.error)), key);
  return parsed.data as Settings;
}
