import { execa } from "execa";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { LAB } from "./folders.ts";

/**
 * Does work while no other command changes the lab's machines. flock(1) holds the lock while it can read from this
 * process, so that a killed command leaves no lock behind.
 */
export async function locked<T>(work: () => Promise<T>): Promise<T> {
  await mkdir(LAB, { recursive: true });
  const holder = execa("flock", [join(LAB, "lock"), "sh", "-c", "echo held; cat >/dev/null"], {
    stdin: "pipe",
    reject: false,
  });
  const notice = setTimeout(() => console.log("Another command is using the lab; waiting for it …"), 1000);
  await new Promise((resolve) => holder.stdout.once("data", resolve));
  clearTimeout(notice);
  try {
    return await work();
  } finally {
    holder.stdin.end();
    await holder;
  }
}
