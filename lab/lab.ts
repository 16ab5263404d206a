/** The lab: a storage host and a NAS, both virtual, for `npm start`, the end-to-end tests and the benchmarks. */
import { mkdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { installDebianPackages, missingPackages } from "../setup/debian.ts";
import type { Need, Preparation } from "../setup/prepare.ts";
import { MissingNeed, step } from "../setup/progress.ts";
import type { Connection } from "../providers/values/connection.ts";
import { accelerator } from "./accelerator.ts";
import { discardDisks, ensureDisks, makeRootDisk } from "./disks.ts";
import { LAB } from "./folders.ts";
import { buildImage, missingImage } from "./image/build.ts";
import { fingerprint, hostKey, makeKeys, STACK_KEY } from "./keys.ts";
import { difference, rememberLikeness } from "./likeness.ts";
import { locked } from "./lock.ts";
import { folderOf, MACHINES, qemuArguments, type DataDisk, type Machine } from "./machine.ts";
import { chooseSshPort, sshPort } from "./ports.ts";
import { killQemu, processOf, startQemu, waitForEnd } from "./qemu.ts";
import { disconnect, greets, run } from "./ssh.ts";
import { STATE } from "./stack.ts";

export { run, type RunOptions } from "./ssh.ts";
export {
  MACHINES,
  NVME_BYTES,
  NVME_PATH,
  NVME_SERIAL,
  SPARE_BYTES,
  SPARE_PATH,
  SPARE_SERIAL,
  SATA_BYTES,
  SATA_PARTITION_PATH,
  SATA_SERIAL,
  type Machine,
} from "./machine.ts";
export { pulumiEnv } from "./stack.ts";

/** An emulated boot takes half a minute; a loaded machine may need several times that. */
const BOOT_SECONDS = 240;
/** In a few of many emulated boots, QEMU 7.2 crashes or hangs. Such a machine is started again, so often in all. */
const STARTS = 3;
const POWEROFF_SECONDS = 60;
/** Succeeds once the machine does what the other one needs of it. */
const SERVES: Record<Machine, string> = {
  "storage-host": "true",
  nas: "rpcinfo -T tcp 127.0.0.1 nfs 3 && rpcinfo -T tcp 127.0.0.1 mountd 3",
};

/** The disk image that the machines start from. */
export const image: Preparation = { missing: missingForImage, make: (signal) => locked(() => makeImage(signal)) };

/** Machines that run. */
export const machines: Preparation = { missing: missingForMachines, make: up };

/**
 * Starts the machines that don't run, and makes keys, image and disks where they are absent.
 *
 * @returns whether a machine had to be started
 */
export async function up(signal?: AbortSignal): Promise<boolean> {
  return locked(() => startMachines(signal));
}

/** Shuts the machines down and keeps their disks. `hard` is a power cut. */
export async function down({ hard = false } = {}): Promise<void> {
  await locked(() => stopMachines(hard));
}

/**
 * Does work that may start the machines. Afterwards it cuts their power, unless one of them ran before.
 *
 * @param lab what this calls, so that unit tests can replace it
 */
export async function leftAsFound<T>(work: () => Promise<T>, lab = { status, down }): Promise<T> {
  const wasUp = (await lab.status()).some(({ pid }) => pid !== undefined);
  try {
    return await work();
  } finally {
    if (!wasUp) await lab.down({ hard: true });
  }
}

/** Makes new machines with blank disks, and deletes the states of all stacks. */
export async function reset(): Promise<void> {
  await locked(makeAnew);
}

/** Like {@link reset}, but keeps machines that run and are still as they were made. */
export async function blank(): Promise<void> {
  await locked(async () => {
    const running = (await idleMachines()).length === 0;
    const why = running ? await difference().catch((error: Error) => error.message) : "the machines don't run";
    if (why === undefined) {
      await rm(STATE, { recursive: true, force: true });
      return;
    }
    console.log(`Making new machines: ${why}`);
    await makeAnew();
    await rememberLikeness();
  });
}

/** Restarts a machine, and waits until it has booted. `hard` is a power cut. */
export async function reboot(machine: Machine = "storage-host", { hard = false } = {}): Promise<void> {
  await locked(async () => {
    await requireRunning(machine);
    const before = hard ? undefined : await bootId(machine);
    if (hard) {
      await disconnect(machine);
      await powerOff(machine, true);
      await powerOn(machine);
    } else {
      await run(machine, "systemctl reboot", { mayFail: true });
      await disconnect(machine);
    }
    await waitUntilBooted(machine, { previousBoot: before });
  });
}

/** Cuts the storage host's power and starts it without some of its disks. The start after that has them again. */
export async function rebootWithout(disks: readonly DataDisk[]): Promise<void> {
  await locked(async () => {
    await powerOff("storage-host", true);
    await powerOn("storage-host", disks);
    await waitUntilBooted("storage-host", { pulled: disks });
  });
}

/** Shuts the storage host down and starts it with a new root disk, beside its other disks as they were. */
export async function reinstall(): Promise<void> {
  await locked(async () => {
    await powerOff("storage-host", false);
    await makeRootDisk("storage-host");
    await powerOn("storage-host");
    await waitUntilBooted("storage-host");
  });
}

/** Shuts one machine down and keeps its disks: {@link up} starts it again. `hard` is a power cut. */
export async function stop(machine: Machine, { hard = false } = {}): Promise<void> {
  await locked(() => powerOff(machine, hard));
}

/** Stops a machine until {@link thaw}: it answers nothing, as a host that hangs. */
export async function freeze(machine: Machine): Promise<void> {
  process.kill(await requireRunning(machine), "SIGSTOP");
}

export async function thaw(machine: Machine): Promise<void> {
  process.kill(await requireRunning(machine), "SIGCONT");
}

/** The `connection` of a machine for a stack's configuration. The user is root, or `jts`, who has passwordless sudo. */
export async function connection(machine: Machine = "storage-host", user = "root"): Promise<Connection> {
  const port = await sshPort(machine);
  if (port === undefined) throw new MissingNeed("The lab is not up. Next: npm run lab -- up");
  return { host: "127.0.0.1", port, user, hostKey: await hostKey(), identityFile: STACK_KEY, timeoutSeconds: 30 };
}

/** How many SSH connections of stacks the storage host has accepted since it booted. The lab's own don't count. */
export async function sshConnectionsAccepted(): Promise<number> {
  const { stdout } = await run("storage-host", "journalctl --boot --unit=ssh.service --output=cat");
  const key = await fingerprint(STACK_KEY);
  return stdout.split("\n").filter((line) => line.startsWith("Accepted publickey ") && line.endsWith(key)).length;
}

export interface MachineStatus {
  readonly machine: Machine;
  readonly pid: number | undefined;
  readonly sshPort: number | undefined;
  readonly answers: boolean;
}

export async function status(): Promise<MachineStatus[]> {
  return Promise.all(
    MACHINES.map(async (machine) => {
      const pid = await processOf(machine);
      return {
        machine,
        pid,
        sshPort: await sshPort(machine),
        answers: pid !== undefined && (await greets(machine, 5)),
      };
    }),
  );
}

async function missingForImage(): Promise<Need[]> {
  return [...(await missingPackages()), ...(await missingImage())];
}

async function missingForMachines(): Promise<Need[]> {
  const idle = (await idleMachines()).join(" and ");
  const boot: Need = {
    what: `a boot of the lab's ${idle}`,
    takes: "some 40 s where it is emulated, some 10 s with KVM",
  };
  return [...(await missingForImage()), ...(idle === "" ? [] : [boot])];
}

async function idleMachines(): Promise<Machine[]> {
  const pids = await Promise.all(MACHINES.map(processOf));
  return MACHINES.filter((_, index) => pids[index] === undefined);
}

async function makeImage(signal?: AbortSignal): Promise<void> {
  await installDebianPackages();
  signal?.throwIfAborted();
  await mkdir(LAB, { recursive: true });
  await makeKeys();
  if (await buildImage(signal)) await discardMachines();
}

async function startMachines(signal?: AbortSignal): Promise<boolean> {
  await makeImage(signal);
  const idle = await idleMachines();
  signal?.throwIfAborted();
  if (idle.length > 0) await Promise.all([accelerator(), ...idle.map(ensureDisks)]);
  // One after the other, since each chooses a free port; they boot at the same time.
  for (const machine of idle) await powerOn(machine);
  await Promise.all(
    MACHINES.map(async (machine) =>
      idle.includes(machine) || !(await greets(machine, 5)) ? waitUntilBooted(machine, { signal }) : undefined,
    ),
  );
  return idle.length > 0;
}

async function stopMachines(hard: boolean): Promise<void> {
  await Promise.all(MACHINES.map((machine) => powerOff(machine, hard)));
}

async function makeAnew(): Promise<void> {
  await discardMachines();
  await startMachines();
}

async function discardMachines(): Promise<void> {
  await stopMachines(true);
  await Promise.all(MACHINES.map(discardDisks));
  await rm(STATE, { recursive: true, force: true });
}

async function powerOn(machine: Machine, pulled: readonly DataDisk[] = []): Promise<void> {
  await ensureDisks(machine);
  await startQemu(machine, qemuArguments(machine, await accelerator(), await chooseSshPort(machine), pulled));
}

async function powerOff(machine: Machine, hard: boolean): Promise<void> {
  if (!hard && (await processOf(machine)) !== undefined && (await greets(machine, 5))) {
    await step(`Shutting the ${machine} down`, async () => {
      await run(machine, "systemctl poweroff", { mayFail: true, timeoutSeconds: 30 });
      await disconnect(machine);
      await waitForEnd(machine, POWEROFF_SECONDS);
    });
  }
  await disconnect(machine);
  await killQemu(machine);
}

/** Waits for SSH; then, unless disks are pulled, until systemd has started everything, and the NAS serves NFS. */
async function waitUntilBooted(
  machine: Machine,
  {
    previousBoot,
    pulled = [],
    signal,
  }: { previousBoot?: string | undefined; pulled?: readonly DataDisk[]; signal?: AbortSignal | undefined } = {},
): Promise<void> {
  await step(`Waiting for the ${machine}'s SSH`, async () => {
    let deadline = Date.now() + BOOT_SECONDS * 1000;
    for (let starts = 1; ; await sleep(500)) {
      signal?.throwIfAborted();
      const fault =
        (await processOf(machine)) === undefined
          ? "its QEMU has ended"
          : (await consoleOf(machine)).includes("Kernel panic")
            ? "its kernel panicked"
            : Date.now() > deadline
              ? `it did not answer within ${BOOT_SECONDS} s`
              : undefined;
      if (fault !== undefined) {
        const failed = await failedBoot(machine, fault);
        if (starts++ >= STARTS) throw failed;
        console.log(`${failed.message}\nStarting it again.`);
        await powerOff(machine, true);
        await powerOn(machine, pulled);
        deadline = Date.now() + BOOT_SECONDS * 1000;
      }
      if (!(await greets(machine, 3))) continue;
      if (previousBoot !== undefined && (await bootId(machine).catch(() => previousBoot)) === previousBoot) continue;
      // Units that wait for a pulled disk do so for minutes.
      const command = pulled.length === 0 ? `systemctl is-system-running --wait; ${SERVES[machine]}` : "true";
      const { exitCode } = await run(machine, command, { mayFail: true, timeoutSeconds: BOOT_SECONDS });
      // One of ssh's own: a slow sshd still has so many to greet that it drops some, see MaxStartups in sshd_config(5).
      if (exitCode !== 0) continue;
      return;
    }
  });
}

async function bootId(machine: Machine): Promise<string> {
  return (await run(machine, "cat /proc/sys/kernel/random/boot_id", { timeoutSeconds: 20 })).stdout;
}

async function failedBoot(machine: Machine, why: string): Promise<Error> {
  const lines = (await consoleOf(machine)).trimEnd().split("\n");
  // A panic's first line names the fault, which many others follow.
  const first = lines.findIndex((line) => /BUG:|Oops/.test(line));
  const shown = first < 0 ? lines.slice(-5) : lines.slice(first, first + 40);
  return new MissingNeed(
    `The ${machine} did not boot: ${why}. On its console (all is in ${consoleLog(machine)}):\n${shown.join("\n")}`,
  );
}

const consoleLog = (machine: Machine) => join(folderOf(machine), "console.log");

/** What the machine has printed since it was started. */
function consoleOf(machine: Machine): Promise<string> {
  return readFile(consoleLog(machine), "utf8").catch(() => "");
}

async function requireRunning(machine: Machine): Promise<number> {
  const pid = await processOf(machine);
  if (pid === undefined) throw new MissingNeed(`The ${machine} does not run. Next: npm run lab -- up`);
  return pid;
}
