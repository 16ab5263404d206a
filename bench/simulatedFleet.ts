/** Stacks of simulated hosts, in a folder of their own: backend, configuration, and the server that has the hosts. */
import { once } from "node:events";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { delimiter, join } from "node:path";
import { execa } from "execa";
import { parse, stringify } from "yaml";
import { initStack } from "../setup/initStack.ts";
import { pulumiEnvironment, ROOT } from "../setup/project.ts";

const SUPPORT = join(ROOT, "test", "support");
/** Of the protocol's form, and nobody's. */
const HOST_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

export interface SimulatedFleet {
  /** For `npm run fleet` and `pulumi`. */
  readonly env: Readonly<Record<string, string>>;
  /** Holds the Pulumi.STACK.yaml. */
  readonly configFolder: string;
  /** The backend's file with the state of a stack. */
  readonly stateFile: (stack: string) => string;
  end(): void;
}

/**
 * @param stacks the hosts of each, by its name
 * @param latencyMilliseconds of each dial and each call
 */
export async function simulateFleet(
  folder: string,
  stacks: ReadonlyMap<string, readonly string[]>,
  latencyMilliseconds: number,
): Promise<SimulatedFleet> {
  const state = join(folder, "state");
  await mkdir(state, { recursive: true });
  const server = execa("node", [join(SUPPORT, "simulatedHosts.ts"), folder, String(latencyMilliseconds)], {
    stdin: "ignore",
    reject: false,
  });
  await once(server.stdout, "data"); // it is ready
  const environment = pulumiEnvironment();
  const env = {
    ...environment,
    PATH: [join(SUPPORT, "simulatedSsh"), environment.PATH].join(delimiter),
    JTS_SIMULATED_HOSTS: folder,
    PULUMI_BACKEND_URL: `file://${state}`,
    PULUMI_CONFIG_PASSPHRASE: "simulated",
  };
  const committed = parse(await readFile(join(ROOT, "Pulumi.dev.yaml"), "utf8")) as {
    config: { "jts-storage:hosts": { lab: Record<string, unknown> } };
  };
  // What @pulumi/command does needs a real host.
  const { automation: _automation, ...section } = committed.config["jts-storage:hosts"].lab;
  for (const [stack, hosts] of stacks) {
    const sections = hosts.map((host) => [host, { ...section, connection: { host, hostKey: HOST_KEY } }]);
    const encryptionsalt = await initStack(stack, { folder: join(folder, "project"), env });
    const config = { "jts-storage:hosts": Object.fromEntries(sections) as unknown };
    await writeFile(join(folder, `Pulumi.${stack}.yaml`), stringify({ config, encryptionsalt }));
  }
  return {
    env,
    configFolder: folder,
    stateFile: (stack) => join(state, ".pulumi", "stacks", "jts-storage", `${stack}.json`),
    end: () => void server.kill(),
  };
}
