import {
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir, userInfo } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { program, recordsProgram } from "../../../../providers/programs/program.ts";
import type { Command } from "../../../../providers/host/command.ts";
import { runLocally } from "../runLocally.ts";

let root: string;
beforeEach(() => void (root = realpathSync(mkdtempSync(join(tmpdir(), "jts-ledger-")))));
afterEach(() => rmSync(root, { recursive: true, force: true }));

const owner = userInfo().username;
const group = runLocally({ argv: ["id", "--group", "--name"] }).stdout.trim();

/** Runs a program as on a host, with its ledger below our folder. */
const run = (name: string, args: readonly string[], stdin = "") => runHere(recordsProgram(name, args, stdin));

function runHere(command: Command) {
  const argv = command.argv.map((text, index) =>
    index === 2 ? text.replaceAll("/var/lib/jts-storage", join(root, "ledger")) : text,
  );
  const output = runLocally({ ...command, argv });
  return { ...output, stderr: output.stderr.replaceAll("\x1e", "") };
}
const makeTree = (...folders: string[]) =>
  run("make-tree", [owner, group, "750", ...folders.map((folder) => join(root, folder))]);
const removeTree = (...folders: string[]) =>
  run(
    "remove-tree",
    folders.map((folder) => join(root, folder)),
  );
const writeFile = (path: string, content: string, mode = "640") =>
  run("write-file", [join(root, path), owner, group, mode], content);
const made = () =>
  existsSync(join(root, "ledger/made"))
    ? readFileSync(join(root, "ledger/made"), "utf8").replaceAll(`${root}/`, "").split("\n").slice(0, -1)
    : [];

describe("make-tree and remove-tree", () => {
  it("make folders with the declared mode, can run twice, and remove all that they made", () => {
    for (const _ of [1, 2]) expect(makeTree("data/jts", "data/jts/hot")).toMatchObject({ exitCode: 0, stderr: "" });
    expect(statSync(join(root, "data/jts/hot")).mode & 0o7777).toBe(0o750);
    expect(statSync(join(root, "data")).mode & 0o7777, "nobody declared the folder above").toBe(0o755);
    expect(made()).toEqual(["directory data", "directory data/jts", "directory data/jts/hot"]);
    expect(removeTree("data/jts", "data/jts/hot")).toMatchObject({ exitCode: 0, stderr: "" });
    expect(readdirSync(root)).toEqual([]);
  });

  it("leave a folder that was there before, and what is in it", () => {
    mkdirSync(join(root, "data"));
    makeTree("data", "data/jts");
    removeTree("data", "data/jts");
    expect(readdirSync(root)).toEqual(["data"]);
    expect(made()).toEqual([]);
  });

  it("leave a folder that people put something into, and forget it", () => {
    makeTree("data", "data/a", "data/b");
    writeFileSync(join(root, "data/a/theirs"), "");
    expect(removeTree("data", "data/a", "data/b").exitCode).toBe(0);
    expect(readdirSync(join(root, "data"))).toEqual(["a"]);
    expect(made()).toEqual([]);
  });

  it("leave a shared folder until the last folder in it is removed", () => {
    makeTree("data/a");
    makeTree("data/b");
    removeTree("data/a");
    expect(made()).toEqual(["directory data", "directory data/b"]);
    removeTree("data/b");
    expect(readdirSync(root)).toEqual([]);
  });

  it("leave a mount point to its mount, even when the last folder in it is removed", () => {
    makeTree("data", "data/a");
    writeFileSync(
      join(root, "ledger/made"),
      readFileSync(join(root, "ledger/made"), "utf8") + `immutable ${root}/data\n`,
    );
    removeTree("data", "data/a");
    expect(readdirSync(root)).toEqual(["data", "ledger"]);
    expect(made()).toEqual(["directory data", "immutable data"]);
  });

  it("follow no link on the way", () => {
    mkdirSync(join(root, "real"), { mode: 0o700 });
    symlinkSync("real", join(root, "link"));
    expect(makeTree("link").exitCode).not.toBe(0);
    expect(makeTree("link/below").exitCode).not.toBe(0);
    expect(statSync(join(root, "real")).mode & 0o7777).toBe(0o700);
  });

  it("accept names with spaces, and do not confuse a name with one that begins with it", () => {
    makeTree("my data", "my data/a b");
    makeTree("my");
    expect(made()).toEqual(["directory my data", "directory my data/a b", "directory my"]);
    removeTree("my data", "my data/a b");
    expect(made()).toEqual(["directory my"]);
  });
});

describe("write-file and remove-file", () => {
  it("write the content with its mode, make the folders above, and remove both", () => {
    const content = "# ünïcode\n\nno final line end";
    expect(writeFile("etc/a/file.conf", content)).toMatchObject({ exitCode: 0, stderr: "" });
    expect(readFileSync(join(root, "etc/a/file.conf"), "utf8")).toBe(content);
    expect(statSync(join(root, "etc/a/file.conf")).mode & 0o7777).toBe(0o640);
    expect(readdirSync(join(root, "etc/a"))).toEqual(["file.conf"]);
    expect(run("remove-file", [join(root, "etc/a/file.conf")])).toMatchObject({ exitCode: 0, stderr: "" });
    expect(readdirSync(root)).toEqual([]);
  });

  it("leave a file that was there before, and never remove it", () => {
    writeFileSync(join(root, "theirs"), "before");
    writeFile("theirs", "after");
    expect(made()).toEqual([]);
    run("remove-file", [join(root, "theirs")]);
    expect(readFileSync(join(root, "theirs"), "utf8")).toBe("after");
  });

  it("leave the old file unchanged, and no other file, when the owner doesn't exist", () => {
    writeFile("file", "before");
    expect(run("write-file", [join(root, "file"), "no-such-user", group, "640"], "after").exitCode).not.toBe(0);
    expect(readdirSync(root).sort()).toEqual(["file", "ledger"]);
    expect(readFileSync(join(root, "file"), "utf8")).toBe("before");
  });

  it("replace a link by the file instead of writing through it", () => {
    writeFileSync(join(root, "target"), "theirs");
    symlinkSync("target", join(root, "link"));
    writeFile("link", "ours");
    expect(readFileSync(join(root, "target"), "utf8")).toBe("theirs");
    expect(lstatSync(join(root, "link")).isFile()).toBe(true);
  });
});

describe("the kernel's values", () => {
  let values: string;
  const VM = { dirty_ratio: "20", dirty_bytes: "0", overcommit_ratio: "50", overcommit_kbytes: "0", swappiness: "60" };
  beforeEach(() => {
    values = join(root, "proc/vm");
    mkdirSync(values, { recursive: true });
    for (const [name, value] of Object.entries(VM)) set(name, value);
  });
  const set = (name: string, value: string) => writeFileSync(join(values, name), `${value}\n`);
  const get = (name: string) => readFileSync(join(values, name), "utf8").trimEnd();
  /** Runs a program with the kernel's files below our folder, and tools that do nothing. */
  const runThere = (name: string, args: readonly string[], tools = "") => {
    const command = program(name, ...args);
    const argv = command.argv.map((text, index) =>
      index === 2
        ? tools + text.replaceAll("/proc/sys/", `${root}/proc/`).replaceAll("/sys/class/block", join(root, "sys"))
        : text,
    );
    return runHere({ ...command, argv });
  };
  const activate = (...names: string[]) =>
    runThere("activate-sysctl", ["/conf", ...names.map((name) => join(values, name))], "sysctl() { :; }\n");
  const restore = (...names: string[]) =>
    runThere(
      "restore-kernel-values",
      names.map((name) => join(values, name)),
    );
  const remembered = () => made().map((line) => line.replace("kernel proc/vm/", ""));

  it("are put back as they were before the first change", () => {
    for (const value of ["1", "2"]) {
      expect(activate("swappiness")).toMatchObject({ exitCode: 0, stderr: "" });
      set("swappiness", value);
    }
    expect(remembered()).toEqual(["swappiness 60"]);
    expect(restore("absent", "swappiness")).toMatchObject({ exitCode: 0, stderr: "" });
    expect([get("swappiness"), remembered()]).toEqual(["60", []]);
  });

  it("keep the brackets that a value of sysctl(8) has", () => {
    set("core_pattern", "|/bin/x [%p]");
    activate("core_pattern");
    expect(remembered()).toEqual(["core_pattern |/bin/x [%p]"]);
  });

  it("are put back by the other half, where that was in force", () => {
    activate("dirty_bytes", "overcommit_kbytes");
    expect(remembered().sort()).toEqual([
      "dirty_bytes 0",
      "dirty_ratio 20",
      "overcommit_kbytes 0",
      "overcommit_ratio 50",
    ]);
    set("dirty_bytes", "268435456");
    set("dirty_ratio", "0");
    expect(restore("dirty_bytes")).toMatchObject({ exitCode: 0, stderr: "" });
    // The kernel makes the size 0 itself, and would refuse that.
    expect([get("dirty_ratio"), get("dirty_bytes")]).toEqual(["20", "268435456"]);
    expect(remembered().sort()).toEqual(["overcommit_kbytes 0", "overcommit_ratio 50"]);
  });

  it("are put back by the size, where that was in force before a share was set", () => {
    set("dirty_bytes", "1000000");
    set("dirty_ratio", "0");
    activate("dirty_ratio");
    set("dirty_bytes", "0");
    set("dirty_ratio", "10");
    expect(restore("dirty_ratio")).toMatchObject({ exitCode: 0, stderr: "" });
    expect([get("dirty_bytes"), get("dirty_ratio"), remembered()]).toEqual(["1000000", "10", []]);
  });

  it("are put back by themselves, where this half was in force before", () => {
    set("dirty_bytes", "1000000");
    set("dirty_ratio", "0");
    activate("dirty_bytes");
    set("dirty_bytes", "2000000");
    restore("dirty_bytes");
    expect([get("dirty_bytes"), get("dirty_ratio"), remembered()]).toEqual(["1000000", "0", []]);
  });

  it("get what a kernel starts with, where an earlier version remembered only the half that was 0", () => {
    mkdirSync(join(root, "ledger"), { recursive: true });
    writeFileSync(join(root, "ledger/made"), `kernel ${values}/dirty_bytes 0\nkernel ${values}/overcommit_ratio 0\n`);
    set("dirty_ratio", "0");
    set("overcommit_ratio", "70");
    expect(restore("dirty_bytes", "overcommit_ratio")).toMatchObject({ exitCode: 0, stderr: "" });
    expect([get("dirty_ratio"), get("overcommit_ratio"), remembered()]).toEqual(["20", "70", []]);
  });

  it("that the kernel doesn't take back stay until the next boot, and are forgotten", () => {
    symlinkSync("/dev/full", join(values, "full"));
    mkdirSync(join(root, "ledger"), { recursive: true });
    writeFileSync(join(root, "ledger/made"), `kernel ${values}/full 0\nkernel ${values}/swappiness 60\n`);
    set("swappiness", "1");
    const { exitCode, stderr } = restore("full", "swappiness");
    expect([exitCode, stderr]).toEqual([
      0,
      `the kernel does not take back 0 for ${values}/full: it stays until the next boot\n`,
    ]);
    expect([get("swappiness"), remembered()]).toEqual(["60", []]);
  });

  describe("of a device", () => {
    /** As /sys/class/block has them: links to folders, those of partitions in their disk's. */
    function addDisk(disk: string, scheduler?: string, ...partitions: string[]) {
      const folder = join(root, "devices", disk);
      mkdirSync(join(folder, "queue"), { recursive: true });
      mkdirSync(join(root, "sys"), { recursive: true });
      mkdirSync(join(root, "dev"), { recursive: true });
      if (scheduler !== undefined) writeFileSync(join(folder, "queue/scheduler"), `${scheduler}\n`);
      symlinkSync(folder, join(root, "sys", disk));
      writeFileSync(join(root, "dev", disk), "");
      for (const name of partitions) {
        mkdirSync(join(folder, name));
        writeFileSync(join(folder, name, "partition"), "1\n");
        symlinkSync(join(folder, name), join(root, "sys", name));
        writeFileSync(join(root, "dev", name), "");
      }
    }
    const schedulerOf = (disk: string) => readFileSync(join(root, "sys", disk, "queue/scheduler"), "utf8").trimEnd();
    const udevadm = (...lines: string[]) => `udevadm() { echo "$*" >>${root}/log; ${[...lines, ":"].join("; ")}; }\n`;
    const activateUdev = (devices: readonly string[], tools = udevadm(), value = "none") =>
      runThere("activate-udev", ["queue/scheduler", value, ...devices.map((name) => join(root, "dev", name))], tools);

    it("are remembered, and left to udev's rule; of several values the chosen one is put back", () => {
      addDisk("sda", "none [mq-deadline]");
      const applies = udevadm(`echo '[none] mq-deadline' >${root}/sys/sda/queue/scheduler`);
      for (const _ of [1, 2]) expect(activateUdev(["sda"], applies)).toMatchObject({ exitCode: 0, stderr: "" });
      expect(readFileSync(join(root, "log"), "utf8").replaceAll(`${root}/`, "").split("\n").slice(0, 2)).toEqual([
        "control --reload",
        "trigger --action=change --settle -- sys/sda",
      ]);
      expect([schedulerOf("sda"), made()]).toEqual([
        "[none] mq-deadline",
        ["kernel sys/sda/queue/scheduler mq-deadline"],
      ]);
      expect(runThere("restore-kernel-values", [join(root, "sys/sda/queue/scheduler")]).exitCode).toBe(0);
      expect([schedulerOf("sda"), made()]).toEqual(["mq-deadline", []]);
    });

    it("are those of the disk, where the device is a partition", () => {
      addDisk("sda", "none [mq-deadline]", "sda3");
      expect(activateUdev(["sda3"])).toMatchObject({ exitCode: 0, stderr: "" });
      expect(readFileSync(join(root, "log"), "utf8")).toContain(`-- ${root}/sys/sda\n`);
      expect(made()).toEqual(["kernel sys/sda/queue/scheduler mq-deadline"]);
    });

    it("are set where no rule did it, on each of several devices", () => {
      addDisk("sda", "none [mq-deadline]");
      addDisk("sdb", "none [mq-deadline]");
      expect(activateUdev(["sda", "sdb"])).toMatchObject({ exitCode: 0, stderr: "" });
      expect(["sda", "sdb"].map(schedulerOf)).toEqual(["none", "none"]);
    });

    it.each([["none"], ["[none]"], [undefined]])("are left alone where the device has no choice: %s", (only) => {
      addDisk("dm-0", only);
      expect(activateUdev(["dm-0"], udevadm(), "mq-deadline")).toMatchObject({ exitCode: 0, stderr: "" });
      if (only !== undefined) expect(schedulerOf("dm-0")).toBe(only);
    });
  });
});
