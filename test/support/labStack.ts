import { LocalWorkspace, type Stack } from "@pulumi/pulumi/automation/index.js";
import { readFile, writeFile } from "node:fs/promises";
import { parse, stringify } from "yaml";
import * as lab from "../../lab/lab.ts";
import { prepareStack } from "../../lab/stack.ts";
import { ROOT } from "../../setup/project.ts";

/** What an operation did: how many resources, by what was done to them, without those that stayed the same. */
export interface Outcome {
  readonly changes: Readonly<Record<string, number>>;
  readonly sshConnections: number;
  readonly said: string;
}

/** A host's settings, as the configuration has them. */
export type HostSection = Record<string, unknown>;

/** Stack `dev` on the lab, through the Automation API. */
export class LabStack {
  readonly #stack: Stack;
  readonly #configFile: string;

  private constructor(stack: Stack, configFile: string) {
    this.#stack = stack;
    this.#configFile = configFile;
  }

  /** The stack as committed, with the lab's connection. */
  static async select(): Promise<LabStack> {
    const configFile = await prepareStack(await lab.connection());
    const stack = await LocalWorkspace.selectStack({ stackName: "dev", workDir: ROOT }, { envVars: lab.pulumiEnv() });
    return new LabStack(stack, configFile);
  }

  /** Changes the host's settings for the operations to come; without a change they are the committed ones. */
  async configure(change: (host: HostSection) => void = () => undefined): Promise<void> {
    const committed = parse(await readFile(await prepareStack(await lab.connection()), "utf8")) as { config: { "jts-storage:hosts": { lab: HostSection } } };
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

  async outputs(): Promise<Record<string, unknown>> {
    return Object.fromEntries(Object.entries(await this.#stack.outputs()).map(([name, { value }]) => [name, value]));
  }

  /** What the state holds of each resource. */
  async state(): Promise<readonly StateResource[]> {
    const exported = (await this.#stack.exportStack()) as { readonly deployment: { readonly resources?: readonly StateResource[] } };
    return exported.deployment.resources ?? [];
  }

  async #run(operation: (common: { readonly configFile: string; readonly color: "never"; readonly showSecrets: false; readonly onOutput: (text: string) => void }) => Promise<{ summary: { resourceChanges?: Record<string, number> } }>): Promise<Outcome> {
    const before = await lab.sshConnectionsAccepted();
    const said: string[] = [];
    // With secrets shown, the history that is read afterwards would write its salt into the committed configuration.
    const { summary } = await operation({ configFile: this.#configFile, color: "never", showSecrets: false, onOutput: (text) => said.push(text) });
    const { same: _same, ...changes } = summary.resourceChanges ?? {};
    return { changes, sshConnections: (await lab.sshConnectionsAccepted()) - before, said: said.join("") };
  }
}

/** Besides these, what the engine keeps of the program's own call stack. */
export interface StateResource {
  readonly urn: string;
  readonly type: string;
  readonly inputs?: Record<string, unknown>;
  readonly outputs?: Record<string, unknown>;
}
