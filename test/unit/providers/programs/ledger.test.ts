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
const runOne = (name: string, args: readonly string[]) => runHere(program(name, ...args));

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

describe("restore-kernel-values", () => {
  it("puts back the value from before the first change, of several values the chosen one", () => {
    const [scheduler, absent] = [join(root, "scheduler"), join(root, "absent")];
    writeFileSync(scheduler, "none [mq-deadline]\n");
    const remember = (file: string) => {
      const { argv } = program("activate-sysctl");
      const text = argv[2]!
        .slice(0, argv[2]!.lastIndexOf("remember_kernel_values"))
        .replaceAll("/var/lib/jts-storage", join(root, "ledger"));
      return runLocally({ argv: ["bash", "-c", `${text}remember_kernel_values "$1"`, "remember", file] });
    };
    expect(remember(scheduler)).toMatchObject({ exitCode: 0, stderr: "" });
    writeFileSync(scheduler, "[none] mq-deadline\n");
    remember(scheduler);
    expect(made()).toEqual(["kernel scheduler mq-deadline"]);
    expect(runOne("restore-kernel-values", [absent, scheduler]).exitCode).toBe(0);
    expect(readFileSync(scheduler, "utf8")).toBe("mq-deadline\n");
    expect(made()).toEqual([]);
  });
});
