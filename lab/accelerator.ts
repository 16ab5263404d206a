import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { execa } from "execa";
import { step } from "../setup/progress.ts";
import { KERNEL } from "./image/build.ts";
import { LAB } from "./folders.ts";

export type Accelerator = "kvm" | "tcg";

/** Where KVM works, a kernel without a root filesystem panics within a second or two. */
const PROBE_SECONDS = 15;

/**
 * KVM if a guest really runs on it, else QEMU's emulation: on some machines there is /dev/kvm, but guests hang. The
 * answer is remembered until this machine boots again.
 */
export async function accelerator(): Promise<Accelerator> {
  const remembered = join(LAB, "accelerator.json");
  const boot = (await readFile("/proc/sys/kernel/random/boot_id", "utf8")).trim();
  const known = JSON.parse(await readFile(remembered, "utf8").catch(() => "{}")) as {
    boot?: string;
    accelerator?: Accelerator;
  };
  if (known.boot === boot && known.accelerator !== undefined) return known.accelerator;
  const found = await step(`Testing whether KVM works here (at most ${PROBE_SECONDS} s)`, probe);
  console.log(
    found === "kvm"
      ? "KVM works."
      : "KVM doesn't work here: the machines run on QEMU's emulation, some ten times slower.",
  );
  await writeFile(remembered, JSON.stringify({ boot, accelerator: found }));
  return found;
}

async function probe(): Promise<Accelerator> {
  const args = [
    "-nodefaults",
    "-no-user-config",
    "-display",
    "none",
    "-machine",
    "q35",
    "-accel",
    "kvm",
    "-m",
    "256",
    "-no-reboot",
    "-serial",
    "stdio",
  ];
  const { stdout, exitCode } = await execa(
    "qemu-system-x86_64",
    [...args, "-kernel", KERNEL, "-append", "console=ttyS0 panic=-1"],
    {
      reject: false,
      stdin: "ignore",
      timeout: PROBE_SECONDS * 1000,
      forceKillAfterDelay: 1000,
    },
  );
  return exitCode === 0 && stdout.includes("Kernel panic") ? "kvm" : "tcg";
}
