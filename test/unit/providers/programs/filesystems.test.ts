import { chmodSync, existsSync, mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { MADE_TYPES, type MadeType } from "../../../../providers/filesystems/index.ts";
import { program } from "../../../../providers/programs/program.ts";
import { runLocally } from "../runLocally.ts";

let folder: string;
beforeEach(() => void (folder = realpathSync(mkdtempSync(join(tmpdir(), "jts-filesystems-")))));
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const TOOLS = [
  ...["mkfs.ext4", "mkfs.xfs", "mkfs.btrfs", "e2label", "xfs_db", "btrfs"],
  ...["e2fsck", "resize2fs", "xfs_growfs"],
  ...["xfs_info", "findmnt", "mount", "umount", "blkid", "wipefs", "sync"],
];

/** Runs a program with tools that only write down how they were called; `answers` is shell, by tool. */
function run(name: string, args: readonly string[], answers: Readonly<Record<string, string>> = {}) {
  for (const tool of TOOLS) {
    writeFileSync(join(folder, tool), `#!/bin/bash\necho "${tool} $*" >>${folder}/log\n${answers[tool] ?? ""}\n`);
    chmodSync(join(folder, tool), 0o755);
  }
  rmSync(join(folder, "log"), { force: true });
  const command = program(name, ...args);
  const argv = command.argv.map((word) => word.replaceAll("--tmpdir=/run", `--tmpdir=${folder}`));
  const { exitCode } = runLocally({ argv }, { PATH: `${folder}:${process.env.PATH}` });
  const log = existsSync(join(folder, "log")) ? readFileSync(join(folder, "log"), "utf8") : "";
  return {
    exitCode,
    calls: log
      .replaceAll(/\S+\/jts-storage\.\w+/g, "MOUNT-POINT")
      .trimEnd()
      .split("\n"),
  };
}

/** What filesystems.sh defines for a type. */
function hasOnHost(type: string): string {
  const [, , text = ""] = program("filesystems").argv;
  const asked = `declare -F label_${type} measure_${type} grow_${type}; echo "\${unlogged[${type}]:+unlogged}"`;
  return runLocally({ argv: ["bash", "-c", text + asked] }).stdout;
}

describe("filesystems.sh", () => {
  it.each(MADE_TYPES)("has all that the programs need for %s, which is made here", (type) => {
    expect(hasOnHost(type)).toBe(`label_${type}\nmeasure_${type}\ngrow_${type}\nunlogged\n`);
  });

  it("has nothing for another type", () => {
    expect(hasOnHost("vfat")).toBe("\n");
  });
});

describe("make-filesystem", () => {
  it.each<[MadeType, string]>([
    ["ext4", "e2label /dev/a my data"],
    ["xfs", "xfs_db -x -p xfs_admin -c label my data /dev/a"],
    ["btrfs", "btrfs filesystem label -- /dev/a my data"],
  ])("labels an %s with its own label only once all of it is on the disk", (type, labelled) => {
    expect(run("make-filesystem", [type, "my data", "/dev/a", "-O", "x"])).toEqual({
      exitCode: 0,
      calls: [
        "blkid --probe --match-tag LABEL --output value -- /dev/a",
        `mkfs.${type} -q -O x -L jts-making /dev/a`,
        "sync -- /dev/a",
        labelled,
        "sync -- /dev/a",
      ],
    });
  });

  it("removes the label of the making where none is declared", () => {
    expect(run("make-filesystem", ["ext4", "", "/dev/a"]).calls).toContain("e2label /dev/a ");
    expect(run("make-filesystem", ["xfs", "", "/dev/a"]).calls).toContain("xfs_db -x -p xfs_admin -c label -- /dev/a");
    expect(run("make-filesystem", ["btrfs", "", "/dev/a"]).calls).toContain("btrfs filesystem label -- /dev/a ");
  });

  it("wipes only what an earlier, interrupted making left", () => {
    const interrupted = run("make-filesystem", ["xfs", "", "/dev/a"], { blkid: "echo jts-making" });
    expect(interrupted.calls).toContain("wipefs --all --quiet -- /dev/a");
    const theirs = run("make-filesystem", ["xfs", "", "/dev/a"], { blkid: "echo theirs", "mkfs.xfs": "exit 1" });
    expect(theirs.calls).not.toContain("wipefs --all --quiet -- /dev/a");
  });

  it("leaves the label of the making where mkfs fails, and ends with its exit code", () => {
    const { exitCode, calls } = run("make-filesystem", ["ext4", "a", "/dev/a"], { "mkfs.ext4": "exit 3" });
    expect([exitCode, calls.at(-1)]).toEqual([3, "mkfs.ext4 -q -L jts-making /dev/a"]);
  });
});

describe("print-contents", () => {
  it("has xfs_info look for a mount point in UTF-8, as in the C locale findmnt would give it one in hexadecimal", () => {
    const answers = {
      wipefs: `echo '{"signatures": [{"type":"xfs"}]}'`,
      xfs_info: `echo "in $LC_ALL" >>${folder}/log; printf 'meta\ndata  =   bsize=4096   blocks=25600, imaxpct=25\n'`,
    };
    expect(run("print-contents", ["xfs", "/dev/a"], answers)).toEqual({
      exitCode: 0,
      calls: ["wipefs --no-act --json --output TYPE,LABEL,UUID -- /dev/a", "xfs_info /dev/a", "in C.UTF-8"],
    });
  });
});

describe("grow-filesystem", () => {
  const findMountPoint = "findmnt --noheadings --raw --first-only --output TARGET --source /dev/a";

  it("grows an ext4 by its device, which it checks before where it isn't mounted", () => {
    expect(run("grow-filesystem", ["ext4", "/dev/a"]).calls).toEqual(["findmnt --source /dev/a", "resize2fs /dev/a"]);
    const unmounted = { findmnt: "exit 1", e2fsck: "exit 1" };
    expect(run("grow-filesystem", ["ext4", "/dev/a"], unmounted)).toEqual({
      exitCode: 0,
      calls: ["findmnt --source /dev/a", "e2fsck -f -p -- /dev/a", "resize2fs /dev/a"],
    });
  });

  it("does not grow an ext4 whose check found what it could not repair", () => {
    const { exitCode, calls } = run("grow-filesystem", ["ext4", "/dev/a"], { findmnt: "exit 1", e2fsck: "exit 4" });
    expect([exitCode, calls.at(-1)]).toEqual([1, "e2fsck -f -p -- /dev/a"]);
  });

  it.each<[MadeType, string]>([
    ["xfs", "xfs_growfs -d"],
    ["btrfs", "btrfs filesystem resize max"],
  ])("grows an %s by its mount point, where it is mounted only for that", (type, grow) => {
    expect(run("grow-filesystem", [type, "/dev/a"], { findmnt: "echo /data" }).calls).toEqual([
      findMountPoint,
      `${grow} /data`,
    ]);
    expect(run("grow-filesystem", [type, "/dev/a"], { findmnt: "exit 1" })).toEqual({
      exitCode: 0,
      calls: [findMountPoint, `mount -t ${type} -- /dev/a MOUNT-POINT`, `${grow} MOUNT-POINT`, "umount -- MOUNT-POINT"],
    });
  });

  it("finds a mount point whose name isn't ASCII, which findmnt prints in hexadecimal", () => {
    const findmnt = String.raw`echo '/data/gr\xc3\xb6\x20\xc3\x9fe\x5cx41'`;
    expect(run("grow-filesystem", ["xfs", "/dev/a"], { findmnt }).calls.at(-1)).toBe(
      String.raw`xfs_growfs -d /data/grö ße\x41`,
    );
  });

  it("unmounts what it mounted where the growing fails, and ends with that exit code", () => {
    const { exitCode, calls } = run("grow-filesystem", ["xfs", "/dev/a"], { findmnt: "exit 1", xfs_growfs: "exit 5" });
    expect([exitCode, calls.at(-1)]).toEqual([5, "umount -- MOUNT-POINT"]);
  });
});
