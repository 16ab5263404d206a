/** What the real engine shows of a resource while its host takes long: real program and provider, a simulated host. */
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execa } from "execa";
import type { EngineEvent } from "@pulumi/pulumi/automation/index.js";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { stringify } from "yaml";
import { initStack } from "../../setup/initStack.ts";
import { ROOT } from "../../setup/project.ts";
import { environmentOn, serveHosts } from "../support/simulatedHosts.ts";

const MINUTES = 60_000;

let folder: string;
let env: Record<string, string>;
let simulated: Awaited<ReturnType<typeof serveHosts>>;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "jts-status-"));
  simulated = await serveHosts(folder);
  env = environmentOn(folder);
  for (const stack of ["watched", "plain"]) {
    const encryptionsalt = await initStack(stack, { folder: join(folder, "project"), env });
    const connection = { host: stack, hostKey: `ssh-ed25519 ${"A".repeat(68)}` };
    const warm = { device: { path: "/dev/sda2" } };
    const config = { "jts-storage:hosts": { [stack]: { connection, tuning: false, onDelete: "wipe", warm } } };
    await writeFile(join(folder, `Pulumi.${stack}.yaml`), stringify({ config, encryptionsalt }));
  }
}, 5 * MINUTES);

afterAll(async () => {
  simulated.server.close();
  await rm(folder, { recursive: true, force: true });
});

/** Begins an `up` whose first step doesn't end while the file `STACK.slow` is there. */
async function begin(stack: string, more: Record<string, string>) {
  await writeFile(join(folder, `${stack}.slow`), "");
  const events = join(folder, `${stack}.events`);
  const running = execa(
    "pulumi",
    [
      ...["up", "--yes", "--skip-preview", "--stack", stack, "--config-file", join(folder, `Pulumi.${stack}.yaml`)],
      ...["--event-log", events],
    ],
    { cwd: ROOT, env: { ...env, PULUMI_DEBUG_COMMANDS: "true", ...more }, stdin: "ignore", reject: false, all: true },
  );
  return {
    running,
    async statuses() {
      const text = await readFile(events, "utf8").catch(() => "");
      // The last line may not be whole yet.
      const lines = text
        .slice(0, text.lastIndexOf("\n") + 1)
        .split("\n")
        .filter(Boolean);
      const said = lines.map((line) => (JSON.parse(line) as EngineEvent).diagnosticEvent);
      return said.filter((one) => one?.ephemeral === true).map((one) => ({ urn: one!.urn, message: one!.message }));
    },
    /** Whether a call has begun there. */
    isOnHost: async () => (await readFile(join(folder, `${stack}.slow`), "utf8")) !== "",
    goOn: () => rm(join(folder, `${stack}.slow`)),
  };
}

describe("a resource whose host takes long", { timeout: 10 * MINUTES }, () => {
  it("has under its URN what the host is doing, for as long as it does it, and the state has none of it", async () => {
    const up = await begin("watched", { JTS_STORAGE_STATUS: "1" });
    await expect
      .poll(async () => (await up.statuses()).length, { timeout: 5 * MINUTES, interval: 200 })
      .toBeGreaterThan(1);
    await up.goOn();
    const { exitCode, all } = await up.running;
    expect([exitCode, exitCode === 0 ? "" : all]).toEqual([0, ""]);
    const statuses = await up.statuses();
    const packages =
      /^urn:pulumi:watched::.*\$pulumi-nodejs:dynamic\/jts-storage:Packages::watched-packages-installed$/;
    expect(statuses.filter(({ urn }) => !packages.test(urn ?? ""))).toEqual([]);
    const shown = statuses.map(({ message }) => message.trim()).filter((message) => message !== "");
    for (const message of shown) expect(message).toMatch(/^install psmisc, btrfs-progs, [0-9]+ s$/);
    expect(await readFile(join(folder, ".pulumi/stacks/jts-storage/watched.json"), "utf8")).not.toContain(
      "install psmisc",
    );
  });

  it("has no line of it where there is no terminal", async () => {
    const up = await begin("plain", {});
    await expect.poll(up.isOnHost, { timeout: 5 * MINUTES, interval: 200 }).toBe(true);
    // It would be shown after 2 s.
    const since = Date.now();
    await expect.poll(() => Date.now() - since, { timeout: MINUTES }).toBeGreaterThan(6000);
    await up.goOn();
    const { exitCode, all } = await up.running;
    expect([exitCode, exitCode === 0 ? "" : all]).toEqual([0, ""]);
    expect(await up.statuses()).toEqual([]);
    expect(all).not.toContain("install psmisc");
  });
});
