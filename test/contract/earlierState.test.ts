import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execa } from "execa";
import { afterAll, beforeAll, expect, it } from "vitest";
import { parseDocument } from "yaml";
import { initStack } from "../../setup/initStack.ts";
import { pulumiEnvironment, ROOT } from "../../setup/project.ts";

/** The state that an `up` of version 0.1.0 left, with its configuration. Addresses and the key are made up. */
const EARLIER = join(ROOT, "test", "fixtures", "earlierState");

/** What once was commands of @pulumi/command, and what took their place; the verification changes with the scripts. */
const DELIVERY = [
  ...["lab-packages-install", "lab-automation-copy", "lab-packages-installed"],
  ...["lab-automation-scripts", "lab-automation-written", "lab-verification-run"],
];

let folder: string;
let configFile: string;
let env: Record<string, string>;

const pulumi = (args: readonly string[], options = {}) =>
  execa("pulumi", [...args, "--stack", "dev", "--non-interactive", "--color", "never"], {
    cwd: ROOT,
    env,
    stdin: "ignore",
    ...options,
  });

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "jts-earlier-"));
  configFile = join(folder, "config.yaml");
  env = { ...pulumiEnvironment(), PULUMI_BACKEND_URL: `file://${folder}`, PULUMI_CONFIG_PASSPHRASE: "test" };
  const identityFile = join(folder, "identity");
  await writeFile(identityFile, "the private key\n");
  const config = parseDocument(await readFile(join(EARLIER, "Pulumi.dev.yaml"), "utf8"));
  config.setIn(["config", "jts-storage:hosts", "lab", "connection", "identityFile"], identityFile);
  const salt = await initStack("dev", { folder, env });
  config.set("encryptionsalt", salt);
  await writeFile(configFile, config.toString());
  const state = JSON.parse(await readFile(join(EARLIER, "state.json"), "utf8")) as { deployment: object };
  // The secrets in it are plain text; with this they enter the stack encrypted.
  const secrets = { type: "passphrase", state: { salt } };
  const input = JSON.stringify({ ...state, deployment: { ...state.deployment, secrets_providers: secrets } });
  await pulumi(["stack", "import"], { input, stdin: "pipe" });
});

afterAll(() => rm(folder, { recursive: true, force: true }));

interface Preview {
  readonly changeSummary: Readonly<Record<string, number>>;
  readonly steps: readonly { readonly op: string; readonly urn: string; readonly detailedDiff?: object | null }[];
}

/** What a preview by the real engine would change in the stack, with the delivery apart. */
async function changes(): Promise<{
  readonly same: number;
  readonly changed: readonly string[];
  readonly delivery: readonly string[];
}> {
  const { stdout } = await pulumi(["preview", "--json", "--config-file", configFile]);
  const { steps, changeSummary } = JSON.parse(stdout) as Preview;
  const all = steps
    .filter(({ op }) => op !== "same")
    .map(({ op, urn, detailedDiff }) => ({
      name: urn.slice(urn.lastIndexOf("::") + 2),
      what: `${op} ${Object.keys(detailedDiff ?? {})
        .sort()
        .join(" ")}`,
    }));
  const [delivery, changed] = [true, false].map((isDelivery) =>
    all.filter(({ name }) => DELIVERY.includes(name) === isDelivery).map(({ name, what }) => `${name}: ${what.trim()}`),
  );
  return { same: changeSummary.same ?? 0, changed: changed!, delivery: delivery!.sort() };
}

it("a stack that version 0.1.0 made shows no change, except in the delivery", async () => {
  const { same, changed, delivery } = await changes();
  expect(changed).toEqual([]);
  expect(same).toBeGreaterThanOrEqual(68);
  // The command that installed the scripts becomes the one that removes what they wrote: it isn't deleted, which would
  // remove the scripts. Without `create` and `update`, the plugin then runs nothing.
  expect(delivery).toEqual([
    "lab-automation-copy: delete",
    "lab-automation-scripts: create",
    "lab-automation-written: update create delete stdin",
    "lab-packages-install: delete",
    "lab-packages-installed: create",
    ...delivery.filter((line) => line.startsWith("lab-verification-run: ")),
  ]);
});

it("what an `up` takes out of that stack's state runs nothing on the host as it goes", async () => {
  const { deployment } = JSON.parse(await readFile(join(EARLIER, "state.json"), "utf8")) as {
    deployment: { resources: { urn: string; inputs?: object }[] };
  };
  for (const name of ["lab-packages-install", "lab-automation-copy"])
    expect(Object.keys(deployment.resources.find(({ urn }) => urn.endsWith(`::${name}`))!.inputs!)).not.toContain(
      "delete",
    );
});

it("a change of the configuration shows in that stack", async () => {
  const config = parseDocument(await readFile(configFile, "utf8"));
  config.setIn(["config", "jts-storage:hosts", "lab", "warm", "compression"], "zstd:5");
  await writeFile(configFile, config.toString());
  const { changed } = await changes();
  expect(changed).toEqual([expect.stringMatching(/^lab-warm-mount: update .*options/)]);
});
