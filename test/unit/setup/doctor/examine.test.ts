import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { parse } from "yaml";
import { Session } from "../../../../providers/engine/session.ts";
import type { Output } from "../../../../providers/host/command.ts";
import { declaredBy } from "../../../../setup/declared.ts";
import { examineInside } from "../../../../setup/doctor/examine.ts";
import type { Row } from "../../../../setup/doctor/row.ts";
import { ROOT } from "../../../../setup/project.ts";
import { readStack } from "../../../../setup/stackFile.ts";
import { StackOnHost } from "../../../support/engine.ts";
import { devMachine, type Machine } from "../../../support/fakeHost.ts";
import { rpcReply, SoundHost } from "../../../support/soundHost.ts";

const FILE = join(ROOT, "Pulumi.dev.yaml");
const [host] = await readStack(FILE, []);
const { config } = parse(readFileSync(FILE, "utf8")) as { config: Record<string, unknown> };
const graph = await declaredBy({ hosts: config["jts-storage:hosts"] });

async function rowsOf(
  otherwise: Readonly<Record<string, string | Output>> = {},
  change: (machine: Machine) => void = () => undefined,
  machine = devMachine(),
): Promise<readonly Row[]> {
  change(machine);
  return examineInside(new Session(new SoundHost(machine, otherwise)), host!);
}

const bad = (rows: readonly Row[]) => rows.filter(({ state }) => state !== "ok");
const failure = (stderr: string, exitCode: number, stdout = ""): Output => ({ stdout, stderr, exitCode });

describe("a look at a host", () => {
  it("finds nothing in the way on a sound blank host, and says what an `up` would do", async () => {
    const rows = await rowsOf();
    expect(bad(rows)).toEqual([]);
    const found = Object.fromEntries(rows.map((row) => [row.subject, row.found]));
    expect(found["hot-pv"]).toMatch(
      /^\/dev\/disk\/by-id\/nvme.*3726\.02 GiB, serial JTSNVME0001: make .* a physical volume$/,
    );
    expect(found["volumes of vg_jts"]).toBe("7 volumes, 3600 GiB of 3726.02 GiB");
    expect(found["packages"]).toMatch(/to do: install .*lvm2/);
    expect(found["export 192.168.1.101:/volume1/cocodev"]).toBe("to 192.168.1.0/24");
    expect(found["hot"]).toMatch(/to do: .* and \d+ more; 7 to compare once the `up` has made what they need/);
  });

  it("finds all as declared after an `up`", async () => {
    const { fake } = new SoundHost(devMachine());
    expect(await new StackOnHost(graph, fake).up()).toEqual([]);
    const rows = await rowsOf({}, () => undefined, fake.machine);
    expect(bad(rows)).toEqual([]);
    expect(rows.filter(({ found }) => found.includes("to do"))).toEqual([]);
    expect(rows.find(({ subject }) => subject === "hot-pv")!.found).toMatch(/: as declared$/);
  });

  it("changes nothing", async () => {
    const machine = devMachine();
    const before = structuredClone(machine);
    await rowsOf({}, () => undefined, machine);
    expect(machine).toEqual(before);
  });

  it.each<[string, Record<string, string | Output>, RegExp]>([
    [
      "another system",
      { "cat /etc/os-release": 'ID=fedora\nVERSION_ID=40\nPRETTY_NAME="Fedora 40"\n' },
      /^FAILED release: Fedora 40, Linux 6\.1/,
    ],
    ["an old Debian", { "cat /etc/os-release": 'ID=debian\nVERSION_ID="11"\n' }, /^FAILED release/],
    [
      "a system made of Debian",
      { "cat /etc/os-release": "ID=ubuntu\nID_LIKE=debian\n" },
      /^advice release: .*not tried/,
    ],
    ["another init", { "cat /proc/1/comm": "runit\n" }, /^FAILED systemd: process 1 is runit/],
    [
      "a degraded system",
      { "systemctl is-system-running": failure("", 1, "degraded\n"), "systemctl list-units": '[{"unit":"x.service"}]' },
      /^advice systemd: runs; failed: x\.service/,
    ],
    [
      "a system in rescue mode",
      { "systemctl is-system-running": failure("", 1, "maintenance\n") },
      /^FAILED systemd: its state is maintenance/,
    ],
    ["mounts of the session's own", { "readlink /proc/1/ns": "mnt:[1]\nmnt:[2]\n" }, /^FAILED SSH session/],
    ["a clock of yesterday", { date: `${Date.now() - 86_400_000}\n` }, /^FAILED clock: 8\d{4} s behind this machine/],
    ["a clock that is ahead", { date: `${Date.now() + 600_000}\n` }, /^advice clock: \d+ s ahead of this machine/],
    ["a clock that nobody sets", { timedatectl: "NTPSynchronized=no\n" }, /^advice clock: not synchronized/],
    [
      "no timedatectl",
      { timedatectl: failure("timedatectl: command not found", 127) },
      /^advice clock: whether it is synchronized can't be told/,
    ],
    [
      "a full root disk",
      { df: "x\n 21474836480 1000000 131072 98304 /\n" },
      /^FAILED room on \/: 976\.56 KiB of 20 GiB free/,
    ],
    ["no inodes", { df: "x\n 21474836480 16106127360 131072 9 /\n" }, /^FAILED room on \/: 9 inodes free/],
    [
      "another `up`",
      { lslocks: '{"locks":[{"command":"bash","pid":77,"path":"/run/jts-storage.lock","blocker":null}]}' },
      /^advice other writers: bash \(process 77\)/,
    ],
    ["an immutable fstab", { lsattr: "----i---------e------- /etc/fstab\n" }, /^FAILED fstab: is immutable/],
    [
      "errors in fstab",
      {
        "findmnt --verify": failure(
          "",
          1,
          "/mnt/x\n   [E] unreachable on boot required source: UUID=1\n   [W] no final newline\n\n0 parse errors, 1 error, 1 warning\n",
        ),
      },
      /^advice fstab: \/mnt\/x: unreachable on boot required source: UUID=1$/,
    ],
    [
      "apt at work",
      {
        lslocks: '{"locks":[{"command":"apt-get","pid":812,"path":"/var/lib/dpkg/lock-frontend","blocker":null}]}',
        ps: "   30\n",
      },
      /^advice apt: apt-get \(process 812\) holds \/var\/lib\/dpkg\/lock-frontend, and runs for 30 s/,
    ],
    [
      "a stuck apt",
      {
        lslocks: '{"locks":[{"command":"apt-get","pid":812,"path":"/var/lib/dpkg/lock","blocker":null}]}',
        ps: " 9000\n",
      },
      /^FAILED apt: .*9000 s/,
    ],
    [
      "a cut installation",
      { "find /var/lib/dpkg/updates": "/var/lib/dpkg/updates/0001\n" },
      /^FAILED dpkg: an installation was cut/,
    ],
    [
      "half a package",
      { "dpkg --audit": "The following packages are only half configured:\n xfsprogs  Utilities for XFS\n" },
      /^FAILED dpkg: packages that are not whole: xfsprogs/,
    ],
    [
      "held packages",
      { "apt-get": failure("E: Unable to correct problems, you have held broken packages.\n", 100) },
      /^FAILED apt: Unable to correct problems, you have held broken packages\./,
    ],
    [
      "lists without a package",
      { "apt-get": failure("E: Unable to locate package lvm2\n", 100) },
      /^advice apt: Unable to locate package lvm2/,
    ],
    [
      "a NAS that is off",
      { "call-rpc 192.168.1.101 2049": failure("", 124) },
      /^FAILED NAS 192\.168\.1\.101: NFS 3 by TCP port 2049: no answer in time/,
    ],
    [
      "a NAS without NFS",
      {
        "call-rpc 192.168.1.101 2049": failure(
          "call-rpc: connect: Connection refused\ncall-rpc: line 1: /dev/tcp/x/2049: Connection refused\n",
          1,
        ),
      },
      /^FAILED NAS .*: connect: Connection refused/,
    ],
    [
      "a NAS without that version",
      { "call-rpc 192.168.1.101 2049": "6a7473000000000100000000000000000000000000000002" + "0000000400000004\n" },
      /^FAILED NAS .*versions 4 to 4/,
    ],
    [
      "a NAS that doesn't export it",
      { "call-rpc 192.168.1.101 20048": rpcReply(1, 4, 0x2f616263, 0, 0) },
      /^FAILED export .*: the NAS exports \/abc$/,
    ],
    [
      "a NAS without portmapper",
      { "call-rpc 192.168.1.101 111": failure("connect: Connection refused\n", 1) },
      /^FAILED export .*: the list of exports can't be asked: connect: Connection refused/,
    ],
  ])("with %s has a row for it, with what to do", async (_what, otherwise, expected) => {
    const rows = bad(await rowsOf(otherwise)).filter(({ state }) => state !== "not asked");
    expect(rows.map(({ state, subject, found }) => `${state} ${subject}: ${found}`)).toEqual([
      expect.stringMatching(expected),
    ]);
    expect(rows[0]!.next).toMatch(/\S/);
  });

  it.each<[string, (machine: Machine) => void, Record<string, string | Output>, RegExp]>([
    [
      "a disk that is not there",
      (machine) => void delete machine.links["/dev/disk/by-id/nvme-QEMU_NVMe_Ctrl_JTSNVME0001"],
      {},
      /^FAILED hot-pv and 1 more: there is no device/,
    ],
    [
      "a disk of another size",
      (machine) => void (machine.devices["/dev/nvme0n1"]!.bytes = 5e12),
      {},
      /^FAILED hot-pv: .* has 5000000000000 bytes instead of 4000787030016/,
    ],
    [
      "another disk",
      (machine) => void (machine.devices["/dev/sda"]!.serial = "OTHER"),
      {},
      /^FAILED warm-fs: .* the serial number OTHER instead of JTSSATA0001/,
    ],
    [
      "a disk with data",
      (machine) => void (machine.signatures["/dev/nvme0n1"] = { type: "ext4", label: null, uuid: "u", bytes: 1 }),
      {},
      /^FAILED hot-pv: .* is not blank/,
    ],
    [
      "files below a mount point",
      (machine) =>
        void (machine.files["/var/lib/postgresql"] = { type: "directory", owner: "root", group: "root", mode: "755" }),
      { "find /var/lib/postgresql": "15\n" },
      /^FAILED mount point \/var\/lib\/postgresql: is not empty \(15, …\)/,
    ],
    [
      "a mount point that is a link",
      (machine) =>
        void (machine.files["/var/lib/kafka"] = { type: "symbolic link", owner: "root", group: "root", mode: "777" }),
      {},
      /^FAILED mount point \/var\/lib\/kafka and 1 more: \/var\/lib\/kafka is a symbolic link/,
    ],
    [
      "another entry for a mount point",
      (machine) => void (machine.files["/etc/fstab"]!.content += "LABEL=x /var/lib/redis ext4 defaults 0 2\n"),
      {},
      /^FAILED hot-redis-mount: \/etc\/fstab already has a line for \/var\/lib\/redis/,
    ],
    [
      "old tools",
      (machine) => {
        machine.packages.push("lvm2");
        machine.versions.lvm2 = "2.03.11-2.1";
      },
      {},
      /^FAILED packages-installed: lvm2 on this host is 2\.03\.11/,
    ],
    [
      "a read-only root disk",
      (machine) => void (machine.mounts[0]!["vfs-options"] = "ro,relatime"),
      {},
      /^FAILED room on \/: it is read-only/,
    ],
  ])("with %s has a row for it, with what to do", async (_what, change, otherwise, expected) => {
    const rows = bad(await rowsOf(otherwise, change)).filter(({ state }) => state !== "not asked");
    const told = rows.map(({ state, subject, found }) => `${state} ${subject}: ${found}`);
    expect(told[0]).toMatch(expected);
    expect(rows.every(({ next }) => next !== undefined)).toBe(true);
  });

  it("without LVM's tools judges the disks all the same, as an `up` installs those", async () => {
    const missing = { lvm: failure("lvm: command not found", 127) };
    const rows = await rowsOf(missing);
    expect(bad(rows)).toEqual([]);
    expect(rows.find(({ subject }) => subject === "hot-pv")!.found).toMatch(/: blank$/);
    const used = await rowsOf(missing, (machine) => {
      machine.signatures["/dev/nvme0n1"] = { type: "ext4", label: null, uuid: "u", bytes: 1 };
    });
    expect(bad(used)).toMatchObject([
      { state: "advice", subject: "hot-pv", found: expect.stringMatching(/not blank/) as string },
    ]);
  });

  it("says once what hangs, and has all other rows", async () => {
    const rows = await rowsOf({ lvm: failure("", 124) });
    const hanging = bad(rows).filter(({ found }) => found.includes("no answer in time"));
    expect(hanging.map(({ state, subject }) => `${state} ${subject}`)).toEqual(["FAILED hot-pv and 8 more"]);
    expect(hanging.every(({ found }) => /could not read .*LVM/.test(found))).toBe(true);
    expect(bad(rows)).toHaveLength(1);
    expect(rows.map(({ subject }) => subject)).toEqual(
      expect.arrayContaining(["release", "NAS 192.168.1.101", "cold"]),
    );
  });

  it("takes more than the disks have for what can't be", async () => {
    const rows = await rowsOf({}, (machine) => void (machine.devices["/dev/nvme0n1"]!.bytes = 1e12));
    expect(rows.find(({ subject }) => subject === "volumes of vg_jts")).toMatchObject({ state: "FAILED" });
  });
});
