/** The stack's configuration, collected from its sections. Every error names its key path, and all come at once. */
import { readFileSync } from "node:fs";
import { isDeepStrictEqual } from "node:util";
import * as pulumi from "@pulumi/pulumi";
import { z } from "zod";
import { findAutomationProblems } from "./components/automation/problems.ts";
import { automationSettings } from "./components/automation/settings.ts";
import { automationFiles } from "./components/automation/timers.ts";
import { exportsOf, placeOnServer, sharesFiles, withConnections } from "./components/cold/layout.ts";
import { below, problemsIn, requireNone, unknownKey, type Problem } from "./components/problem.ts";
import { findConnectionProblems } from "./components/remote.ts";
import { findTierProblems, tierSections } from "./components/tiers.ts";
import { tuningFiles } from "./components/tuning/hostTuning.ts";
import { tuningSettings } from "./components/tuning/settings.ts";
import { connectionSchema } from "./providers/values/connection.ts";
import { onDelete, path } from "./providers/values/fields.ts";

/** What a host takes. */
export const SECTIONS = {
  /** How the host is reached. */
  connection: connectionSchema,
  /**
   * What `destroy`, and removal from the configuration, do to what holds data: `retain` leaves it, `wipe` takes it back
   * to blank disks, `protect` refuses. Obeyed as the state has it: an `up` must have set it before.
   */
  onDelete,
  /**
   * Files of somebody else that an `up` may replace where it would write its own: units, files and links, by their
   * absolute paths. Each is kept on the host as it was, and `destroy` puts it back. A file that isn't named here is
   * refused. Once an `up` has replaced it, the path has no effect, and may go.
   */
  takeOver: z.array(path).default([]),
  ...tierSections,
  /**
   * Whether Debian's packages that are missing are installed. Otherwise what can't be done without one fails, by its
   * name.
   */
  packages: z.boolean().default(true),
  /**
   * Settings of the kernel; false leaves it as it is.
   * @default the JTS values, where there is a hot tier
   */
  tuning: z.union([z.literal(false), tuningSettings]).prefault({}),
  /** Moves between the tiers, backups, archives and health checks. Needs the warm tier; `{}` takes all defaults. */
  automation: automationSettings.optional(),
};

export type HostSettings = { readonly [K in keyof typeof SECTIONS]: z.infer<(typeof SECTIONS)[K]> };

/** The hosts of the stack that is worked on. @throws {pulumi.RunError} with every problem. */
export function readHosts(): Record<string, HostSettings> {
  const { hosts, problems } = parseHosts(new pulumi.Config("jts-storage").requireObject("hosts"));
  requireNone(problems, "The configuration of jts-storage:hosts");
  return hosts;
}

/** Reads the hosts without Pulumi; with problems, the hosts that have some are left out. */
export function parseHosts(value: unknown): {
  readonly hosts: Record<string, HostSettings>;
  readonly problems: readonly Problem[];
} {
  if (!isRecord(value) || Object.keys(value).length === 0) {
    return {
      hosts: {},
      problems: [{ key: "jts-storage:hosts", message: "must map at least one host's name to its storage" }],
    };
  }
  const hosts: Record<string, HostSettings> = {};
  const problems: Problem[] = [];
  for (const [name, section] of Object.entries(value)) {
    const host = parseHost(name, section);
    problems.push(...host.problems);
    if (host.settings !== undefined) hosts[name] = host.settings;
  }
  return { hosts, problems: [...problems, ...findSharedAddresses(hosts), ...findSharedArchives(hosts)] };
}

function parseHost(name: string, value: unknown): { readonly settings?: HostSettings; readonly problems: Problem[] } {
  if (!/^[a-z0-9][a-z0-9-]*$/i.test(name))
    return { problems: [{ key: name, message: "is not a valid host name: letters, digits and -" }] };
  if (!isRecord(value)) return { problems: [{ key: name, message: "must hold the host's connection and tiers" }] };
  const problems: Problem[] = [];
  for (const key of Object.keys(value))
    if (!Object.hasOwn(SECTIONS, key)) problems.push({ key, message: unknownKey(key, Object.keys(SECTIONS)) });
  // Each section by itself, so that a mistake in one doesn't hide those in another.
  const sections: Record<string, unknown> = {};
  for (const [key, schema] of Object.entries<z.ZodType>(SECTIONS)) {
    const parsed = schema.safeParse(value[key]);
    if (parsed.success) sections[key] = parsed.data;
    else
      problems.push(
        ...below(
          key,
          problemsIn(schema, value[key], (path) => descriptionOf([key, ...path])),
        ),
      );
  }
  const settings = withMountOf(sections);
  problems.push(...findConnectionsTwice(sections));
  // Only what automation needs goes by @pulumi/command.
  if (settings.connection !== undefined && value.automation !== undefined)
    problems.push(...below("connection", findConnectionProblems(settings.connection)));
  problems.push(...findTierProblems(settings));
  // The defaults say nothing: a host without a hot tier has them too.
  if (value.hot === undefined && settings.tuning && !isDeepStrictEqual(settings.tuning, SECTIONS.tuning.parse({})))
    problems.push({ key: "tuning", message: "is applied with the hot tier, and there is none; leave it out" });
  // A tier that could not be read is still one.
  const isUnread = Object.keys(tierSections).some((key) => key in value && !(key in sections));
  if (settings.automation !== undefined && !isUnread)
    problems.push(...below("automation", findAutomationProblems(settings.automation, settings)));
  if (value.automation === undefined)
    for (const { prefix, holds } of exportsOf(settings.cold))
      if (holds.length > 0)
        problems.push({
          key: `cold.${prefix}holds`,
          message: "is about what automation archives, and there is none; leave it out, or add automation: {}",
        });
  // What is declared is known only where all of it could be read.
  if (problems.length === 0) problems.push(...below("takeOver", findTakeOverProblems(settings as HostSettings)));
  return problems.length === 0 ? { settings: settings as HostSettings, problems } : { problems: below(name, problems) };
}

/** The settings, in which the cold tier's mount has what `automation.transfers` says of it. */
function withMountOf(settings: Partial<HostSettings>): Partial<HostSettings> {
  const { cold, automation } = settings;
  return cold === undefined ? settings : { ...settings, cold: withConnections(cold, automation?.transfers?.nconnect) };
}

/** What the component accepts, since another part of the program makes the mount: the same number, written twice. */
function findConnectionsTwice({ cold, automation }: Partial<HostSettings>): Problem[] {
  const option = `nconnect=${automation?.transfers?.nconnect}`;
  if (cold?.options.includes(option) !== true) return [];
  const message = `the cold tier's options have ${option} already; leave out one of them`;
  return [{ key: "automation.transfers.nconnect", message }];
}

/** Paths at which no resource of the host has a file. */
function findTakeOverProblems({ takeOver, hot, tuning, automation, ...rest }: HostSettings): Problem[] {
  const files = [
    ...(hot && tuning ? tuningFiles(hot, tuning) : []),
    ...(automation ? automationFiles({ hot, ...rest }, automation) : []),
  ];
  const known = files.length === 0 ? "none is" : `these are: ${files.join(", ")}`;
  return takeOver.flatMap((one, index) =>
    files.includes(one) ? [] : [{ key: String(index), message: `${one} is no file of this host's stack; ${known}` }],
  );
}

interface JsonSchema {
  readonly description?: string;
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly additionalProperties?: JsonSchema | boolean;
  readonly items?: JsonSchema;
  readonly anyOf?: readonly JsonSchema[];
  readonly oneOf?: readonly JsonSchema[];
}

/** What the schema for editors says of a key of a host. It is read only where one is missing. */
function descriptionOf(path: readonly PropertyKey[]): string | undefined {
  const file = new URL("docs/configuration.schema.json", import.meta.url);
  const { definitions } = JSON.parse(readFileSync(file, "utf8")) as { definitions: { host: JsonSchema } };
  const step = (at: JsonSchema | undefined, key: PropertyKey): JsonSchema | undefined => {
    if (at === undefined) return undefined;
    const { properties, additionalProperties, items, anyOf = [], oneOf = [] } = at;
    const any = typeof additionalProperties === "object" ? additionalProperties : items;
    return (
      properties?.[String(key)] ??
      any ??
      [...anyOf, ...oneOf].map((one) => step(one, key)).find((one) => one !== undefined)
    );
  };
  return path.reduce<JsonSchema | undefined>(step, definitions.host)?.description;
}

/** One writer a machine: two names for one would each think that it is theirs. */
function findSharedAddresses(hosts: Record<string, HostSettings>): Problem[] {
  const seen = new Map<string, string>();
  return Object.entries(hosts).flatMap(([name, { connection }]) => {
    const address = `${connection.host.toLowerCase().replace(/\.$/, "")}:${connection.port}`;
    const other = seen.get(address);
    if (other !== undefined)
      return [{ key: `${name}.connection.host`, message: `${address} is already ${other}'s; one machine is one host` }];
    seen.set(address, name);
    return [];
  });
}

/** Archives are named by volume: in one folder, each host would offer, and restore, those of the other. */
function findSharedArchives(hosts: Record<string, HostSettings>): Problem[] {
  const claims = Object.entries(hosts).flatMap(([name, { cold, automation }]) =>
    (automation === undefined ? [] : exportsOf(cold)).flatMap((one) => {
      const place = placeOnServer(one);
      return place === undefined ? [] : [{ name, prefix: one.prefix, ...place }];
    }),
  );
  return claims.flatMap((claim, index) => {
    const { name, prefix, server, path } = claim;
    const other = claims.slice(0, index).find((earlier) => earlier.name !== name && sharesFiles(claim, earlier));
    if (other === undefined) return [];
    const message =
      `${server}:${path} is, or shares files with, the folder of ${other.name}.cold.${other.prefix}root, ${other.path}; ` +
      "give each host a root of its own, and move there on the server what is this host's";
    return [{ key: `${name}.cold.${prefix}root`, message }];
  });
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
