import { execa } from "execa";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { LAB } from "./folders.ts";

/**
 * One command at a time changes the lab's machines. flock(1) holds the lock for as long as it can read from us, so a
 * killed command leaves none behind.
 */
export async function locked<T>(work: () => Promise<T>): Promise<T> {
  await mkdir(LAB, { recursive: true });
  const holder = execa("flock", [join(LAB, "lock"), "sh", "-c", "echo held; cat >/dev/null"], {
    stdin: "pipe",
    reject: false,
  });
  const notice = setTimeout(() => console.log("Another command is at work on the lab; waiting for it …"), 1000);
  await new Promise((resolve) => holder.stdout.once("data", resolve));
  clearTimeout(notice);
  try {
    return await work();
  } finally {
    holder.stdin.end();
    await holder;
  }
}
