import { LocalWorkspace, type Stack } from "@pulumi/pulumi/automation/index.js";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { execa } from "execa";
import { parse, stringify } from "yaml";
import * as lab from "../../lab/lab.ts";
import { prepareStack, STATE } from "../../lab/stack.ts";
import { ROOT } from "../../setup/project.ts";

/** What an operation did: how many resources, by what was done to them, without those that stayed the same. */
export interface Outcome {
  readonly changes: Readonly<Record<string, number>>;
  readonly sshConnections: number;
  readonly said: string;
}

/** A host's settings, as the configuration has them. */
export type HostSection = Record<string, unknown>;

/** Leaves the rest of the settings away: the quicker for it. */
export function only(...sections: readonly string[]): (host: HostSection) => void {
  return (host) => {
    for (const section of ["hot", "warm", "cold", "automation"]) if (!sections.includes(section)) delete host[section];
    if (!sections.includes("tuning")) host.tuning = false;
  };
}

/** The warm tier alone: the quickest host that has a device, a filesystem and a mount. */
export function warmAlone(warm: Record<string, unknown> = {}): (host: HostSection) => void {
  return (host) => {
    only("warm")(host);
    host.warm = { ...(host.warm as object), ...warm };
  };
}

/** The hot tier with these volumes alone. */
export function hotWith(volumes: Record<string, unknown>, hot: Record<string, unknown> = {}): (host: HostSection) => void {
  return (host) => {
    only("hot")(host);
    host.hot = { ...(host.hot as object), volumes, ...hot };
  };
}

/** One after another. */
export function all(...changes: readonly ((host: HostSection) => void)[]): (host: HostSection) => void {
  return (host) => changes.forEach((change) => change(host));
}

/** A stack on the lab, with the settings of stack `dev`, through the Automation API. */
export class LabStack {
  readonly #name: string;
  readonly #user: string;
  readonly #stack: Stack;
  #configFile = "";
  #saying: (said: string) => void = () => undefined;

  private constructor(name: string, user: string, stack: Stack) {
    this.#name = name;
    this.#user = user;
    this.#stack = stack;
  }

  /** The stack as committed, with the lab's connection. */
  static async select({ name = "dev", user = "root" } = {}): Promise<LabStack> {
    await prepareStack(await lab.connection(), name);
    const stack = await LocalWorkspace.selectStack({ stackName: name, workDir: ROOT }, { envVars: lab.pulumiEnv(name) });
    const made = new LabStack(name, user, stack);
    await made.configure();
    return made;
  }

  /** Changes the host's settings for the operations to come; without a change they are the committed ones. */
  async configure(change: (host: HostSection) => void = () => undefined): Promise<void> {
    this.#configFile = await prepareStack(await lab.connection("storage-host", this.#user), this.#name);
    const committed = parse(await readFile(this.#configFile, "utf8")) as { config: { "jts-storage:hosts": { lab: HostSection } } };
    change(committed.config["jts-storage:hosts"].lab);
    await writeFile(this.#configFile, stringify(committed));
  }

  /** What an operation says that must fail. */
  async refusal(operation: () => Promise<unknown>): Promise<string> {
    try {
      await operation();
    } catch (error) {
      return (error as Error).message;
    }
    throw new Error("The operation succeeded.");
  }

  preview(): Promise<Outcome> {
    return this.#run(async (common) => ({ summary: { resourceChanges: (await this.#stack.preview(common)).changeSummary } }));
  }

  up(options: { refresh?: boolean } = {}): Promise<Outcome> {
    return this.#run((common) => this.#stack.up({ ...options, ...common }));
  }

  refresh(): Promise<Outcome> {
    return this.#run((common) => this.#stack.refresh(common));
  }

  destroy(): Promise<Outcome> {
    return this.#run((common) => this.#stack.destroy(common));
  }

  /**
   * An `up` that something happens to once it has said so many lines of resources that are or were being made.
   * @returns the error that it ended with; undefined: it was done before, or in spite of it
   */
  async upWithFault(linesBefore: number, fault: () => Promise<unknown>, options: { refresh?: boolean } = {}): Promise<Error | undefined> {
    let happening: Promise<unknown> | undefined;
    this.#saying = (said) => {
      if ((said.match(/ creat(ing|ed) \(/g)?.length ?? 0) >= linesBefore && said.includes("Updating") && happening === undefined) {
        happening = fault();
        // Told below.
        happening.catch(() => undefined);
      }
    };
    try {
      await this.#stack.up({ ...options, ...this.#common([]) });
      return undefined;
    } catch (error) {
      return error as Error;
    } finally {
      this.#saying = () => undefined;
      await happening;
    }
  }

  /** SIGKILL to the engine, as the kernel does it when memory is short. */
  async killEngine(): Promise<void> {
    await execa("pkill", ["--signal", "KILL", "--full", "--", `^pulumi .*${this.#configFile}`], { reject: false });
  }

  /** SIGKILL to every SSH connection of stacks to the lab. */
  async killConnections(): Promise<void> {
    const { port } = await lab.connection();
    await execa("pkill", ["--signal", "KILL", "--full", "--", `^ssh.* -p ${port} .*/jts-ssh-`], { reject: false });
  }

  /** `pulumi cancel`: takes back the lock of an engine that is no more. */
  cancel(): Promise<void> {
    return this.#stack.cancel();
  }

  async outputs(): Promise<Record<string, unknown>> {
    return Object.fromEntries(Object.entries(await this.#stack.outputs()).map(([name, { value }]) => [name, value]));
  }

  /** What the state holds of each resource. */
  async state(): Promise<readonly StateResource[]> {
    const exported = (await this.#stack.exportStack()) as { readonly deployment: { readonly resources?: readonly StateResource[] } };
    return exported.deployment.resources ?? [];
  }

  /** The state as it lies in the backend, with its secrets encrypted; an export by the Automation API decrypts them. */
  stateFile(): Promise<string> {
    return readFile(join(STATE, ".pulumi", "stacks", "jts-storage", `${this.#name}.json`), "utf8");
  }

  async #run(operation: (common: Common) => Promise<{ summary: { resourceChanges?: Record<string, number> } }>): Promise<Outcome> {
    const before = await lab.sshConnectionsAccepted();
    const said: string[] = [];
    const { summary } = await operation(this.#common(said));
    const { same: _same, ...changes } = summary.resourceChanges ?? {};
    return { changes, sshConnections: (await lab.sshConnectionsAccepted()) - before, said: said.join("") };
  }

  #common(said: string[]): Common {
    const onOutput = (text: string) => {
      said.push(text);
      this.#saying(said.join(""));
    };
    // With secrets shown, the history that is read afterwards would write its salt into the committed configuration.
    return { configFile: this.#configFile, color: "never", showSecrets: false, onOutput };
  }
}

/** What every operation of the Automation API is told. */
interface Common {
  readonly configFile: string;
  readonly color: "never";
  readonly showSecrets: false;
  readonly onOutput: (text: string) => void;
}

/** Besides these, what the engine keeps of the program's own call stack. */
export interface StateResource {
  readonly urn: string;
  readonly type: string;
  readonly inputs?: Record<string, unknown>;
  readonly outputs?: Record<string, unknown>;
}
