/** The stack's configuration, collected from its sections. Every error names its key path, and all come at once. */
import * as pulumi from "@pulumi/pulumi";
import { z } from "zod";
import { findAutomationProblems } from "./components/automation/problems.ts";
import { automationSettings } from "./components/automation/settings.ts";
import { below, problemsIn, requireNone, type Problem } from "./components/problem.ts";
import { findConnectionProblems } from "./components/remote.ts";
import { findTierProblems, tierSections } from "./components/tiers.ts";
import { tuningSettings } from "./components/tuning/settings.ts";
import { connectionSchema } from "./providers/values/connection.ts";
import { onDelete } from "./providers/values/fields.ts";

const SECTIONS = {
  connection: connectionSchema,
  onDelete,
  ...tierSections,
  /** False: the kernel stays as it is. Left out: the JTS values, where there is a hot tier. */
  tuning: z.union([z.literal(false), tuningSettings]).prefault({}),
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
  return { hosts, problems: [...problems, ...findSharedAddresses(hosts)] };
}

function parseHost(name: string, value: unknown): { readonly settings?: HostSettings; readonly problems: Problem[] } {
  if (!/^[a-z0-9][a-z0-9-]*$/i.test(name))
    return { problems: [{ key: name, message: "is not a valid host name: letters, digits and -" }] };
  if (!isRecord(value)) return { problems: [{ key: name, message: "must hold the host's connection and tiers" }] };
  const problems: Problem[] = [];
  for (const key of Object.keys(value))
    if (!(key in SECTIONS))
      problems.push({ key, message: `is unknown; a host takes ${Object.keys(SECTIONS).join(", ")}` });
  // Each section by itself, so that a mistake in one doesn't hide those in another.
  const sections: Record<string, unknown> = {};
  for (const [key, schema] of Object.entries<z.ZodType>(SECTIONS)) {
    const parsed = schema.safeParse(value[key]);
    if (parsed.success) sections[key] = parsed.data;
    else problems.push(...below(key, problemsIn(value[key], parsed.error)));
  }
  const settings = sections as Partial<HostSettings>;
  if (settings.connection !== undefined)
    problems.push(...below("connection", findConnectionProblems(settings.connection)));
  problems.push(...findTierProblems(settings));
  // A warm tier that could not be read is still one.
  const isWarmUnread = value.warm !== undefined && settings.warm === undefined;
  if (settings.automation !== undefined && !isWarmUnread)
    problems.push(...below("automation", findAutomationProblems(settings.automation, settings)));
  return problems.length === 0 ? { settings: settings as HostSettings, problems } : { problems: below(name, problems) };
}

/** One writer a machine: two names for one would each think that it is theirs. */
function findSharedAddresses(hosts: Record<string, HostSettings>): Problem[] {
  const seen = new Map<string, string>();
  return Object.entries(hosts).flatMap(([name, { connection }]) => {
    const address = `${connection.host}:${connection.port}`;
    const other = seen.get(address);
    if (other !== undefined)
      return [{ key: `${name}.connection.host`, message: `${address} is already ${other}'s; one machine is one host` }];
    seen.set(address, name);
    return [];
  });
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
