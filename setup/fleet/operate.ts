/** One operation on one stack, through Pulumi's Automation API. */
import { createWriteStream } from "node:fs";
import { join } from "node:path";
import { LocalWorkspace, PulumiCommand, Stack, type EngineEvent } from "@pulumi/pulumi/automation/index.js";
import { countOperations, readPlan, type Plan } from "../preview/plan.ts";
import { ROOT } from "../project.ts";
import type { StackRun } from "./run.ts";

interface Options {
  readonly configFile: string;
  readonly color: "never";
  readonly onEvent: (event: EngineEvent) => void;
  readonly onOutput: (text: string) => void;
  readonly onError: (text: string) => void;
  readonly signal: AbortSignal;
}

/** What the engine is asked to do. What `drift` is, is said here and in {@link resultOf}. */
const OPERATIONS = {
  preview: (stack: Stack, options: Options) => stack.preview({ ...options, refresh: false }),
  up: (stack: Stack, options: Options) => stack.up(options),
  refresh: (stack: Stack, options: Options) => stack.refresh(options),
  drift: (stack: Stack, options: Options) => stack.preview({ ...options, refresh: true }),
};

export type Operation = keyof typeof OPERATIONS;
export const OPERATION_NAMES = Object.keys(OPERATIONS) as Operation[];

function resultOf(operation: Operation, { changes }: Plan): "ok" | "drifted" {
  return operation === "drift" && changes.length > 0 ? "drifted" : "ok";
}

export interface OperateOptions {
  /** Holds the Pulumi.STACK.yaml. */
  readonly configFolder: string;
  /** Gets the log. */
  readonly folder: string;
  /** Sends `pulumi` one SIGINT: it finishes what it has begun, and begins nothing more. */
  readonly signal: AbortSignal;
  readonly onEvent: (event: EngineEvent) => void;
}

/** What `pulumi` did, and what it said of it. What goes wrong is in the result. */
export async function operate(
  operation: Operation,
  name: string,
  { configFolder, folder, signal, onEvent }: OperateOptions,
): Promise<{ readonly run: StackRun; readonly plan: Plan }> {
  const began = Date.now();
  const log = join(folder, `${name}.${operation}.log`);
  const file = createWriteStream(log);
  const events: EngineEvent[] = [];
  let said = "";
  let thrown: string | undefined;
  try {
    const stack = await stackOf(name);
    signal.throwIfAborted();
    await OPERATIONS[operation](stack, {
      configFile: join(configFolder, `Pulumi.${name}.yaml`),
      color: "never",
      onEvent: (event) => {
        events.push(event);
        onEvent(event);
      },
      onOutput: (text) => void file.write(text),
      onError: (text) => {
        file.write(text);
        said += text;
      },
      signal,
    });
  } catch (error) {
    thrown = (error as Error).message;
  } finally {
    await new Promise((resolve) => file.end(resolve));
  }
  const plan = readPlan(name, stepsOf(operation, events));
  const seconds = Math.round((Date.now() - began) / 100) / 10;
  const common = { changes: Object.fromEntries(countOperations(plan.changes)), seconds, log };
  if (thrown === undefined && plan.errors.length === 0)
    return { plan, run: { result: resultOf(operation, plan), ...common } };
  const error = firstLine(plan.errors[0] ?? /^error: (.*)/m.exec(said)?.[1] ?? (said.trim() || (thrown ?? "")));
  return { plan, run: { result: signal.aborted ? "stopped" : "failed", ...common, error } };
}

/** Without what was only read. Of a `refresh`, the end of a step says what it found, and its begin nothing. */
function stepsOf(operation: Operation, events: readonly EngineEvent[]): EngineEvent[] {
  if (operation !== "refresh") return events.filter(({ resourcePreEvent: step }) => step?.metadata.op !== "refresh");
  return events
    .filter(({ resourcePreEvent }) => resourcePreEvent === undefined)
    .map((event) =>
      event.resOutputsEvent === undefined ? event : { ...event, resourcePreEvent: event.resOutputsEvent },
    );
}

/** The Automation API's view of a stack that the backend has. */
async function stackOf(name: string): Promise<Stack> {
  command ??= PulumiCommand.get({ root: join(ROOT, "setup", "fleet") });
  const workspace = await LocalWorkspace.create({ workDir: ROOT, pulumiCommand: await command });
  // Each call names its stack. To select it would change which one is the user's, and stacks would write it over each
  // other's.
  workspace.selectStack = () => Promise.resolve();
  const stack = await Stack.select(name, workspace);
  // Each of these is another start of the CLI, for what nobody reads here.
  stack.outputs = () => Promise.resolve({});
  stack.info = () => Promise.resolve(undefined);
  return stack;
}

let command: Promise<PulumiCommand> | undefined;

function firstLine(text: string): string {
  return text.trim().split("\n")[0] ?? "";
}
