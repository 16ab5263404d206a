/** Hosts that were set up by other means come under a stack, and nothing on them changes. */
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execa } from "execa";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parseDocument } from "yaml";
import { HOST_KEY_ALIAS, KNOWN_HOSTS } from "../../lab/keys.ts";
import * as lab from "../../lab/lab.ts";
import { installDebianPackages } from "../../setup/debian.ts";
import { ROOT } from "../../setup/project.ts";
import { LabStack, only, seenByUdev } from "../support/labStack.ts";

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
  const connection = await lab.connection();
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

/** Makes the host by a script of ours, with the host's own programs. */
async function make(script: string, ...words: readonly string[]): Promise<void> {
  const text = await readFile(join(ROOT, "test/support", script), "utf8");
  await lab.run("storage-host", `bash -s -- ${words.join(" ")}`, { stdin: text, timeoutSeconds: 900 });
  await mark();
}

/** From here on, files that change are found. */
const mark = () => on(`sync; touch ${MARKER}; sleep 1`);

/** Takes away what was made on blank disks. */
const unmake = (group: string, ...places: readonly string[]) =>
  on(`
    umount --recursive ${places.join(" ")} 2>/dev/null
    cp /root/fstab.before /etc/fstab
    systemctl daemon-reload
    vgremove --yes --quiet ${group}
    pvremove --quiet /dev/nvme0n1
    wipefs --all --quiet /dev/sda2 && ${seenByUdev("/dev/sda2")}
    rmdir ${places.join(" ")}
  `);

/** Adopts the host, brings the stack up, and destroys it: nothing on the host may change. */
async function adoptUpAndDestroy(text: string, resources: number): Promise<void> {
  const before = await host();
  await stack.configureAs(text);
  const { changes } = await stack.up();
  expect(changes.create).toBeGreaterThanOrEqual(resources);
  expect(await stack.up({ refresh: true })).toMatchObject({ changes: {} });
  expect(await host()).toBe(before);
  expect(await changedFiles()).toBe("");
  await stack.destroy();
  expect(await host()).toBe(before);
  expect(await changedFiles()).toBe("");
}

const UNITS = ["fstrim-all.timer", "fstrim-all.service", "tiered-storage.timer", "tiered-storage.service"];
const unitPaths = UNITS.map((name) => `/etc/systemd/system/${name}`);
/** The owner's units as they are: text, mode, and whether they are enabled and run. */
const units = () =>
  on(`
    sha256sum ${unitPaths.join(" ")}; stat --format='%n %a %U:%G' ${unitPaths.join(" ")}
    systemctl is-enabled fstrim-all.timer tiered-storage.timer
    systemctl is-active fstrim-all.timer tiered-storage.timer
  `);

/** Adds tuning and automation, which replace the owner's units when told so, and destroys all: the units are back. */
async function takeOverAndGiveBack(text: string): Promise<void> {
  const before = await units();
  const more = (extra: Record<string, unknown>) => {
    const document = parseDocument(text);
    const at = ["config", "jts-storage:hosts", "storage-host"];
    document.deleteIn([...at, "tuning"]);
    document.deleteIn([...at, "hot", "tree"]);
    for (const [key, value] of Object.entries(extra)) document.setIn([...at, key], value);
    return document.toString();
  };
  const automation = { verify: false };
  await stack.configureAs(more({ automation }));
  // The engine ends with the first of them; `npm run adopt` has told all.
  expect(await stack.refusal(() => stack.up())).toMatch(/\.timer exists already and isn't ours[^]*takeOver: \["/);
  expect(await units()).toBe(before);
  await stack.configureAs(more({ automation, takeOver: unitPaths }));
  await stack.up();
  expect(await stack.up({ refresh: true })).toMatchObject({ changes: {} });
  expect(await on("grep --count fstrim /etc/systemd/system/fstrim-all.service")).not.toBe("0");
  await on("echo '# by hand' >>/etc/systemd/system/fstrim-all.timer");
  expect((await stack.up({ refresh: true })).changes).toEqual({ update: 1 });
  await stack.destroy();
  expect(await units()).toBe(before);
  expect(await on("find /var/lib/jts-storage/replaced -type f 2>/dev/null || true")).toBe("");
}

describe("a host that other means set up", { timeout: 20 * 60_000, tags: ["long"] }, () => {
  beforeAll(() => on("cp /etc/fstab /root/fstab.before"));

  it("by the conventions of linux-system-roles enters the state as it is, swap and spare volumes left outside", async () => {
    await make("hostOfRoles.sh");
    const { exitCode, said, text } = await adopt();
    expect(said).toContain("/dev/data/spare, 64 MiB: nothing of fstab mounts it");
    expect(said).toMatch(/changes nothing on the host/);
    expect(exitCode).toBe(0);
    expect(text).toMatch(/pgdata:\n +name: pgdata\n/);
    expect(text).toMatch(/queue_1:\n +name: queue-1\n/);
    await adoptUpAndDestroy(text, 10);
    await unmake("data", "/opt/pgdata", "/opt/queue-1", "/opt/archive");
  });

  it("by Ansible's lvg, lvol, filesystem and mount enters the state as it is", async () => {
    await installDebianPackages(["ansible"]);
    const { host: address, port, user, identityFile } = await lab.connection();
    const inventory = join(folder, "inventory.ini");
    await writeFile(
      inventory,
      `lab ansible_host=${address} ansible_port=${port} ansible_user=${user} ansible_ssh_private_key_file=${identityFile} ` +
        "ansible_python_interpreter=/usr/bin/python3\n",
    );
    const sshOptions = `-o UserKnownHostsFile=${KNOWN_HOSTS} -o HostKeyAlias=${HOST_KEY_ALIAS}`;
    await execa("ansible-playbook", ["--inventory", inventory, join(ROOT, "test/support/hostOfAnsible.yaml")], {
      env: { LC_ALL: "C.UTF-8", ANSIBLE_HOME: join(folder, "ansible"), ANSIBLE_SSH_ARGS: sshOptions },
      stdin: "ignore",
    });
    await mark();
    const { exitCode, said, text } = await adopt();
    expect(said).toMatch(/changes nothing on the host/);
    expect(exitCode).toBe(0);
    expect(text).toMatch(/owner: backup/);
    expect(text).toMatch(/version: "3"/);
    await adoptUpAndDestroy(text, 12);
    await unmake("vg_data", "/srv/mongo", "/srv/redis", "/srv/bulk", "/mnt/nas");
    await lab.run("nas", "rmdir /volume1/cocodev/jts");
  });

  it("by this program, whose state is lost, enters the state again with its own settings", async () => {
    await stack.configure((section) => {
      only("hot", "warm")(section);
      section.hot = { ...(section.hot as object), volumes: { redis: { size: "2GiB" }, mongodb: { size: "2GiB" } } };
      section.onDelete = "retain";
    });
    await stack.up();
    await mark();
    const { exitCode, said, text } = await adopt();
    expect(said).toMatch(/changes nothing on the host/);
    expect(exitCode).toBe(0);
    expect(text).toContain("tree: /data/jts/hot");
    expect(text).not.toContain("keepFstab");
    const before = await host();
    const adopted = await LabStack.select({ name: "adopted" });
    await adopted.configureAs(text);
    expect((await adopted.up()).changes.create).toBeGreaterThanOrEqual(15);
    expect(await adopted.up({ refresh: true })).toMatchObject({ changes: {} });
    expect(await host()).toBe(before);
    expect(await changedFiles()).toBe("");
    await adopted.destroy();
    await stack.destroy();
  });
});

describe("a host that its owner set up by hand", { timeout: 20 * 60_000, tags: ["long"] }, () => {
  it("enters the state as it is, with nothing changed by adopt, up or destroy, and advice on what could be better", async () => {
    await lab.blank();
    await make("handMadeHost.sh", "mended");
    const precious = await on("sha256sum /var/lib/*/precious /data/warm-storage/daily-backups/precious");
    const { exitCode, said, text } = await adopt();
    expect(said).toMatch(/`up` enters \d+ resources into the state and changes nothing on the host\./);
    expect(exitCode).toBe(0);
    for (const advice of [
      "sparse_super2",
      "intr",
      "/dev/sda2 may name another device",
      "without nofail",
      "/etc/sysctl.conf",
    ])
      expect(said).toContain(advice);
    expect(said).toMatch(/60-ssd-scheduler\.rules runs fstrim/);
    expect(said).toMatch(/takeOver:\s+\[\/etc\/systemd\/system\/fstrim-all\.timer,/);
    await adoptUpAndDestroy(text, 25);
    await takeOverAndGiveBack(text);
    expect(await on("sha256sum /var/lib/*/precious /data/warm-storage/daily-backups/precious")).toBe(precious);
  });

  it("is told whole where it doesn't work: what to do, in which order", async () => {
    await lab.blank();
    await make("handMadeHost.sh", "verbatim");
    const { exitCode, said } = await adopt();
    expect(exitCode).toBe(1);
    expect(said).toMatch(
      /1\. fstab names \/dev\/vg_jts\/lv_local_backup for \/data\/local-backup, and there is no such/,
    );
    for (const place of ["postgresql", "kafka", "redis"])
      expect(said).toContain(`nothing is mounted at /var/lib/${place}, though fstab has a line for it`);
    expect(await changedFiles()).toBe("");
  });
});
