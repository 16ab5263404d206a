import type { Properties } from "../../providers/engine/resource.ts";
import { lifecycle } from "../../providers/engine/lifecycle.ts";
import { Session } from "../../providers/engine/session.ts";
import type { Host } from "../../providers/host/host.ts";
import { kinds } from "../../providers/kinds.ts";
import type { Declared } from "../../setup/declared.ts";
import type { StackHost } from "../../setup/stackFile.ts";

type Provider = ReturnType<typeof lifecycle>;

/** What a stack's state has of a resource. */
export interface Kept {
  readonly id: string;
  readonly inputs: Properties;
  readonly outs: Properties;
  /** It entered the state together with an error: the next `up` updates it, whatever the diff says. */
  readonly isHalfMade: boolean;
}

/** Results of check, by declaration and then by old inputs. It asks no host, so its result is always the same. */
const CHECKED = new WeakMap<Properties, Map<string, Promise<Properties>>>();

async function check(name: string, provider: Provider, olds: Properties, declared: Properties): Promise<Properties> {
  const { inputs, failures = [] } = await provider.check(olds, declared);
  if (failures.length > 0) throw new Error(`${name}: ${failures.map(({ reason }) => reason).join("\n")}`);
  return frozen(inputs as Properties);
}

function frozen<T>(value: T): T {
  if (typeof value === "object" && value !== null) Object.values(value).forEach(frozen);
  return Object.freeze(value);
}

const OURS = "pulumi-nodejs:dynamic/jts-storage:";

/** What a host has of ours, for {@link StackOnHost}: it needs no component, and none of @pulumi/command's. */
export function onlyOurs({ resources }: StackHost): ReadonlyMap<string, Declared> {
  const names = new Set(resources.map(({ name }) => name));
  return new Map(
    resources.map((one) => [
      one.name,
      { ...one, parent: undefined, dependencies: one.dependencies.filter((name) => names.has(name)) },
    ]),
  );
}

/**
 * A stand-in for Pulumi's engine, with one stack on one host. It runs what a program registered through the real
 * lifecycle, each run with one real session, and keeps the state, as the engine does:
 *
 * - `up` starts each resource as soon as its parent and dependencies are done. A resource in the state is not touched,
 *   unless its inputs changed or it is half made.
 * - `destroy` goes in waves: each removes all resources that no remaining one needs.
 * - After an error, what is under way ends and nothing else starts; with `continueOnError`, nothing that depends on it.
 *
 * It has no replacements, and no limit on what runs at the same time. Components, and resources other than our dynamic
 * ones, such as the commands of @pulumi/command, do nothing and count as done.
 */
export class StackOnHost {
  readonly state: Map<string, Kept>;
  readonly #graph: ReadonlyMap<string, Declared>;
  readonly #host: Host;

  constructor(graph: ReadonlyMap<string, Declared>, host: Host, state: ReadonlyMap<string, Kept> = new Map()) {
    this.#graph = graph;
    this.#host = host;
    this.state = new Map(state);
  }

  /** The dynamic resources of ours. */
  get resources(): string[] {
    return [...this.#graph.values()].filter(({ type }) => type.startsWith(OURS)).map(({ name }) => name);
  }

  /** @returns what failed */
  async up({ continueOnError = false } = {}): Promise<unknown[]> {
    const session = new Session(this.#host);
    const errors: unknown[] = [];
    const ends = new Map<string, Promise<boolean>>();
    const start = async (name: string): Promise<boolean> => {
      const ready = await Promise.all(this.#before(name).map(end));
      if (ready.includes(false) || (errors.length > 0 && !continueOnError)) return false;
      return this.#succeeds(errors, () => this.#createOrUpdate(name, session));
    };
    const end = (name: string): Promise<boolean> => {
      const known = ends.get(name) ?? start(name);
      ends.set(name, known);
      return known;
    };
    await Promise.all([...this.#graph.keys()].map(end));
    return errors;
  }

  /** @returns what failed */
  async destroy(): Promise<unknown[]> {
    const session = new Session(this.#host);
    const errors: unknown[] = [];
    const left = new Set(this.#graph.keys());
    while (left.size > 0 && errors.length === 0) {
      const needed = new Set([...left].flatMap((name) => this.#before(name)));
      const wave = [...left].filter((name) => !needed.has(name));
      await Promise.all(wave.map((name) => this.#succeeds(errors, () => this.#delete(name, session))));
      for (const name of wave) left.delete(name);
    }
    return errors;
  }

  /** What the host has of each resource, whether it is in the state or not; undefined: it is proved absent. */
  async look(): Promise<Map<string, Properties | undefined>> {
    const session = new Session(this.#host);
    const found = this.resources.map(async (name) => {
      const provider = this.#provider(name, session)!;
      const { outs = await this.#checked(name, provider) } = this.state.get(name) ?? {};
      return [name, (await provider.read("", outs)).props] as const;
    });
    return new Map(await Promise.all(found));
  }

  /** Its dependencies, and its parent: a child is registered after that. */
  #before(name: string): string[] {
    const { dependencies, parent } = this.#graph.get(name)!;
    return [...dependencies, ...(parent !== undefined && this.#graph.has(parent) ? [parent] : [])];
  }

  #provider(name: string, session: Session): Provider | undefined {
    const { type } = this.#graph.get(name)!;
    if (!type.startsWith(OURS)) return undefined;
    return lifecycle(kinds[type.slice(OURS.length) as keyof typeof kinds], () => session);
  }

  async #checked(name: string, provider: Provider): Promise<Properties> {
    const declared = this.#graph.get(name)!.inputs;
    const olds = this.state.get(name)?.inputs ?? {};
    const known = CHECKED.get(declared) ?? new Map<string, Promise<Properties>>();
    CHECKED.set(declared, known);
    const key = JSON.stringify(olds);
    const checked = known.get(key) ?? check(name, provider, olds, declared);
    known.set(key, checked);
    return checked;
  }

  async #createOrUpdate(name: string, session: Session): Promise<void> {
    const provider = this.#provider(name, session);
    if (provider === undefined) return;
    const inputs = await this.#checked(name, provider);
    const old = this.state.get(name);
    if (old !== undefined && !old.isHalfMade && JSON.stringify(old.inputs) === JSON.stringify(inputs)) return;
    try {
      const made =
        old === undefined
          ? await provider.create(inputs)
          : { id: old.id, ...(await provider.update(old.id, old.outs, inputs)) };
      this.#keep(name, { id: made.id, inputs, outs: made.outs!, isHalfMade: false });
    } catch (error) {
      const { id, properties } = error as { id?: string; properties?: Properties };
      if (id !== undefined && properties !== undefined)
        this.#keep(name, { id, inputs, outs: properties, isHalfMade: true });
      throw error;
    }
  }

  async #delete(name: string, session: Session): Promise<void> {
    const old = this.state.get(name);
    if (old === undefined) return;
    await this.#provider(name, session)!.delete(old.id, old.outs);
    this.state.delete(name);
  }

  /** The state is a file. */
  #keep(name: string, kept: Kept): void {
    this.state.set(name, JSON.parse(JSON.stringify(kept)) as Kept);
  }

  async #succeeds(errors: unknown[], step: () => Promise<void>): Promise<boolean> {
    try {
      await step();
      return true;
    } catch (error) {
      errors.push(error);
      return false;
    }
  }
}
