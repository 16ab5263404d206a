/** A stack's file, read without Pulumi: its hosts, what the program declares on each, and how that compares. */
import { readdir, readFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { parse } from "yaml";
import { PARTS } from "../components/tiers.ts";
import { parseHosts, type HostSettings } from "../config.ts";
import { checkInputs } from "../providers/engine/check.ts";
import { look, type Look } from "../providers/engine/lifecycle.ts";
import type { AnyKind, Properties } from "../providers/engine/resource.ts";
import type { Session } from "../providers/engine/session.ts";
import { kinds } from "../providers/kinds.ts";
import { WrongUsage } from "./command.ts";
import { declaredBy, type Declared } from "./declared.ts";
import { MissingNeed } from "./progress.ts";
import { kindOf } from "./preview/describe.ts";
import { ROOT } from "./project.ts";

/** The arguments by which a command is told its stack. */
export const STACK_OPTIONS = { stack: { type: "string" }, "config-file": { type: "string" } } as const;

/** The lines of a usage text for what is not self-explanatory in {@link STACK_OPTIONS}. */
export const STACK_USAGE = "  --config-file FILE  in place of Pulumi.STACK.yaml; --stack is not needed then";

/** A host of a stack. */
export interface StackHost {
  readonly name: string;
  readonly settings: HostSettings;
  /** Those of our kinds, in the order of the host's parts, whatever was declared side by side. */
  readonly resources: readonly HostResource[];
}

export interface HostResource extends Declared {
  readonly kind: AnyKind;
  /** As previews show it, without the host's name. */
  readonly subject: string;
}

/** How a host compares with what is declared there. No step and no refusal: as declared. */
export interface Comparison extends Required<Omit<Look, "notes">> {
  readonly resource: HostResource;
  /** As checked; none where the configuration can't be. */
  readonly inputs: Properties | undefined;
}

/** @throws {WrongUsage} where no stack is named */
export function stackFile(values: { readonly stack?: string; readonly "config-file"?: string }): string {
  const file = values["config-file"] ?? (values.stack && join(ROOT, `Pulumi.${values.stack}.yaml`));
  if (file === undefined || file === "") throw new WrongUsage("A stack is missing: --stack STACK");
  return file;
}

/** The stack that a file is of, by its name; where that isn't Pulumi.STACK.yaml, the name itself. */
export function stackOf(file: string): string {
  const name = basename(file);
  return STACK_FILE.exec(name)?.[1] ?? name;
}

const STACK_FILE = /^Pulumi\.(.+)\.yaml$/;

/**
 * The stacks that a folder has a Pulumi.STACK.yaml of, `prod-2` before `prod-10`.
 * @throws {WrongUsage} where the folder can't be read
 */
export async function stacksIn(folder: string): Promise<string[]> {
  const files = await readdir(folder).catch((error: unknown) => {
    throw new WrongUsage(`The folder of the stacks' files can't be read: ${(error as Error).message}.`);
  });
  const names = files.flatMap((name) => STACK_FILE.exec(name)?.[1] ?? []);
  return names.sort((one, other) => one.localeCompare(other, "en", { numeric: true }));
}

/**
 * Reads a stack's hosts, and runs the program for what it declares on them.
 * @param wanted the names of hosts; empty: all
 * @throws {MissingNeed} where the file is absent or can't be carried out, or has no such host
 */
export async function readStack(file: string, wanted: readonly string[]): Promise<readonly StackHost[]> {
  const text = await readFile(file, "utf8").catch(async (error: unknown) => {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT")
      throw new MissingNeed(`The stack's configuration can't be read: ${(error as Error).message}`);
    const stacks = await stacksIn(dirname(file)).catch(() => []);
    const next =
      stacks.length === 0 ? "write it, as README.md says." : `choose from ${stacks.join(", ")}, or write it.`;
    throw new MissingNeed(`There is no ${file}. Next: ${next}`);
  });
  const { sections, hosts, problems } = hostsIn(text);
  if (problems.length > 0) {
    const lines = problems.map(({ key, message }) => `  ${key}: ${message}`);
    throw new MissingNeed(`${file} can't be carried out:\n${lines.join("\n")}`);
  }
  const absent = wanted.filter((name) => hosts[name] === undefined);
  if (absent.length > 0)
    throw new MissingNeed(
      `${file} has no host ${absent.join(", ")}. Next: choose from ${Object.keys(hosts).join(", ")}.`,
    );
  const declared = await declaredOn(sections as Sections);
  return Object.entries(hosts)
    .filter(([name]) => wanted.length === 0 || wanted.includes(name))
    .map(([name, settings]) => ({ name, settings, resources: declared(name) }));
}

/**
 * What the program declares on each host.
 * @param sections the hosts, as they are written, without problems
 */
export async function declaredOn(sections: Sections): Promise<(host: string) => readonly HostResource[]> {
  const declared = await declaredIn(sections);
  return (host) => resourcesOf(host, declared);
}

/** What the program declares on all hosts, with components and all. */
async function declaredIn(sections: Sections): Promise<readonly Declared[]> {
  return [...(await declaredBy({ hosts: withoutKeys(sections) })).values()];
}

/** What the program declares for a stack's file; none where the file has problems, which `pulumi` tells. */
export async function declaredOf(file: string): Promise<readonly Declared[]> {
  const { sections, problems } = hostsIn(await readFile(file, "utf8"));
  return problems.length > 0 ? [] : declaredIn(sections as Sections);
}

/** The hosts of a stack's file, in the order in which the engine gives them to the program. */
export function hostsIn(text: string): ReturnType<typeof parseHosts> & { readonly sections: unknown } {
  let sections: unknown;
  try {
    const { config } = (parse(text) ?? {}) as { config?: Record<string, unknown> };
    sections = inEngineOrder(config?.["jts-storage:hosts"]);
  } catch (error) {
    // The lines below the first show the place, which the first names.
    const [message = ""] = (error as Error).message.split(":\n");
    return { sections, hosts: {}, problems: [{ key: "YAML", message }] };
  }
  return { sections, ...parseHosts(sections) };
}

/** All hosts, as they are written. */
type Sections = Readonly<Record<string, { readonly connection: object }>>;

/** As the engine gives it to the program: keys sorted, which is the order in which lists are made of maps. */
function inEngineOrder(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(inEngineOrder);
  if (typeof value !== "object" || value === null) return value;
  const entries = Object.entries(value).sort(([one], [other]) => (one < other ? -1 : 1));
  return Object.fromEntries(entries.map(([key, item]) => [key, inEngineOrder(item)]));
}

/** What is declared needs no keys, and their files need not be on this machine where the SSH agent has them. */
function withoutKeys(sections: Sections): Sections {
  return Object.fromEntries(
    Object.entries(sections).map(([name, section]) => [
      name,
      { ...section, connection: { ...section.connection, identityFile: undefined } },
    ]),
  );
}

const KINDS = new Map<string, AnyKind>(Object.entries(kinds));

/** Without components, and the actions of @pulumi/command. */
function resourcesOf(host: string, declared: readonly Declared[]): HostResource[] {
  const part = ({ parent = "" }: Declared) => PARTS.indexOf(parent.slice(host.length + 1));
  return declared
    .flatMap((one) => {
      const kind = KINDS.get(kindOf(one.type));
      if (kind === undefined || one.inputs.host !== host) return [];
      const subject = one.name.startsWith(`${host}-`) ? one.name.slice(host.length + 1) : one.name;
      return [{ ...one, kind, subject }];
    })
    .sort((one, other) => part(one) - part(other));
}

/**
 * By the resource's own comparison: the one that `up` and `refresh` use.
 * @throws {StorageError} where the host could not be asked
 */
export async function compare(session: Session, resource: HostResource): Promise<Comparison> {
  const { inputs, failures = [] } = checkInputs(resource.kind, {}, resource.inputs);
  if (inputs === undefined || failures.length > 0) {
    const refusals = failures.map(({ reason }) => ({ found: reason, next: "correct the configuration" }));
    return { resource, inputs: undefined, steps: [], refusals, found: {}, isAbsent: false };
  }
  return { resource, inputs, refusals: [], ...(await look(resource.kind, session, inputs)) };
}
