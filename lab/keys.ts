import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { execa } from "execa";
import { KEYS } from "./folders.ts";

/** The key that stacks connect with. */
export const STACK_KEY = join(KEYS, "stack_ed25519");

/** The key of the lab and its tests. By the key, sshd's log shows which connections are a stack's. */
export const LAB_KEY = join(KEYS, "lab_ed25519");

/** The host key that the image is built with, so that it is known before the first connection. */
const HOST_KEY = join(KEYS, "host_ed25519");

/** ssh looks the host key up by this name, whatever the port. */
export const HOST_KEY_ALIAS = "jts-lab";
export const KNOWN_HOSTS = join(KEYS, "known_hosts");

/** Makes the lab's keys, unless they are all there. */
export async function makeKeys(): Promise<void> {
  if (existsSync(KNOWN_HOSTS)) return;
  await mkdir(KEYS, { recursive: true, mode: 0o700 });
  for (const [path, comment] of [
    [STACK_KEY, "jts-lab stack"],
    [LAB_KEY, "jts-lab"],
    [HOST_KEY, "jts-lab host"],
  ] as const) {
    await Promise.all([rm(path, { force: true }), rm(`${path}.pub`, { force: true })]);
    await execa("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", path]);
  }
  const publicKeys = await Promise.all([STACK_KEY, LAB_KEY].map((path) => readFile(`${path}.pub`, "utf8")));
  await writeFile(join(KEYS, "authorized_keys"), publicKeys.join(""));
  // Last: its presence says that all keys are there.
  await writeFile(KNOWN_HOSTS, `${HOST_KEY_ALIAS} ${await hostKey()}\n`);
}

/** The machines' public host key, `ssh-ed25519 AAAA…`. */
export async function hostKey(): Promise<string> {
  const [type, base64] = (await readFile(`${HOST_KEY}.pub`, "utf8")).split(" ");
  return `${type} ${base64}`;
}

/** `SHA256:…`, as sshd's log names the key that a connection came with. */
export async function fingerprint(key: string): Promise<string> {
  const { stdout } = await execa("ssh-keygen", ["-l", "-f", `${key}.pub`]);
  return stdout.split(" ")[1] ?? "";
}
