import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { EngineEvent } from "@pulumi/pulumi/automation/index.js";
import { execa } from "execa";
import { parseDocument } from "yaml";
import { roomsOf } from "../explain/capacity.ts";
import { initStack } from "../initStack.ts";
import { pulumiEnvironment, ROOT } from "../project.ts";
import { hostsIn } from "../stackFile.ts";
import { isViolation, readPlan, type Plan } from "./plan.ts";

export interface PreviewOptions {
  /** A folder for this run only. */
  readonly folder: string;
  /** URL of the backend whose state to compare with; undefined: an empty one in the folder. */
  readonly backend: string | undefined;
  /** The folder of a policy pack, and the file with its settings. Default: no policies. */
  readonly policies?: { readonly pack: string; readonly config?: string } | undefined;
  /** Stops the preview. */
  readonly signal: AbortSignal;
}

/** Exit code of `pulumi` where the backend doesn't have the stack. */
const NO_SUCH_STACK = 6;

/** Previews a stack. What goes wrong is an error of the plan. @throws only the signal's reason */
export async function previewStack(stack: string, options: PreviewOptions): Promise<Plan> {
  try {
    return await runPreview(stack, options);
  } catch (error) {
    options.signal.throwIfAborted();
    return failure(stack, [(error as Error).message]);
  }
}

/** Runs `pulumi preview` without a refresh, so that it reaches no host. */
async function runPreview(stack: string, options: PreviewOptions): Promise<Plan> {
  const { folder, backend, policies, signal } = options;
  const committed = await readFile(join(ROOT, `Pulumi.${stack}.yaml`), "utf8");
  const config = parseDocument(committed);
  if (config.errors.length > 0)
    return failure(
      stack,
      config.errors.map(({ message }) => `Pulumi.${stack}.yaml: ${message.trimEnd()}`),
    );
  // A copy, since `pulumi` may write into it.
  const configFile = join(folder, `Pulumi.${stack}.yaml`);
  let env: Record<string, string> = { ...pulumiEnvironment(), PULUMI_ENABLE_STREAMING_JSON_PREVIEW: "true" };
  if (backend === undefined) {
    env = { ...env, ...emptyBackend(folder) };
    await mkdir(join(folder, "state"), { recursive: true });
    config.set("encryptionsalt", await initStack(stack, { folder: join(folder, stack), env, signal }));
    await writeFile(configFile, config.toString());
  } else {
    env = { ...env, PULUMI_BACKEND_URL: backend };
    await writeFile(configFile, committed);
  }
  const { stdout, stderr, exitCode } = await execa(
    "pulumi",
    [
      "preview",
      "--json",
      "--non-interactive",
      "--color",
      "never",
      "--refresh=false",
      "--stack",
      stack,
      "--config-file",
      configFile,
      ...(policies === undefined ? [] : ["--policy-pack", policies.pack]),
      ...(policies?.config === undefined ? [] : ["--policy-pack-config", policies.config]),
    ],
    {
      cwd: ROOT,
      env,
      stdin: "ignore",
      reject: false,
      lines: true,
      cancelSignal: signal,
    },
  );
  signal.throwIfAborted();
  if (backend !== undefined && exitCode === NO_SUCH_STACK) {
    return {
      ...(await runPreview(stack, { ...options, backend: undefined })),
      note: "The backend doesn't have this stack yet: everything shows as new.",
    };
  }
  const plan = { ...readPlan(stack, stdout.flatMap(parseEvent)), capacity: capacityIn(committed) };
  if (exitCode === 0 || (plan.errors.length > 0 && plan.errors.every(isViolation)))
    return backend === undefined ? { ...plan, note: "Compared with an empty state: everything shows as new." } : plan;
  const said =
    stderr
      .join("\n")
      .trim()
      .replace(/^error: /, "") || `pulumi preview ended with exit code ${exitCode}.`;
  const note = plan.changes.length === 0 ? {} : { note: "The plan is incomplete: it ends at the error." };
  return { ...plan, ...note, errors: plan.errors.length > 0 ? plan.errors : [said] };
}

/** Of each host without problems. */
function capacityIn(committed: string): NonNullable<Plan["capacity"]> {
  return Object.fromEntries(
    Object.entries(hostsIn(committed).hosts).map(([name, settings]) => [name, roomsOf(settings)]),
  );
}

/** A backend in the run's folder. Its passphrase is not a secret: both are deleted after the run. */
function emptyBackend(folder: string): Record<string, string> {
  return { PULUMI_BACKEND_URL: `file://${join(folder, "state")}`, PULUMI_CONFIG_PASSPHRASE: "jts-preview" };
}

/** A line that isn't an event is something that the program printed. */
function parseEvent(line: string): EngineEvent[] {
  try {
    return [JSON.parse(line) as EngineEvent];
  } catch {
    return [];
  }
}

function failure(stack: string, errors: readonly string[]): Plan {
  return { stack, changes: [], unchanged: 0, outputs: {}, warnings: [], errors };
}
