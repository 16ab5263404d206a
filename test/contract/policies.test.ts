import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execa } from "execa";
import type { EngineEvent } from "@pulumi/pulumi/automation/index.js";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { stringify } from "yaml";
import { initStack } from "../../setup/initStack.ts";
import { readPlan, type Plan } from "../../setup/preview/plan.ts";
import { previewStack } from "../../setup/preview/run.ts";
import { pulumiEnvironment, ROOT } from "../../setup/project.ts";
import { BAD, GOOD } from "../support/policedHosts.ts";

const PACK = join(ROOT, "policy");

/** Each preview starts the engine, this program, and Pulumi's runner of policies with a TypeScript compiler. */
describe("policies in a preview by the real engine, offline", { timeout: 300_000 }, () => {
  let folder: string;
  let env: Record<string, string>;
  let salt: string;

  /** The names in messages of policies. */
  const namesIn = (messages: readonly string[]) =>
    messages.map((message) => /^policy ([a-z-]+)[,:]/.exec(message)?.[1] ?? message);

  /** Of the stack prod, which has these hosts. */
  async function preview(
    hosts: unknown,
    ...options: readonly string[]
  ): Promise<{ readonly exitCode: number | undefined; readonly plan: Plan }> {
    const configFile = join(folder, "config.yaml");
    await writeFile(configFile, stringify({ config: { "jts-storage:hosts": hosts }, encryptionsalt: salt }));
    const { exitCode, stdout } = await execa(
      "pulumi",
      ["preview", "--json", "--stack", "prod", "--config-file", configFile, "--policy-pack", PACK, ...options],
      {
        cwd: ROOT,
        env: { ...env, PULUMI_ENABLE_STREAMING_JSON_PREVIEW: "true" },
        stdin: "ignore",
        reject: false,
        lines: true,
      },
    );
    const events = stdout.filter((line) => line.startsWith("{")).map((line) => JSON.parse(line) as EngineEvent);
    return { exitCode, plan: readPlan("prod", events) };
  }

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "jts-policies-"));
    env = { ...pulumiEnvironment(), PULUMI_BACKEND_URL: `file://${folder}`, PULUMI_CONFIG_PASSPHRASE: "test" };
    salt = await initStack("prod", { folder, env });
  });

  afterAll(() => rm(folder, { recursive: true, force: true }));

  it("have nothing against a host as they want it", async () => {
    const { exitCode, plan } = await preview(GOOD);
    expect(plan.errors).toEqual([]);
    expect(plan.warnings).toEqual([]);
    expect(exitCode).toBe(0);
    expect(plan.changes.length).toBeGreaterThan(60);
  });

  it("stop a preview, with all that they have against the host, and with what only the configuration says", async () => {
    const { exitCode, plan } = await preview(BAD);
    expect(exitCode).not.toBe(0);
    expect(namesIn(plan.errors)).toEqual([
      ...["databases-are-archived", "databases-are-archived", "databases-are-archived"],
      ...["devices-have-stable-names", "devices-have-stable-names"],
      ...["health-is-checked", "nfs-mounts-are-hard", "prod-data-is-retained"],
    ]);
    for (const message of [...plan.errors, ...plan.warnings]) expect(message).toMatch(/ Next: .*\.$/);
    expect(namesIn(plan.warnings)).toEqual([
      ...["caches-are-archived", "host-keys-are-no-placeholders", "login-is-not-root", "network-mounts-give-no-rights"],
    ]);
    expect(plan.errors).toContainEqual(expect.stringMatching(/^policy devices-have-stable-names, trading-hot-pv: /));
    expect(Object.keys(plan.outputs)).toEqual(["hosts"]);
  });

  it("take levels and settings from a file", async () => {
    const config = join(folder, "policies.json");
    await writeFile(
      config,
      JSON.stringify({ all: "disabled", "prod-data-is-retained": { enforcementLevel: "advisory", stacks: "^p" } }),
    );
    const { exitCode, plan } = await preview(BAD, "--policy-pack-config", config);
    expect(exitCode).toBe(0);
    expect(plan.errors).toEqual([]);
    expect(namesIn(plan.warnings)).toEqual(["prod-data-is-retained"]);
  });

  it("are part of `npm run preview`: of the committed stacks they want, at most, the hosts' own device paths", async () => {
    const plans = [];
    for (const stack of ["dev", "prod"]) {
      const own = join(folder, stack);
      await mkdir(own);
      const options = { folder: own, backend: undefined, policies: { pack: PACK } };
      plans.push(await previewStack(stack, { ...options, signal: new AbortController().signal }));
    }
    const [dev, prod] = plans;
    expect(dev?.errors).toEqual([]);
    // Until somebody writes what `ls -l /dev/disk/by-id` prints there, as the file's first lines ask for.
    expect(namesIn(prod?.errors ?? []).filter((name) => name !== "devices-have-stable-names")).toEqual([]);
    for (const plan of plans) expect(plan.note).toMatch(/^Compared with an empty state/);
  });
});
