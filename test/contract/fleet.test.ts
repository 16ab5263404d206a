/** `npm run fleet` with the real engine, program and provider, on simulated hosts. */
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execa } from "execa";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { stringify } from "yaml";
import { initStack } from "../../setup/initStack.ts";
import { ROOT } from "../../setup/project.ts";
import { environmentOn, serveHosts } from "../support/simulatedHosts.ts";

const STACKS = ["good", "late"];
const MINUTES = 60_000;

interface Printed {
  readonly folder: string;
  readonly stacks: readonly {
    readonly stack: string;
    readonly result: string;
    readonly changes: Record<string, number>;
    readonly error?: string;
    readonly log?: string;
  }[];
}

let folder: string;
let env: Record<string, string>;
let simulated: Awaited<ReturnType<typeof serveHosts>>;
const folders: string[] = [];

/** Writes what a stack declares on its host, which has the stack's name. */
async function declare(stack: string, settings: Record<string, unknown>): Promise<void> {
  const connection = { host: stack, hostKey: `ssh-ed25519 ${"A".repeat(68)}` };
  const hosts = { [stack]: { connection, tuning: false, ...settings } };
  const file = join(folder, `Pulumi.${stack}.yaml`);
  await writeFile(file, stringify({ config: { "jts-storage:hosts": hosts }, encryptionsalt: salts.get(stack) }));
}
const salts = new Map<string, string>();
const WARM = { onDelete: "wipe", warm: { device: { path: "/dev/sda2" } } };

function start(...args: readonly string[]) {
  return execa("node", [join(ROOT, "commands", "fleet.ts"), ...args, "--config-dir", folder, "--json"], {
    cwd: ROOT,
    env,
    stdin: "ignore",
    reject: false,
  });
}

async function fleet(...args: readonly string[]) {
  return outcomeOf(await start(...args));
}

function outcomeOf({ exitCode, stdout, stderr }: { exitCode?: number; stdout: string; stderr: string }) {
  if (!stdout.startsWith("{")) throw new Error(`fleet ended with ${exitCode}:\n${stdout}\n${stderr}`);
  const printed = JSON.parse(stdout) as Printed;
  folders.push(printed.folder);
  const results = Object.fromEntries(printed.stacks.map(({ stack, result }) => [stack, result]));
  return { exitCode, stderr, results, of: (name: string) => printed.stacks.find(({ stack }) => stack === name)! };
}

// Each test has hosts and stacks of its own: one that was cut short may leave a simulated host as no real one would be.
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "jts-fleet-"));
  simulated = await serveHosts(folder);
  env = environmentOn(folder);
  for (const stack of STACKS) {
    salts.set(stack, await initStack(stack, { folder: join(folder, "project"), env }));
    await declare(stack, WARM);
  }
}, 5 * MINUTES);

afterEach(async () => {
  simulated.server.close();
  await Promise.all([folder, ...folders.splice(0)].map((one) => rm(one, { recursive: true, force: true })));
});

describe("a fleet of two stacks", { timeout: 15 * MINUTES }, () => {
  it("stopped by one SIGINT finishes what it has begun, and is resumed without a lock in its way", async () => {
    // Its first call is still on its way when the signal comes, and others must follow.
    await writeFile(join(folder, "dial-seconds"), "5");
    const running = start("up", "--yes", "--parallel", "1", "--stacks", "good", "--stacks", "late");
    await expect.poll(() => simulated.hosts.has("good"), { timeout: 5 * MINUTES, interval: 50 }).toBe(true);
    running.kill("SIGINT");
    const stopped = outcomeOf(await running);
    await writeFile(join(folder, "dial-seconds"), "0");
    expect(stopped.exitCode).toBe(130);
    expect(stopped.results).toEqual({ good: "stopped", late: "not begun" });
    expect(simulated.hosts.has("late")).toBe(false);

    const resumed = await fleet("up", "--yes", "--resume", "--stacks", "good", "--stacks", "late");
    expect([resumed.exitCode, resumed.results]).toEqual([0, { good: "ok", late: "ok" }]);
    expect(simulated.hosts.get("late")!.machine.mounts.map(({ target }) => target)).toContain("/data/warm-storage");
  });

  it("reads drift without changing anything, and says by its exit code whether there is some; refresh and up mend it", async () => {
    await fleet("up", "--yes");
    const same = await fleet("drift");
    expect([same.exitCode, same.results]).toEqual([0, { good: "ok", late: "ok" }]);
    const { machine } = simulated.hosts.get("late")!;
    const [path] = Object.keys(machine.files).filter((one) => one.endsWith("/logs"));
    machine.files[path!]!.mode = "777";
    const state = await readFile(join(folder, ".pulumi/stacks/jts-storage/late.json"), "utf8");
    const drifted = await fleet("drift");
    expect([drifted.exitCode, drifted.results]).toEqual([3, { good: "ok", late: "drifted" }]);
    expect(drifted.of("late").changes).toEqual({ update: 1 });
    expect(machine.files[path!]!.mode).toBe("777");
    expect(await readFile(join(folder, ".pulumi/stacks/jts-storage/late.json"), "utf8")).toBe(state);

    // A refresh takes what the host has into the state, and the next `up` mends it.
    const refreshed = await fleet("refresh", "--yes");
    expect([refreshed.exitCode, refreshed.results]).toEqual([0, { good: "ok", late: "ok" }]);
    expect(machine.files[path!]!.mode).toBe("777");
    const mended = await fleet("up", "--yes");
    expect([mended.exitCode, mended.of("late").changes.update]).toEqual([0, 1]);
    expect(machine.files[path!]!.mode).toBe("755");
  });

  it("goes on where a host can't be reached, names that one, and resumes with it alone", async () => {
    await writeFile(join(folder, "late.down"), "");
    const first = await fleet("up", "--yes", "--max-failures", "2");
    expect([first.exitCode, first.results]).toEqual([1, { good: "ok", late: "failed" }]);
    expect(first.of("late").error).toMatch(/late/);
    expect(await readFile(first.of("late").log!, "utf8")).toContain("No route to host");

    await rm(join(folder, "late.down"));
    const calls = simulated.hosts.get("good")!.calls.length;
    const second = await fleet("up", "--yes", "--resume");
    expect([second.exitCode, second.results]).toEqual([0, { good: "ok", late: "ok" }]);
    expect(second.of("good")).toEqual(first.of("good"));
    expect(simulated.hosts.get("good")!.calls).toHaveLength(calls);
  });

  it("refuses the one whose preview destroys data, until it is named", async () => {
    await fleet("up", "--yes");
    await declare("late", { onDelete: "wipe" });
    const refused = await fleet("up", "--yes", "--canary", "good");
    expect([refused.exitCode, refused.results]).toEqual([1, { good: "ok", late: "refused" }]);
    expect(refused.stderr).toContain("late would destroy data");
    expect(simulated.hosts.get("late")!.machine.signatures).not.toEqual({});
    const allowed = await fleet("up", "--yes", "--stacks", "late", "--allow-data-loss", "late");
    expect([allowed.exitCode, allowed.results]).toEqual([0, { late: "ok" }]);
    expect(simulated.hosts.get("late")!.machine.signatures).toEqual({});
  });
});
