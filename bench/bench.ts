/**
 * `npm run bench [-- --runs N]`: this program against one bash script over one SSH session that runs the same commands,
 * and against the engine's own floor, on the lab; ratios of one run each. `npm run bench -- mover [--runs N]`: the mover
 * against rsync and mv, between the lab's tiers. Both take the lab's disks back to blank.
 */
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { parseArgs } from "node:util";
import { execa } from "execa";
import { parseDocument } from "yaml";
import { parseHosts } from "../config.ts";
import { LAB } from "../lab/folders.ts";
import * as lab from "../lab/lab.ts";
import { prepareStack } from "../lab/stack.ts";
import { main } from "../setup/progress.ts";
import { ROOT } from "../setup/project.ts";
import { installTools } from "../setup/tools.ts";
import { bashScript } from "./bash.ts";

const TRACE = join(LAB, "bench-trace.jsonl");
const CONFIG = join(LAB, "Pulumi.bench.yaml");

/** One figure of one run. */
interface Measurement {
  readonly what: string;
  readonly seconds: number;
  readonly connections?: number;
  readonly remoteCalls?: number;
}

const RATIOS = [
  ["fresh up", "bash script"],
  ["no-op up", "floor: no-op up"],
  ["preview", "floor: preview"],
] as const;

await main(async () => {
  const { values, positionals } = parseArgs({
    options: { runs: { type: "string", default: "1" } },
    allowPositionals: true,
  });
  await installTools();
  await lab.up();
  if (positionals[0] === "mover") return measureMover(values.runs);
  const runs: ReadonlyMap<string, Measurement>[] = [];
  for (let run = 1; run <= Number(values.runs); run++) {
    console.log(`\nRun ${run} of ${values.runs}`);
    runs.push(new Map((await measureOnce()).map((one) => [one.what, one])));
  }
  report(runs);
});

async function measureOnce(): Promise<Measurement[]> {
  await lab.reset();
  const settings = await hotAndWarm();
  const measurements = [
    await pulumi("fresh up", "up", "--skip-preview"),
    await pulumi("no-op up", "up", "--skip-preview"),
    await pulumi("preview", "preview"),
    await pulumi("up --refresh", "up", "--refresh", "--skip-preview"),
  ];
  console.log(`  state: ${await stateBytes()} bytes a resource`);
  measurements.push(await pulumi("destroy", "destroy", "--skip-preview"));

  await lab.reset();
  const script = bashScript(settings);
  measurements.push(
    await timed("bash script", () => lab.run("storage-host", "bash -s", { stdin: script, timeoutSeconds: 1200 })),
  );
  await requireTiers();
  measurements.push(...(await engineFloor()));
  return measurements;
}

/** On the host itself, so that no SSH is measured. */
async function measureMover(runs: string): Promise<void> {
  await lab.reset();
  await settingsWithout("automation");
  await pulumi("up", "up", "--skip-preview");
  await lab.run("storage-host", "mkdir --parents /run/bench");
  for (const file of ["scripts/lib/move-aged-files.py", "bench/mover.py"])
    await lab.run("storage-host", `cat >/run/bench/${basename(file)}`, {
      stdin: await readFile(join(ROOT, file), "utf8"),
    });
  for (const [from, to] of [
    ["/var/lib/clickhouse", "/data/warm-storage"],
    ["/data/warm-storage", "/mnt/synology"],
  ] as const) {
    const { stdout } = await lab.run(
      "storage-host",
      `python3 -B /run/bench/mover.py /run/bench/move-aged-files.py ${from} ${to} /run/bench --runs ${Number(runs)} --large-mib 64 --small-files 500`,
      { timeoutSeconds: 3600 },
    );
    console.log(`  ${from} → ${to}: ${stdout}`);
  }
  await pulumi("destroy", "destroy", "--skip-preview");
}

/** Stack `dev` with the hot and the warm tier alone, which is what the script makes. */
const hotAndWarm = () => settingsWithout("cold", "automation");

async function settingsWithout(...sections: readonly string[]) {
  const config = parseDocument(await readFile(await prepareStack(await lab.connection()), "utf8"));
  const host = ["config", "jts-storage:hosts", "lab"];
  for (const section of sections) config.deleteIn([...host, section]);
  config.setIn([...host, "tuning"], false);
  await writeFile(CONFIG, config.toString());
  const { lab: settings } = parseHosts(
    (config.toJS() as { config: Record<string, unknown> }).config["jts-storage:hosts"],
  ).hosts;
  if (settings === undefined) throw new Error("The bench's configuration has problems.");
  return settings;
}

async function pulumi(what: string, ...args: readonly string[]): Promise<Measurement> {
  await rm(TRACE, { force: true });
  const before = await lab.sshConnectionsAccepted();
  const yes = args[0] === "preview" ? [] : ["--yes"];
  const measured = await timed(what, () =>
    execa("pulumi", [...args, ...yes, "--config-file", CONFIG, "--suppress-outputs", "--suppress-progress"], {
      cwd: ROOT,
      env: { ...lab.pulumiEnv(), JTS_STORAGE_TRACE: TRACE },
      stdin: "ignore",
    }),
  );
  const trace = (await readFile(TRACE, "utf8").catch(() => "")).split("\n").filter((line) => line !== "");
  const connections = (await lab.sshConnectionsAccepted()) - before;
  const remoteCalls = trace.filter((line) => !line.includes('"dialled"')).length;
  console.log(`    ${connections} SSH connections, ${remoteCalls} remote calls`);
  return { ...measured, connections, remoteCalls };
}

/** What the engine takes for as many resources that do nothing. */
async function engineFloor(): Promise<Measurement[]> {
  const state = join(LAB, "bench-floor");
  await rm(state, { recursive: true, force: true });
  await mkdir(state, { recursive: true });
  // The stack's own settings would lie in the checkout.
  const settings = join(state, "Pulumi.floor.yaml");
  await writeFile(settings, "");
  const options = {
    cwd: join(ROOT, "bench", "engineFloor"),
    env: { ...lab.pulumiEnv(), PULUMI_BACKEND_URL: `file://${state}`, PULUMI_STACK: "floor" },
    stdin: "ignore" as const,
  };
  await execa(
    "pulumi",
    ["stack", "init", "--no-select", "--stack", "floor", "--secrets-provider", "passphrase"],
    options,
  );
  const run = (...args: readonly string[]) =>
    execa("pulumi", [...args, "--config-file", settings, "--suppress-progress"], options);
  await writeFile(settings, await readFile(join(options.cwd, "Pulumi.floor.yaml"), "utf8"));
  await rm(join(options.cwd, "Pulumi.floor.yaml"));
  return [
    await timed("floor: fresh up", () => run("up", "--yes", "--skip-preview")),
    await timed("floor: no-op up", () => run("up", "--yes", "--skip-preview")),
    await timed("floor: preview", () => run("preview")),
  ];
}

async function timed(what: string, work: () => Promise<unknown>): Promise<Measurement> {
  const began = performance.now();
  await work();
  const seconds = (performance.now() - began) / 1000;
  console.log(`  ${what}: ${seconds.toFixed(1)} s`);
  return { what, seconds };
}

async function stateBytes(): Promise<number> {
  const { stdout } = await execa("pulumi", ["stack", "export"], { cwd: ROOT, env: lab.pulumiEnv() });
  const { resources } = (JSON.parse(stdout) as { deployment: { resources: { type: string }[] } }).deployment;
  const own = resources.filter(({ type }) => type.startsWith("pulumi-nodejs:dynamic/"));
  return Math.round(own.reduce((sum, resource) => sum + JSON.stringify(resource).length, 0) / own.length);
}

/** The script's end is ours, or the race was no race. */
async function requireTiers(): Promise<void> {
  await lab.run(
    "storage-host",
    "test $(lvs --noheadings vg_jts | wc -l) = 7 && test $(findmnt --list --noheadings --types ext4,xfs,btrfs | wc -l) = 17 && findmnt --verify",
  );
}

function report(runs: readonly ReadonlyMap<string, Measurement>[]): void {
  const median = (figures: readonly number[]) =>
    [...figures].sort((a, b) => a - b)[Math.floor(figures.length / 2)] ?? Number.NaN;
  const range = (figures: readonly number[]) =>
    `${median(figures).toFixed(2)} (${Math.min(...figures).toFixed(2)} to ${Math.max(...figures).toFixed(2)})`;
  const seconds = (what: string) => runs.map((run) => run.get(what)?.seconds ?? Number.NaN);
  console.log(`\nMedian (least to greatest) of ${runs.length} ${runs.length === 1 ? "run" : "runs"}`);
  for (const what of runs[0]?.keys() ?? []) console.log(`${what.padEnd(20)}${range(seconds(what))} s`);
  for (const [ours, theirs] of RATIOS)
    console.log(
      `${ours} / ${theirs}: ${range(runs.map((run) => (run.get(ours)?.seconds ?? Number.NaN) / (run.get(theirs)?.seconds ?? Number.NaN)))}`,
    );
}
