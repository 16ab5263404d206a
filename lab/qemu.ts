import { spawn } from "node:child_process";
import { closeSync, openSync } from "node:fs";
import { readFile, readlink, rm } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { MissingNeed } from "../setup/progress.ts";
import { LAB } from "./folders.ts";
import { folderOf, type Machine } from "./machine.ts";

/**
 * The process ID of the machine's QEMU, if it runs. QEMU writes its pidfile itself, so that a lab that is killed loses
 * no machine. Working folder and name prove that the process is still this machine.
 */
export async function processOf(machine: Machine): Promise<number | undefined> {
  const pid = Number.parseInt(await readFile(join(folderOf(machine), "pid"), "utf8").catch(() => ""), 10);
  if (Number.isNaN(pid)) return undefined;
  try {
    const words = (await readFile(`/proc/${pid}/cmdline`, "utf8")).split("\0");
    return (await readlink(`/proc/${pid}/cwd`)) === LAB && words.includes(`jts-lab-${machine}`) ? pid : undefined;
  } catch {
    return undefined;
  }
}

/** Starts QEMU so that it runs on when the command that started it ends. */
export async function startQemu(machine: Machine, args: readonly string[]): Promise<void> {
  const folder = folderOf(machine);
  await rm(join(folder, "link"), { force: true });
  const log = openSync(join(folder, "qemu.log"), "w");
  const child = spawn("qemu-system-x86_64", args, { cwd: LAB, detached: true, stdio: ["ignore", log, log] });
  closeSync(log);
  let ended = false;
  child.on("exit", () => (ended = true));
  child.on("error", () => (ended = true));
  child.unref();
  for (let tries = 0; tries < 100; tries++) {
    if ((await processOf(machine)) !== undefined) return;
    if (ended) break;
    await sleep(100);
  }
  const words = (await readFile(join(folder, "qemu.log"), "utf8")).trim();
  throw new MissingNeed(`QEMU did not start for the ${machine}: ${words === "" ? "it printed nothing" : words}`);
}

/** Kills the machine's QEMU, like a power cut. */
export async function killQemu(machine: Machine): Promise<void> {
  const pid = await processOf(machine);
  if (pid !== undefined) {
    process.kill(pid, "SIGKILL");
    // A dying process loses its command line before it releases the disks: hence the wait for its ID to go.
    for (const deadline = Date.now() + 30_000; isAlive(pid) && Date.now() < deadline;) await sleep(50);
  }
  await rm(join(folderOf(machine), "pid"), { force: true });
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

/** Waits until the machine's QEMU has ended after a shutdown; false if it still runs after that time. */
export async function waitForEnd(machine: Machine, seconds: number): Promise<boolean> {
  for (const deadline = Date.now() + seconds * 1000; Date.now() < deadline; await sleep(100)) {
    if ((await processOf(machine)) === undefined) return true;
  }
  return false;
}
