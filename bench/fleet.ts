/** `npm run bench -- fleet`: how a fleet's time, memory and state grow with its hosts, which are simulated. */
import { mkdtemp, rm, stat } from "node:fs/promises";
import { availableParallelism, cpus, tmpdir, totalmem } from "node:os";
import { join } from "node:path";
import { execa } from "execa";
import { printColumns } from "../setup/columns.ts";
import { ROOT } from "../setup/project.ts";
import { usageOf } from "./processes.ts";
import { simulateFleet } from "./simulatedFleet.ts";

export interface FleetBench {
  /** How many hosts, each in a stack of its own; a fleet for each number. */
  readonly apart: readonly number[];
  /** How many hosts in one stack, for contrast. */
  readonly together: readonly number[];
  /** Stacks at the same time. */
  readonly parallel: number;
}

/** Of each dial and each call. */
const LATENCY_MILLISECONDS = 50;
const HEAD = ["hosts", "stacks", "operation", "seconds", "a host", "peak MiB", "state KiB a host", "written MiB"];

/** Measures each fleet, and prints a table of all. */
export async function measureFleets({ apart, together, parallel }: FleetBench): Promise<void> {
  const rows: string[][] = [];
  for (const hosts of apart) rows.push(...(await measure(hosts, true, parallel)));
  for (const hosts of together) rows.push(...(await measure(hosts, false, parallel)));
  const gib = Math.round(totalmem() / 1024 ** 3);
  console.log(
    `\n${new Date().toISOString().slice(0, 10)}, ${availableParallelism()} processors (${cpus()[0]?.model ?? "unknown"}), ` +
      `${gib} GiB; --parallel ${parallel}; ${LATENCY_MILLISECONDS} ms a call`,
  );
  console.log(printColumns([HEAD, ...rows], [0, 1, 3, 4, 5, 6, 7]).join("\n"));
}

async function measure(hosts: number, isApart: boolean, parallel: number): Promise<string[][]> {
  const names = Array.from({ length: hosts }, (_, index) => `host-${index + 1}`);
  const stacks = new Map(isApart ? names.map((name) => [name, [name]]) : [["all", names]]);
  const folder = await mkdtemp(join(tmpdir(), "jts-fleet-"));
  console.log(`${hosts} hosts in ${stacks.size} stacks: making them …`);
  const fleet = await simulateFleet(folder, stacks, LATENCY_MILLISECONDS);
  try {
    const rows: string[][] = [];
    for (const operation of ["preview", "up", "drift"]) {
      const began = performance.now();
      const running = execa(
        "node",
        [
          join(ROOT, "commands", "fleet.ts"),
          ...[operation, "--yes", "--parallel", String(parallel), "--config-dir", fleet.configFolder],
        ],
        { cwd: ROOT, env: fleet.env, stdin: "ignore", all: true },
      );
      const { peakBytes, pulumiWroteBytes } = await usageOf(running.pid!, running);
      const seconds = (performance.now() - began) / 1000;
      const sizes = await Promise.all(
        [...stacks.keys()].map(async (stack) => (await stat(fleet.stateFile(stack))).size),
      );
      const state = sizes.reduce((sum, size) => sum + size, 0) / hosts;
      const row = [
        String(hosts),
        String(stacks.size),
        operation,
        seconds.toFixed(1),
        (seconds / hosts).toFixed(1),
        (peakBytes / 1024 ** 2).toFixed(0),
        operation === "preview" ? "" : (state / 1024).toFixed(0),
        (pulumiWroteBytes / 1024 ** 2).toFixed(1),
      ];
      console.log(`  ${row.slice(2).join("  ")}`);
      rows.push(row);
    }
    return rows;
  } finally {
    fleet.end();
    await rm(folder, { recursive: true, force: true });
  }
}
