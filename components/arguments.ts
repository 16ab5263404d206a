/** What components take, and how it is checked. */
import * as pulumi from "@pulumi/pulumi";
import { z } from "zod";
import type { OnDelete } from "../providers/index.ts";
import type { connectionSchema } from "../providers/values/connection.ts";
import { below, problemsIn, requireNone, type Problem } from "./problem.ts";

type Connection = z.input<typeof connectionSchema>;
/** How a host is reached. Any of it may come from another resource. */
export type ConnectionArgs = { readonly [K in keyof Connection]: pulumi.Input<Connection[K]> };

/** What every component takes. */
export interface HostArgs {
  /** The host's name, which messages and locks go by. A change makes other resources. */
  readonly host: string;
  /**
   * How the host is reached.
   * @default `connection` of this host in the program's configuration `hosts`
   */
  readonly connection?: pulumi.Input<ConnectionArgs> | undefined;
}

/** What components take whose files another may have at their paths. */
export interface TakeOverArgs {
  /**
   * Absolute paths at which an `up` may replace another's file: it is kept on the host, and `destroy` puts it back.
   * @default none: such a file is refused
   */
  readonly takeOver?: readonly string[] | undefined;
}

/** What a resource takes for those of its paths that may be replaced. Without one it has no such key. */
export function takingOver(takeOver: readonly string[] = [], ...paths: readonly string[]): { takeOver?: string[] } {
  const own = paths.filter((path) => takeOver.includes(path));
  return own.length === 0 ? {} : { takeOver: own };
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

/** A component's arguments, taken apart. */
export interface Arguments<Settings> {
  readonly settings: Settings;
  readonly onDelete: OnDelete;
  readonly configKey: string;
  /** What every resource takes. Without a connection it has no such key, so that none enters the state. */
  readonly on: { readonly host: string; readonly connection?: pulumi.Input<ConnectionArgs> };
}

/** @throws {pulumi.RunError} with all that is wrong, by the argument's path */
export function readArguments<Settings>(
  name: string,
  { host, connection, onDelete = "retain", configKey = name, ...declared }: TierArgs,
  schema: z.ZodType<Settings>,
  findProblems: (settings: Settings) => Problem[] = () => [],
): Arguments<Settings> {
  const parsed = schema.safeParse(declared);
  const problems = parsed.success ? findProblems(parsed.data) : problemsIn(schema, declared);
  requireNone(below(configKey, problems), name);
  return {
    settings: parsed.data as Settings,
    on: connection === undefined ? { host } : { host, connection },
    onDelete,
    configKey,
  };
}

/** An argument that another resource may give. The resource that gets it checks it then, not the program. */
export function orOutput<Value extends string>(schema: z.ZodType<Value, Value>) {
  const later = z
    .custom<pulumi.Output<Value> | Promise<Value>>(isLater, { abort: true })
    .transform((value) => pulumi.output(value) as pulumi.Output<Value>);
  return z.union([later, schema], { error: "must be a text, or an output" });
}

/** A section with other rows in place of some, which keep their documentation. */
export function withRows<Rows extends z.core.$ZodLooseShape, Others extends z.core.$ZodLooseShape>(
  section: z.ZodObject<Rows, z.core.$strict>,
  others: Others,
): z.ZodObject<WithRows<Rows, Others>, z.core.$strict> {
  return z.strictObject({ ...section.shape, ...others });
}
export type WithRows<Rows extends z.core.$ZodLooseShape, Others extends z.core.$ZodLooseShape> = {
  [K in keyof Rows]: K extends keyof Others ? Others[K] : Rows[K];
};

/** Whether a value is known only while the program runs. */
export function isLater(value: unknown): value is pulumi.Output<unknown> | Promise<unknown> {
  return pulumi.Output.isInstance(value) || value instanceof Promise;
}
