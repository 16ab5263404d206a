/**
 * `npm run preview`: what `pulumi up` would do to each stack, from its committed configuration. It reaches no host and,
 * once the tools are there, no network. USAGE says how.
 */
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { availableParallelism } from "node:os";
import { join, resolve } from "node:path";
import { command, writeNamed, WrongUsage } from "../setup/command.ts";
import { renderMarkdown } from "../setup/preview/markdown.ts";
import type { Plan } from "../setup/preview/plan.ts";
import { previewStack, type PreviewOptions } from "../setup/preview/run.ts";
import { printPlan, summarizePlan } from "../setup/preview/text.ts";
import { prepare } from "../setup/prepare.ts";
import { MissingNeed } from "../setup/progress.ts";
import { MADE, ROOT } from "../setup/project.ts";
import { stacksIn } from "../setup/stackFile.ts";
import { tools } from "../setup/tools.ts";

const USAGE = `Usage: npm run preview [-- OPTION… STACK…]

Prints what \`pulumi up\` would do to each STACK, without reaching a host. Default: each Pulumi.STACK.yaml.

  --markdown FILE   also write it to FILE as the body of a comment on a pull request; may be given more than once
  --backend URL     compare with the state there (default: $JTS_PREVIEW_BACKEND); without a backend, everything shows
                    as new. The stack's secrets need PULUMI_CONFIG_PASSPHRASE, or what else the backend asks for
  --policy          check the policies of policy/, too: violations are errors where a policy is mandatory, else warnings
  --policy-pack FOLDER    check those of the policy pack in FOLDER in their place
  --policy-config FILE    the policies' levels and settings, as JSON; policy/README.md says which there are

Exit status: 0 every stack can be carried out · 1 a stack can't, or violates a mandatory policy; its errors are printed
with it · 2 wrong usage
`;

await command(
  USAGE,
  {
    markdown: { type: "string", multiple: true, default: [] },
    backend: { type: "string" },
    policy: { type: "boolean", default: false },
    "policy-pack": { type: "string" },
    "policy-config": { type: "string" },
  },
  async ({ values, positionals }) => {
    const policies = choosePolicies(
      values["policy-pack"] ?? (values.policy ? join(ROOT, "policy") : undefined),
      values["policy-config"],
    );
    const stacks = await chooseStacks(positionals);
    await prepare(tools);
    // An unset variable of a workflow arrives as an empty one.
    const backend = (values.backend ?? process.env.JTS_PREVIEW_BACKEND) || undefined;
    const plans = await previewAll(stacks, { backend, policies });
    for (const file of values.markdown) await writeNamed(file, renderMarkdown(plans));
    if (plans.length > 1) for (const plan of plans) console.log(`${plan.stack}: ${summarizePlan(plan)}`);
    return plans.some(({ errors }) => errors.length > 0) ? 1 : 0;
  },
);

/** @throws {MissingNeed} where a file of theirs is absent */
function choosePolicies(pack: string | undefined, config: string | undefined): PreviewOptions["policies"] {
  if (pack === undefined) {
    if (config === undefined) return undefined;
    throw new WrongUsage("--policy-config is about policies; add --policy.");
  }
  for (const file of [join(pack, "PulumiPolicy.yaml"), ...(config === undefined ? [] : [config])])
    if (!existsSync(file)) throw new MissingNeed(`There is no ${file}.`);
  return { pack: resolve(pack), ...(config === undefined ? {} : { config: resolve(config) }) };
}

async function chooseStacks(wanted: readonly string[]): Promise<string[]> {
  const all = await stacksIn(ROOT);
  if (all.length === 0) throw new MissingNeed(`There is no Pulumi.STACK.yaml in ${ROOT}.`);
  const absent = wanted.filter((stack) => !all.includes(stack));
  if (absent.length > 0)
    throw new MissingNeed(
      `There is no ${absent.map((stack) => `Pulumi.${stack}.yaml`).join(", ")}; the stacks are ${all.join(", ")}.`,
    );
  return wanted.length === 0 ? all : [...new Set(wanted)];
}

/** Previews as many stacks at a time as there are processors, and prints them in their order. */
async function previewAll(
  stacks: readonly string[],
  options: Pick<PreviewOptions, "backend" | "policies">,
): Promise<Plan[]> {
  await mkdir(MADE, { recursive: true });
  const folder = await mkdtemp(join(MADE, "preview-"));
  const stop = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const)
    process.on(signal, () => stop.abort(new MissingNeed("Stopped.")));
  const plans: Plan[] = [];
  let next = 0;
  let printed = 0;
  const work = async () => {
    for (let index = next++; index < stacks.length; index = next++) {
      plans[index] = await previewStack(stacks[index]!, { folder, ...options, signal: stop.signal });
      for (let plan = plans[printed]; plan !== undefined; plan = plans[++printed]) console.log(`${printPlan(plan)}\n`);
    }
  };
  try {
    await Promise.all(Array.from({ length: availableParallelism() }, work));
    return plans;
  } finally {
    stop.abort();
    await rm(folder, { recursive: true, force: true });
  }
}
