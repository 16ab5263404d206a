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

/** They carry the scripts, so they change whenever a script does. */
const CARRIES_SCRIPTS = ["lab-automation-copy", "lab-automation-install", "lab-verification-run"];

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
  readonly steps: readonly { readonly op: string; readonly urn: string; readonly detailedDiff?: object }[];
}

/** What a preview by the real engine would change in the stack, except for what carries the scripts. */
async function changes(): Promise<{ readonly same: number; readonly changed: readonly string[] }> {
  const { stdout } = await pulumi(["preview", "--json", "--config-file", configFile]);
  const { steps, changeSummary } = JSON.parse(stdout) as Preview;
  const changed = steps
    .filter(({ op }) => op !== "same")
    .map(({ op, urn, detailedDiff = {} }) => ({
      name: urn.slice(urn.lastIndexOf("::") + 2),
      what: `${op} ${Object.keys(detailedDiff).join(" ")}`,
    }))
    .filter(({ name }) => !CARRIES_SCRIPTS.includes(name));
  return { same: changeSummary.same ?? 0, changed: changed.map(({ name, what }) => `${name}: ${what}`) };
}

it("a stack that version 0.1.0 made shows no change, except in what carries the scripts", async () => {
  const { same, changed } = await changes();
  expect(changed).toEqual([]);
  expect(same).toBeGreaterThanOrEqual(69);
});

it("a change of the configuration shows in that stack", async () => {
  const config = parseDocument(await readFile(configFile, "utf8"));
  config.setIn(["config", "jts-storage:hosts", "lab", "warm", "compression"], "zstd:5");
  await writeFile(configFile, config.toString());
  const { changed } = await changes();
  expect(changed).toEqual([expect.stringMatching(/^lab-warm-mount: update .*options/)]);
});
