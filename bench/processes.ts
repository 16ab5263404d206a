/** What a process and all below it take, as /proc has it. */
import { readdir, readFile } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";

export interface Usage {
  /** The most memory of all together at one time: what is shared counts once. */
  readonly peakBytes: number;
  /** Written by the `pulumi` processes, to files and to each other. */
  readonly pulumiWroteBytes: number;
}

const EVERY_MILLISECONDS = 500;

/** Samples until the work is done. */
export async function usageOf(pid: number, work: Promise<unknown>): Promise<Usage> {
  let isDone = false;
  const done = work.finally(() => (isDone = true));
  let peakBytes = 0;
  const wrote = new Map<number, number>();
  while (!isDone) {
    const below = await descendantsOf(pid);
    const bytes = await Promise.all(below.map((one) => numberIn(`/proc/${one}/smaps_rollup`, /^Pss: +(\d+) kB/m)));
    peakBytes = Math.max(peakBytes, 1024 * bytes.reduce((sum, one) => sum + one, 0));
    for (const one of below) {
      const name = await readFile(`/proc/${one}/comm`, "utf8").catch(() => "");
      if (name.trim() === "pulumi") wrote.set(one, await numberIn(`/proc/${one}/io`, /^wchar: (\d+)/m));
    }
    await Promise.race([sleep(EVERY_MILLISECONDS), done]);
  }
  await done;
  return { peakBytes, pulumiWroteBytes: [...wrote.values()].reduce((sum, one) => sum + one, 0) };
}

/** 0 where the process has ended. */
async function numberIn(file: string, pattern: RegExp): Promise<number> {
  const text = await readFile(file, "utf8").catch(() => "");
  return Number(pattern.exec(text)?.[1] ?? 0);
}

async function descendantsOf(root: number): Promise<readonly number[]> {
  const pids = (await readdir("/proc")).filter((name) => /^\d+$/.test(name)).map(Number);
  const parents = await Promise.all(pids.map((pid) => numberIn(`/proc/${pid}/status`, /^PPid:\t(\d+)/m)));
  const found = new Set([root]);
  for (let size = 0; size < found.size;) {
    size = found.size;
    pids.forEach((pid, index) => found.has(parents[index]!) && found.add(pid));
  }
  return [...found];
}
