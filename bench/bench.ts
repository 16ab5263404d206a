/** `npm run bench`: what the same storage costs by this program, by a script and by Ansible. Usage: see below. */
import { mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { execa } from "execa";
import { parseDocument, type YAMLMap } from "yaml";
import { parseHosts, type HostSettings } from "../config.ts";
import { LAB } from "../lab/folders.ts";
import * as lab from "../lab/lab.ts";
import { disconnect } from "../lab/ssh.ts";
import { prepareStack } from "../lab/stack.ts";
import { quote } from "../providers/values/shellWord.ts";
import { printColumns } from "../setup/columns.ts";
import { command, WrongUsage } from "../setup/command.ts";
import { installDebianPackages } from "../setup/debian.ts";
import { initStack } from "../setup/initStack.ts";
import { ROOT } from "../setup/project.ts";
import { installTools } from "../setup/tools.ts";
import { ANSIBLE_PACKAGES, runPlaybook, writePlaybook } from "./ansible.ts";
import { bashScript, bashTeardown, bashWipe } from "./bash.ts";
import { measureFleets } from "./fleet.ts";
import { listEndState, requireSame, withDataKept } from "./endState.ts";
import { profileOf } from "./profile.ts";
import { measureTransfers } from "./transfers.ts";
import { wantedOf } from "./wanted.ts";

const USAGE = `Usage: npm run bench [-- [mover] [--runs N] [--without ansible]]
       npm run bench -- transfers
       npm run bench -- fleet [--hosts N,…] [--together N,…] [--parallel N]

Measures on the lab how long this program, one bash script over one SSH session and an Ansible playbook take to make the
same on blank machines, and how long the engine takes for as many resources that do nothing; prints ratios of times of
the same run. It takes the lab's disks back to blank.

  mover              measure the mover instead, against rsync and mv, between the lab's tiers
  transfers          measure copies to the NAS instead, with 1, 2 and 4 streams, 1 and 4 connections (nconnect), and 1
                     and 10 ms of delay between the lab's machines; prints a table, and takes at most 15 minutes
  --runs N           how often; 1 by default
  --without ansible  leave the playbook out

  fleet              measure \`npm run fleet\` instead, on simulated hosts, without the lab: seconds, memory and state
  --hosts N,…        numbers of hosts that each have a stack; default: 1,10,100
  --together N,…     numbers of hosts that share one stack; default: 10,20
  --parallel N       stacks at the same time; default: 4
`;

const TRACE = join(LAB, "bench-trace.jsonl");
const CONFIG = join(LAB, "Pulumi.bench.yaml");

/** One figure of one run. */
interface Measurement {
  readonly what: string;
  readonly seconds: number;
}

/** Our operations whose longest remote calls are printed. */
const PROFILED: readonly string[] = ["fresh up", "up --refresh", "destroy"];

const RATIOS = [
  ["fresh up", "bash script"],
  ["Ansible, fresh", "fresh up"],
  ["Ansible, no-op", "up --refresh"],
  ["destroy", "bash teardown, data kept"],
  ["destroy", "bash teardown, wiped"],
  ["no-op up", "floor: no-op up"],
  ["preview", "floor: preview"],
] as const;

await command(
  USAGE,
  {
    runs: { type: "string", default: "1" },
    without: { type: "string" },
    hosts: { type: "string", default: "1,10,100" },
    together: { type: "string", default: "10,20" },
    parallel: { type: "string", default: "4" },
  },
  async ({ values: { without, ...values }, positionals: [what, ...more] }) => {
    const runs = Number(values.runs);
    if (!(Number.isInteger(runs) && runs > 0)) throw new WrongUsage(`--runs ${values.runs} is not a positive number.`);
    if (without !== undefined && without !== "ansible") throw new WrongUsage("--without takes only ansible.");
    if ((what !== undefined && !["mover", "transfers", "fleet"].includes(what)) || more.length > 0)
      throw new WrongUsage(`Unknown argument: ${more[0] ?? what}`);
    await installTools();
    if (what === "mover") return measureMover(runs);
    if (what === "transfers") return measureBetweenMachines();
    if (what === "fleet")
      return measureFleets({
        apart: numbersIn(values.hosts),
        together: numbersIn(values.together),
        parallel: numbersIn(values.parallel)[0] ?? 4,
      });
    const withAnsible = without === undefined;
    if (withAnsible) await installDebianPackages(ANSIBLE_PACKAGES);
    const measured: ReadonlyMap<string, Measurement>[] = [];
    for (let run = 1; run <= runs; run++) {
      console.log(`\nRun ${run} of ${runs}`);
      measured.push(new Map((await measureOnce(withAnsible)).map((one) => [one.what, one])));
    }
    report(measured);
  },
);

/** @throws {WrongUsage} */
function numbersIn(text: string): number[] {
  const numbers = text.split(",").filter(Boolean).map(Number);
  if (numbers.every((number) => Number.isInteger(number) && number > 0)) return numbers;
  throw new WrongUsage(`${text} is no list of positive numbers.`);
}

async function measureOnce(withAnsible: boolean): Promise<Measurement[]> {
  await lab.reset();
  const settings = await configure();
  const blank = await listEndState(settings);
  const measurements = [await pulumi("fresh up", "up", "--skip-preview")];
  const made = await listEndState(settings);
  const wanted = wantedOf(settings, await textsMade());
  measurements.push(
    await pulumi("no-op up", "up", "--skip-preview"),
    await pulumi("preview", "preview"),
    await pulumi("up --refresh", "up", "--refresh", "--skip-preview"),
  );
  const { resources, bytes } = await stackSize();
  console.log(`  state: ${resources} resources, ${bytes} bytes each of ours`);
  measurements.push(await pulumi("destroy", "destroy", "--skip-preview"));
  requireSame("destroy", await listEndState(settings), blank);

  await lab.reset();
  const bash = async (what: string, script: string) => {
    // Its new connection counts, like that of the others.
    await disconnect("storage-host");
    return timed(what, () => lab.run("storage-host", "bash -s", { stdin: script, timeoutSeconds: 1200 }));
  };
  measurements.push(await bash("bash script", bashScript(wanted)));
  requireSame("The bash script", await listEndState(settings), made);
  measurements.push(await bash("bash teardown, wiped", bashWipe(wanted)));
  requireSame("The bash teardown that wipes", await listEndState(settings), blank);
  await bash("bash script, for the other teardown", bashScript(wanted));
  measurements.push(await bash("bash teardown, data kept", bashTeardown(wanted)));
  requireSame("The bash teardown that keeps data", await listEndState(settings), withDataKept(made, blank));

  if (withAnsible) {
    await lab.reset();
    await writePlaybook(wanted, await lab.connection());
    const ansible = async (what: string) => {
      let changed = 0;
      const before = await lab.sshConnectionsAccepted();
      measurements.push(await timed(what, async () => (changed = await runPlaybook())));
      console.log(
        `    ${(await lab.sshConnectionsAccepted()) - before} SSH connections, ${changed} tasks changed something`,
      );
      return changed;
    };
    await ansible("Ansible, fresh");
    requireSame("Ansible", await listEndState(settings), made);
    if ((await ansible("Ansible, no-op")) !== 0) throw new Error("Ansible's second run changed something.");
  }

  measurements.push(...(await engineFloor(resources)));
  return measurements;
}

/** On the host itself, so that no SSH is measured. */
async function measureMover(runs: number): Promise<void> {
  await lab.reset();
  await configure((host) => {
    host.delete("automation");
    host.set("tuning", false);
  });
  await pulumi("up", "up", "--skip-preview");
  await deliverMover();
  for (const [from, to] of [
    ["/var/lib/clickhouse", "/data/warm-storage"],
    ["/data/warm-storage", "/mnt/synology"],
  ] as const) {
    const { stdout } = await lab.run(
      "storage-host",
      [
        `python3 -B /run/bench/mover.py /run/bench/jts_storage ${from} ${to} /run/bench`,
        `--runs ${runs} --large-mib 64 --small-files 500`,
      ].join(" "),
      { timeoutSeconds: 3600 },
    );
    console.log(`  ${from} → ${to}: ${stdout}`);
  }
  await pulumi("destroy", "destroy", "--skip-preview");
}

async function measureBetweenMachines(): Promise<void> {
  await lab.reset();
  await configure((host) => {
    for (const section of ["automation", "hot", "cold"]) host.delete(section);
    host.set("tuning", false);
  });
  await pulumi("up", "up", "--skip-preview");
  await deliverMover();
  await measureTransfers();
  await pulumi("destroy", "destroy", "--skip-preview");
}

/** To /run/bench, with the program that compares it. */
async function deliverMover(): Promise<void> {
  await lab.run("storage-host", "mkdir --parents /run/bench/jts_storage");
  const modules = (await readdir(join(ROOT, "scripts/jts_storage"))).filter((name) => name.endsWith(".py"));
  for (const file of ["bench/mover.py", ...modules.map((name) => `scripts/jts_storage/${name}`)])
    await lab.run("storage-host", `cat >/run/bench/${file.replace(/^\w+\//, "")}`, {
      stdin: await readFile(join(ROOT, file), "utf8"),
    });
}

/** Stack `dev`, with the change, as the configuration that is measured. */
async function configure(change: (host: YAMLMap) => void = () => undefined): Promise<HostSettings> {
  const config = parseDocument(await readFile(await prepareStack(await lab.connection()), "utf8"));
  change(config.getIn(["config", "jts-storage:hosts", "lab"]) as YAMLMap);
  await writeFile(CONFIG, config.toString());
  const { lab: settings } = parseHosts(
    (config.toJS() as { config: Record<string, unknown> }).config["jts-storage:hosts"],
  ).hosts;
  if (settings === undefined) throw new Error("The bench's configuration has problems.");
  return settings;
}

/**
 * The texts that this program wrote on the host, by their paths. The script and the playbook write the same texts,
 * units too. Only this program delivers the scripts of these units, and their settings.
 */
async function textsMade(): Promise<ReadonlyMap<string, string>> {
  const { stdout } = await lab.run("storage-host", "sed --quiet 's/^file //p' /var/lib/jts-storage/made");
  const texts = new Map<string, string>();
  for (const path of stdout.split("\n").filter((path) => !path.startsWith("/etc/jts-storage/")))
    texts.set(path, `${(await lab.run("storage-host", `cat ${quote(path)}`)).stdout}\n`);
  return texts;
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
  const { remoteCalls, longest } = profileOf(await readFile(TRACE, "utf8").catch(() => ""));
  console.log(`    ${(await lab.sshConnectionsAccepted()) - before} SSH connections, ${remoteCalls} remote calls`);
  if (PROFILED.includes(what)) for (const line of longest) console.log(`    ${line}`);
  return measured;
}

/** Measures how long the engine takes for as many resources that do nothing. */
async function engineFloor(resources: number): Promise<Measurement[]> {
  const state = join(LAB, "bench-floor");
  await rm(state, { recursive: true, force: true });
  await mkdir(state, { recursive: true });
  const options = {
    cwd: join(ROOT, "bench", "engineFloor"),
    env: {
      ...lab.pulumiEnv(),
      PULUMI_BACKEND_URL: `file://${state}`,
      PULUMI_STACK: "floor",
      ENGINE_FLOOR_RESOURCES: String(resources),
    },
    stdin: "ignore" as const,
  };
  await initStack("floor", { folder: state, env: options.env, project: options.cwd });
  const settings = join(state, "Pulumi.floor.yaml");
  const run = (...args: readonly string[]) =>
    execa("pulumi", [...args, "--config-file", settings, "--suppress-progress"], options);
  return [
    await timed("floor: fresh up", () => run("up", "--yes", "--skip-preview")),
    await timed("floor: no-op up", () => run("up", "--yes", "--skip-preview")),
    await timed("floor: preview", () => run("preview")),
    await timed("floor: up --refresh", () => run("up", "--refresh", "--yes", "--skip-preview")),
    await timed("floor: destroy", () => run("destroy", "--yes", "--skip-preview")),
  ];
}

async function timed(what: string, work: () => Promise<unknown>): Promise<Measurement> {
  const began = performance.now();
  await work();
  const seconds = (performance.now() - began) / 1000;
  console.log(`  ${what}: ${seconds.toFixed(1)} s`);
  return { what, seconds };
}

/**
 * How many resources the stack has, without itself and its providers, and how many bytes of state one of ours takes.
 */
async function stackSize(): Promise<{ readonly resources: number; readonly bytes: number }> {
  const { stdout } = await execa("pulumi", ["stack", "export"], { cwd: ROOT, env: lab.pulumiEnv() });
  const { resources } = (JSON.parse(stdout) as { deployment: { resources: { type: string }[] } }).deployment;
  const own = resources.filter(({ type }) => type.startsWith("pulumi-nodejs:dynamic/"));
  return {
    resources: resources.filter(({ type }) => !/^pulumi:(providers:|pulumi:Stack$)/.test(type)).length,
    bytes: Math.round(own.reduce((sum, resource) => sum + JSON.stringify(resource).length, 0) / own.length),
  };
}

function report(runs: readonly ReadonlyMap<string, Measurement>[]): void {
  const median = (figures: readonly number[]) =>
    [...figures].sort((a, b) => a - b)[Math.floor(figures.length / 2)] ?? Number.NaN;
  const range = (figures: readonly number[]) =>
    `${median(figures).toFixed(2)} (${Math.min(...figures).toFixed(2)} to ${Math.max(...figures).toFixed(2)})`;
  const seconds = (what: string) => runs.map((run) => run.get(what)?.seconds ?? Number.NaN);
  console.log(`\nMedian (least to greatest) of ${runs.length} ${runs.length === 1 ? "run" : "runs"}`);
  const times = [...(runs[0]?.keys() ?? [])].map((what) => [what, `${range(seconds(what))} s`]);
  const ratios = RATIOS.filter((names) => names.every((name) => runs[0]?.has(name))).map(([one, other]) => {
    const others = seconds(other);
    return [`${one} / ${other}`, range(seconds(one).map((figure, run) => figure / (others[run] ?? Number.NaN)))];
  });
  console.log(printColumns([...times, [], ...ratios]).join("\n"));
}
