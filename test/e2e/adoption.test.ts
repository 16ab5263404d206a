/** Hosts that were set up by other means come under a stack, and nothing on them changes. */
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execa } from "execa";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import * as lab from "../../lab/lab.ts";
import { ROOT } from "../../setup/project.ts";
import { LabStack } from "../support/labStack.ts";

const on = async (command: string) => (await lab.run("storage-host", command, { timeoutSeconds: 600 })).stdout;

let stack: LabStack;
let folder: string;
/** Files of the host that were changed since it was looked at, but for logs, caches and what systemd itself keeps. */
const MARKER = "/run/adoption-marker";
const changedFiles = () =>
  on(`find / -xdev \\( -path /var/log -o -path /var/cache -o -path /var/tmp -o -path /tmp -o -path /root \
      -o -path /var/lib/systemd -o -path /etc/lvm -o -path /var/lib/nfs \\) -prune -o -newer ${MARKER} -not -type d -print`);
/** What is mounted, what LVM has, and who there is. */
const host = () =>
  on(`
    cat /etc/fstab /etc/passwd /etc/group
    findmnt --list --output TARGET,SOURCE,FSTYPE,OPTIONS | sort
    lvm fullreport --reportformat json
    systemctl list-unit-files --state=enabled --no-legend
    sysctl --all 2>/dev/null | grep '^net.core'
  `);

beforeAll(async () => {
  await lab.blank();
  stack = await LabStack.select();
  folder = await mkdtemp(join(tmpdir(), "jts-adopt-"));
});

afterAll(async () => {
  await rm(folder, { recursive: true, force: true });
});

/** Runs the command against the lab's host, as a newcomer would. */
async function adopt(): Promise<{ readonly exitCode: number; readonly said: string; readonly text: string }> {
  const { connection } = await lab.connection();
  const file = join(folder, "Pulumi.adopted.yaml");
  await rm(file, { force: true });
  const { exitCode = -1, all } = await execa(
    "node",
    [
      ...[join(ROOT, "commands/adopt.ts"), "--host", `${connection.user}@${connection.host}:${connection.port}`],
      ...["--host-key", connection.hostKey, "--identity-file", connection.identityFile!, "--output", file],
    ],
    { reject: false, all: true },
  );
  return { exitCode, said: all, text: await readFile(file, "utf8").catch(() => "") };
}

describe("a host that its owner set up by hand", () => {
  it.todo("is adopted");
});
