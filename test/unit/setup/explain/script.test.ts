import { spawnSync } from "node:child_process";
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { planBlankHost } from "../../../../setup/explain/blankHost.ts";
import { printScript } from "../../../../setup/explain/script.ts";
import { ROOT } from "../../../../setup/project.ts";
import { readStack, type StackHost } from "../../../../setup/stackFile.ts";
import { onlyOurs, StackOnHost } from "../../../support/engine.ts";
import { devMachine, FakeHost } from "../../../support/fakeHost.ts";

const file = join(ROOT, "Pulumi.dev.yaml");
let dev: StackHost;
let script: string;
let folder: string;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "jts-script-"));
  dev = (await readStack(file, []))[0]!;
  script = printScript({ host: dev.name, file: "Pulumi.dev.yaml" }, await planBlankHost(dev.resources));
  writeFileSync(join(folder, "make.sh"), script);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const bash = (text: string, options = {}) => spawnSync("bash", ["-c", text], { encoding: "utf8", ...options });
const has = (tool: string) => bash(`command -v ${tool}`).status === 0;
const canIsolate = bash("[[ $EUID == 0 ]] && unshare --mount true").status === 0;

describe("the script for a blank host", () => {
  it("is bash that parses", () => {
    expect(bash(`bash -n ${folder}/make.sh`)).toMatchObject({ status: 0, stderr: "" });
  });

  it.skipIf(!has("shellcheck"))("has nothing that shellcheck finds", () => {
    expect(bash(`shellcheck --shell=bash ${folder}/make.sh`).stdout).toBe("");
  });

  it("is the same each time, whatever the program declared side by side", async () => {
    const [again] = await readStack(file, []);
    expect(printScript({ host: dev.name, file: "Pulumi.dev.yaml" }, await planBlankHost(again!.resources))).toBe(
      script,
    );
  });

  it("proves before it makes anything that the disks are blank, and again just before each is written to", () => {
    const main = script.slice(script.indexOf("main() {"), script.indexOf("\n}\n"));
    const disks = ["nvme-QEMU_NVMe_Ctrl_JTSNVME0001 4000787030016 JTSNVME0001", "JTSSATA0001-part2 '' JTSSATA0001"];
    const firstMade = main.search(/apt-get|pvcreate|mkfs|make_/);
    for (const disk of disks) {
      const at = [...main.matchAll(new RegExp(`require_blank .*${disk}`, "g"))].map(({ index }) => index);
      expect(at).toHaveLength(2);
      expect(at[0]).toBeLessThan(firstMade);
    }
    for (const [writing] of main.matchAll(/^.*\n *(?:pvcreate|mkfs\.\w+) .*$/gm))
      expect(writing).toMatch(/^ *require_blank /);
    expect(main.match(/^ *mkfs\./gm)).toHaveLength(8);
  });

  it("has words for the steps of every resource of the committed stacks", async () => {
    for (const stack of ["dev", "prod"])
      for (const host of await readStack(join(ROOT, `Pulumi.${stack}.yaml`), []))
        expect(printScript({ host: host.name, file: stack }, await planBlankHost(host.resources))).toContain(
          "pvcreate",
        );
  });

  it.skipIf(!canIsolate)("stops before it makes anything where the disk isn't there", () => {
    const { status, stdout, stderr } = bash(isolated(folder, `ls /var/lib /etc >&2; exec bash ${folder}/make.sh`));
    expect({ status, stdout }).toEqual({ status: 1, stdout: "" });
    expect(stderr).toContain("there is no /dev/disk/by-id/nvme-QEMU_NVMe_Ctrl_JTSNVME0001");
    expect(bash(`find ${folder}/root/var/lib ${folder}/root/data -mindepth 1`).stdout).toBe("");
  });
});

/** Tools that a test can't have work: they note how they were called. */
const STUBS = [
  ...["apt-get", "vgchange", "pvcreate", "vgcreate", "lvcreate", "pvs", "mkfs.ext4", "mkfs.xfs", "mkfs.btrfs"],
  ...["mount", "chattr", "udevadm", "sysctl", "systemctl", "sync", "flock"],
];

/** Runs commands as root in a root folder of their own, which has this machine's programs. */
function isolated(where: string, text: string): string {
  const root = `${where}/root`;
  writeFileSync(join(where, "inside.sh"), `cd /\n${text}\n`);
  return [
    `mkdir -p ${root}/{etc/systemd/system,usr,proc,dev,sys,run,tmp,data,mnt,var/lib} && : >${root}/etc/fstab`,
    `cp /etc/{passwd,group,shadow,gshadow,nsswitch.conf,login.defs} ${root}/etc/`,
    `for link in bin sbin lib lib64; do ln -sfn usr/$link ${root}/$link; done`,
    "exec unshare --mount bash -euc '",
    `for one in usr proc dev sys; do mount --rbind /$one ${root}/$one; done`,
    `mount -t tmpfs tmpfs ${root}/usr/local; mkdir ${root}/usr/local/{bin,lib}`,
    `mkdir -p ${root}${where}; mount --bind ${where} ${root}${where}`,
    `exec chroot ${root} bash -eu ${where}/inside.sh`,
    "'",
  ].join("\n");
}

describe.skipIf(!canIsolate)("the script for a blank host, run with LVM, mkfs and mount only noted", () => {
  let out: { readonly status: number | null; readonly stdout: string; readonly stderr: string };
  const read = (name: string) => readFileSync(join(folder, name), "utf8");

  beforeAll(() => {
    mkdirSync(join(folder, "bin"));
    for (const tool of STUBS) {
      writeFileSync(join(folder, "bin", tool), `#!/bin/bash\necho "${tool} $*" >>${folder}/calls\n`);
      chmodSync(join(folder, "bin", tool), 0o755);
    }
    // What looks at devices is programs of their own, which have their tests.
    const tried = script
      .replaceAll(/^(find_signs_of_use|activate_udev)\(\) \([^]*?^\)$/gm, "$1() { :; }")
      .replace("PATH=", `PATH=${folder}/bin:`);
    writeFileSync(join(folder, "tried.sh"), tried);
    out = bash(
      isolated(
        folder,
        [
          `bash ${folder}/tried.sh`,
          `cp /var/lib/jts-storage/made ${folder}/made`,
          `find /var/lib /data /mnt /usr/local /etc -mindepth 1 -printf '%y %p %u:%g %m\\n' >${folder}/found`,
        ].join("\n"),
      ),
    );
  }, 120_000);

  it("succeeds", () => {
    expect({ status: out.status, stderr: out.stderr }).toEqual({ status: 0, stderr: "" });
  });

  it("leaves the ledger and fstab that an `up` leaves", async () => {
    const host = new FakeHost(devMachine());
    expect(await new StackOnHost(onlyOurs(dev), host).up()).toEqual([]);
    const sorted = (lines: string) =>
      lines
        .split("\n")
        .filter((line) => line !== "")
        .sort();
    // The fake machine has the folders that Debian has; what the kernel had before is each machine's own.
    const comparable = (lines: readonly string[]) =>
      lines
        .filter(
          (line) =>
            !/^directory \/(var|var\/lib|etc\/[a-z]+\.d|etc\/udev.*)$/.test(line) && !/^(group|user) /.test(line),
        )
        .map((line) => line.replace(/^(kernel \S+) .*/, "$1"))
        .filter((line) => !line.startsWith("kernel /sys/"));
    expect(comparable(sorted(read("made")))).toEqual(comparable(host.machine.ledger.toSorted()));
    const [, ...ours] = host.machine.files["/etc/fstab"]!.content!.trimEnd().split("\n");
    expect(sorted(read("root/etc/fstab"))).toEqual(ours.sort());
    for (const [path, { type, owner, group, mode }] of Object.entries(host.machine.files)) {
      if (
        !/^\/(data|mnt|usr\/local\/lib\/jts|etc\/systemd\/system\/|var\/lib\/)/.test(path) ||
        path === "/data" ||
        path === "/mnt"
      )
        continue;
      const letter = type === "directory" ? "d" : type === "symbolic link" ? "l" : "f";
      expect(read("found")).toContain(`${letter} ${path} ${owner}:${group} ${mode}\n`);
    }
  });

  it("makes each thing after what it lies on", () => {
    const calls = read("calls").split("\n");
    const at = (start: string) => calls.findIndex((call) => call.startsWith(start));
    const order = [
      ...["apt-get --quiet=2 --yes --no-install", "pvcreate", "vgcreate", "lvcreate", "mkfs.ext4", "mount -- /var/lib"],
      ...["mount -- /data/jts/hot", "mkfs.btrfs", "mount -- /data/warm-storage", "mount -- /mnt/synology", "sysctl"],
    ].map(at);
    expect(order).not.toContain(-1);
    expect(order).toEqual(order.toSorted((one, other) => one - other));
    expect(calls.findLastIndex((call) => call === "systemctl daemon-reload")).toBeGreaterThan(
      calls.findLastIndex((call) => call.startsWith("mount ")),
    );
  });
});
