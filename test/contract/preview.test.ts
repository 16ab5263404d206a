import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execa } from "execa";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parseDocument, type Document } from "yaml";
import { initStack } from "../../setup/initStack.ts";
import { pulumiEnvironment, ROOT } from "../../setup/project.ts";
import { UNKNOWN } from "./providerProcess.ts";

interface PlannedResource {
  readonly urn: string;
  readonly type: string;
  readonly custom: boolean;
  readonly inputs: Readonly<Record<string, unknown>>;
  /** The provider's URN and id. */
  readonly provider?: string;
}

describe("a preview by the real engine, offline, of a stack whose state has the committed configuration", () => {
  let folder: string;
  let configFile: string;
  let env: Record<string, string>;
  let committed: string;

  const pulumi = (args: readonly string[], options = {}) =>
    execa("pulumi", [...args, "--stack", "dev", "--non-interactive", "--color", "never"], {
      cwd: ROOT,
      env,
      stdin: "ignore",
      reject: false,
      ...options,
    });

  /** What `pulumi preview` prints of the configuration with a change. */
  async function preview(
    change: (config: Document) => void,
  ): Promise<{ readonly exitCode: number | undefined; readonly said: string }> {
    const config = parseDocument(committed);
    change(config);
    await writeFile(configFile, config.toString());
    const { exitCode, stdout, stderr } = await pulumi(["preview", "--diff", "--config-file", configFile]);
    return { exitCode, said: `${stdout}\n${stderr}` };
  }

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "jts-preview-"));
    configFile = join(folder, "config.yaml");
    env = { ...pulumiEnvironment(), PULUMI_BACKEND_URL: `file://${folder}`, PULUMI_CONFIG_PASSPHRASE: "test" };
    const config = parseDocument(await readFile(join(ROOT, "Pulumi.dev.yaml"), "utf8"));
    config.set("encryptionsalt", await initStack("dev", { folder, env }));
    committed = config.toString();
    await writeFile(configFile, committed);

    const { stdout } = await pulumi(["preview", "--json", "--config-file", configFile], { reject: true });
    const { steps } = JSON.parse(stdout) as { steps: { newState: PlannedResource }[] };
    // As after an `up`: each custom resource has an id, and the inputs that it was given.
    const resources = steps.map(({ newState }) => ({
      ...newState,
      ...(newState.custom ? { id: UNKNOWN, outputs: newState.inputs } : {}),
    }));
    const providers = [...new Set(resources.flatMap(({ provider }) => provider ?? []))].map((provider) => {
      const urn = provider.slice(0, provider.lastIndexOf("::"));
      return {
        urn,
        custom: true,
        id: UNKNOWN,
        type: /::(pulumi:providers:[^:]+)::/.exec(urn)?.[1],
        inputs: { version: /default_(.*)$/.exec(urn)?.[1]?.replaceAll("_", ".") },
      };
    });
    const deployment = JSON.stringify({
      version: 3,
      deployment: { manifest: {}, resources: [...providers, ...resources] },
    }).replaceAll(UNKNOWN, "known");
    await pulumi(["stack", "import"], { input: deployment, stdin: "pipe", reject: true });
  });

  afterAll(() => rm(folder, { recursive: true, force: true }));

  it("plans no change where nothing was changed", async () => {
    const { exitCode, said } = await preview(() => undefined);
    expect(said).not.toMatch(/error|refused|isPreview/);
    expect(exitCode).toBe(0);
  });

  it("reports all that is refused at once, each with its configuration's key and the runbook", async () => {
    const { exitCode, said } = await preview((config) => {
      const hot = ["config", "jts-storage:hosts", "lab", "hot"];
      config.setIn([...hot, "device", "path"], "/dev/disk/by-id/nvme-another");
      config.setIn([...hot, "volumeGroup", "name"], "vg_other");
      config.setIn([...hot, "volumes"], { redis: { size: "10GiB" }, mongodb: { filesystem: "xfs" } });
      config.setIn(["config", "jts-storage:hosts", "lab", "warm", "label"], "another");
    });
    expect(exitCode).not.toBe(0);
    const errors = said.split("\n").filter((line) => line.startsWith("error: "));
    expect(
      errors.map((line) => line.replace(/^error: (\S+): .*; see (docs\/runbooks\/\S+\.md)$/, "$1 $2")).sort(),
    ).toEqual([
      "lab.hot.device.path docs/runbooks/move-to-a-new-disk.md",
      "lab.hot.volumeGroup.name docs/runbooks/move-to-a-new-disk.md",
      "lab.hot.volumeGroup.name docs/runbooks/move-to-a-new-disk.md",
      "lab.hot.volumeGroup.name docs/runbooks/move-to-a-new-disk.md",
      "lab.hot.volumeGroup.name docs/runbooks/move-to-a-new-disk.md",
      "lab.hot.volumes.mongodb.filesystem docs/runbooks/change-a-filesystem.md",
      "lab.hot.volumes.redis.size docs/runbooks/shrink-a-volume.md",
      "lab.warm.label docs/runbooks/change-a-filesystem.md",
    ]);
    // Other changes are reported too, and last come the errors; the engine mixes warnings of providers into them.
    expect(said).toContain("lab-hot-redis-mount");
    expect(said.trimEnd().split("\n").at(-1)).toMatch(/^(error|Warning): /);
  });

  it("refuses to destroy what is protected, before it does anything", async () => {
    const exported = JSON.parse((await pulumi(["stack", "export"], { reject: true })).stdout) as {
      deployment: { resources: (PlannedResource & { protect?: boolean })[] };
    };
    for (const resource of exported.deployment.resources)
      if (resource.type.endsWith(":Filesystem")) resource.protect = true;
    await pulumi(["stack", "import"], { input: JSON.stringify(exported), stdin: "pipe", reject: true });
    const { exitCode, stdout, stderr } = await pulumi(["destroy", "--yes", "--config-file", configFile]);
    expect(exitCode).not.toBe(0);
    expect(stderr + stdout).toMatch(/protect/);
    expect(stdout).toContain("Previewing destroy");
    expect(stdout).not.toContain("Destroying");
  });
});
