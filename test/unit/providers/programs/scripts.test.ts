import { createHash } from "node:crypto";
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir, userInfo } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { scripts as fact } from "../../../../providers/facts/scripts.ts";
import { program } from "../../../../providers/programs/program.ts";
import { runLocally } from "../runLocally.ts";

const SCRIPTS = { "run.sh": "#!/bin/bash\necho run\n", "lib/shared.py": "shared = 'yes'\n\n", "lib/a/b": "" };
const sumOf = (text: string) => createHash("sha256").update(text).digest("hex");
const isRoot = userInfo().uid === 0;

let root: string;
let target: string;
let link: string;
beforeEach(() => {
  root = realpathSync(mkdtempSync(join(tmpdir(), "jts-scripts-")));
  [target, link] = [join(root, "target"), join(root, "run.sh")];
  mkdirSync(join(root, "elsewhere"), { mode: 0o711 });
  writeFileSync(join(root, "elsewhere/theirs"), "theirs", { mode: 0o600 });
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

/** As on a host, with the ledger below ours, and with our own user where that isn't root. */
function run(name: string, ...args: readonly string[]) {
  const [, , text = "", ...rest] = program(name, ...args).argv;
  const here = text.replaceAll("/var/lib/jts-storage", join(root, "ledger"));
  const ours = isRoot ? here : here.replaceAll("--owner=root --group=root ", "").replaceAll(/^ *chown .*$/gm, "");
  return runLocally({ argv: ["bash", "-c", `umask 077\n${ours}`, ...rest] });
}
const install = (files: Readonly<Record<string, string>> = SCRIPTS) =>
  run("install-scripts", target, link, ...Object.entries(files).flat());
const look = (...files: readonly string[]) => {
  const args = { folder: target, link, paths: [target, ...files.map((file) => join(target, file))] };
  const output = run("print-scripts", target, link, ...args.paths);
  expect(output).toMatchObject({ exitCode: 0, stderr: "" });
  return fact.parse(output, args);
};
const ledger = () => readFileSync(join(root, "ledger/made"), "utf8").trimEnd().split("\n").sort();
const tree = (folder = target) => readdirSync(folder, { recursive: true, encoding: "utf8" }).sort();
const traces = () =>
  [".", ...readdirSync(join(root, "elsewhere"))].map((name) => [
    name,
    lstatSync(join(root, "elsewhere", name)).mode,
    name === "theirs" ? readFileSync(join(root, "elsewhere", name), "utf8") : "",
  ]);
const MADE = [
  ...["target", "target/lib", "target/lib/a"].map((path) => `directory ${path}`),
  ...["run.sh", "target/lib/a/b", "target/lib/shared.py", "target/run.sh"].map((path) => `file ${path}`),
];
const made = () => ledger().map((line) => line.replace(`${root}/`, ""));

/** What an earlier version installed: the list in the folder is all that says whose it is. */
function installEarlier(files: Readonly<Record<string, string>>): void {
  mkdirSync(join(target, "lib/a"), { recursive: true });
  for (const [file, text] of Object.entries(files)) writeFileSync(join(target, file), text, { mode: 0o755 });
  const lines = Object.entries(files).map(([file, text]) => `${sumOf(text)}  ${file}`);
  writeFileSync(join(target, ".manifest"), `${lines.join("\n")}\n`);
  symlinkSync(join(target, "run.sh"), link);
}

describe("install-scripts", () => {
  it("writes each file with its folders, executable and writable only for its owner, and the link, and lists them in the ledger", () => {
    expect(install()).toMatchObject({ exitCode: 0, stdout: "", stderr: "" });
    expect(tree()).toEqual(["lib", "lib/a", "lib/a/b", "lib/shared.py", "run.sh"]);
    for (const [file, text] of Object.entries(SCRIPTS)) expect(readFileSync(join(target, file), "utf8")).toBe(text);
    expect(
      ["", "lib", "lib/a", "run.sh", "lib/a/b", "lib/shared.py"].map((path) => lstatSync(join(target, path)).mode),
    ).toEqual([0o40755, 0o40755, 0o40755, 0o100755, 0o100755, 0o100755]);
    expect(readlinkSync(link)).toBe(join(target, "run.sh"));
    expect(made()).toEqual(MADE);
    expect(install()).toMatchObject({ exitCode: 0, stderr: "" });
    expect(made()).toEqual(MADE);
  });

  it("makes folders of exactly mode 755 in a folder whose setgid bit they would take over, as /usr/local has on older Debian", () => {
    chmodSync(root, 0o2775);
    const modes = () => ["", "lib", "lib/a"].map((path) => lstatSync(join(target, path)).mode);
    expect([install().exitCode, modes()]).toEqual([0, [0o40755, 0o40755, 0o40755]]);
    // What an earlier version left.
    for (const folder of ["", "lib", "lib/a"]) chmodSync(join(target, folder), 0o2755);
    expect([install({}).exitCode, modes()]).toEqual([0, [0o40755, 0o42755, 0o42755]]);
    expect([install().exitCode, modes()]).toEqual([0, [0o40755, 0o40755, 0o40755]]);
  });

  it("writes only what it is given, and the link alone where that is all", () => {
    install();
    writeFileSync(join(target, "theirs"), "");
    rmSync(link);
    expect(install({ "run.sh": "changed\n" })).toMatchObject({ exitCode: 0, stderr: "" });
    expect([tree(), readFileSync(link, "utf8")]).toEqual([
      ["lib", "lib/a", "lib/a/b", "lib/shared.py", "run.sh", "theirs"],
      "changed\n",
    ]);
    rmSync(link);
    expect([install({}).exitCode, readFileSync(link, "utf8")]).toEqual([0, "changed\n"]);
  });

  it("takes over what an earlier version installed, so that a removal takes all of it", () => {
    installEarlier({ ...SCRIPTS, "gone.sh": "" });
    expect([...look("run.sh").listed].sort()).toEqual(
      [".manifest", "gone.sh", "lib/a/b", "lib/shared.py", "run.sh"].map((file) => join(target, file)),
    );
    expect(install({})).toMatchObject({ exitCode: 0, stderr: "" });
    expect(made()).toEqual([...MADE, "file target/gone.sh"].sort());
    expect(look("run.sh").listed).toEqual([]);
    const ours = ledger().flatMap((line) => (line.startsWith("file ") ? [line.slice(5)] : []));
    expect(run("remove-scripts", target, ...ours)).toMatchObject({ exitCode: 0, stderr: "" });
    expect(readdirSync(root)).toEqual(["elsewhere"]);
  });

  it.each<[string, string, string]>([
    ["the folder", "target", "elsewhere"],
    ["a folder in it", "target/lib", "../elsewhere"],
    ["an earlier version's list", "target/.manifest", "../elsewhere/theirs"],
  ])("refuses a link in the place of %s, and changes nothing where it leads", (_what, place, leadsTo) => {
    if (place !== "target") mkdirSync(target);
    symlinkSync(leadsTo, join(root, place));
    const before = traces();
    const { exitCode, stderr } = install();
    expect([exitCode, stderr]).toEqual([
      1,
      `${root}/${place} is a symbolic link; look whose it is, and take it away\n`,
    ]);
    expect(traces()).toEqual(before);
  });

  it.each(["../elsewhere/theirs", "../elsewhere"])(
    "replaces links to %s at a script's path and at its temporary folder's",
    (leadsTo) => {
      mkdirSync(target);
      const before = traces();
      for (const place of ["run.sh", ".new"]) symlinkSync(leadsTo, join(target, place));
      expect(install()).toMatchObject({ exitCode: 0, stderr: "" });
      expect(traces()).toEqual(before);
      expect(lstatSync(join(target, "run.sh")).isFile()).toBe(true);
      expect(readdirSync(target).sort()).toEqual(["lib", "run.sh"]);
    },
  );

  it.each(["a file", "a link elsewhere"])(
    "refuses %s of somebody else in the place of the link, before it writes anything",
    (what) => {
      if (what === "a file") writeFileSync(link, "theirs");
      else symlinkSync(join(root, "elsewhere/theirs"), link);
      expect(install()).toMatchObject({
        exitCode: 1,
        stderr: `${link} exists already and isn't ours; move it away\n`,
      });
      expect(readdirSync(root).sort()).toEqual(["elsewhere", "run.sh"]);
    },
  );
});

describe("print-scripts", () => {
  it("prints type, owner, mode and SHA-256 of what is there, and where the link leads", () => {
    const me = userInfo().username;
    install();
    rmSync(join(target, "lib/shared.py"));
    symlinkSync("../elsewhere", join(target, "lib/shared.py"));
    const { entries, leadsTo, listed } = look("lib", "run.sh", "lib/a/b", "lib/shared.py", "absent", "absent/too");
    expect(
      Object.fromEntries([...entries].map(([path, { type, owner, mode }]) => [path, [type, owner, mode]])),
    ).toEqual({
      [link]: ["symbolic link", me, "777"],
      [target]: ["directory", me, "755"],
      [join(target, "lib")]: ["directory", me, "755"],
      [join(target, "run.sh")]: ["regular file", me, "755"],
      [join(target, "lib/a/b")]: ["regular file", me, "755"],
      [join(target, "lib/shared.py")]: ["symbolic link", me, "777"],
    });
    expect(entries.get(join(target, "run.sh"))?.sha256).toBe(sumOf(SCRIPTS["run.sh"]));
    expect(entries.get(join(target, "lib/shared.py"))?.sha256).toBeUndefined();
    expect([leadsTo, listed]).toEqual([join(target, "run.sh"), []]);
  });

  it("prints nothing where nothing is, and fails where that can't be proved", () => {
    expect(look("run.sh")).toEqual({ entries: new Map(), leadsTo: undefined, listed: [] });
    const [, , text = "", ...rest] = program("print-scripts", target, link, target).argv;
    const blind = runLocally({ argv: ["bash", "-c", `ls() { return 2; }\n${text}`, ...rest] });
    expect(blind.exitCode).not.toBe(0);
  });
});

describe("remove-scripts", () => {
  const files = () => [link, ...Object.keys(SCRIPTS).map((file) => join(target, file))];

  it("removes the files, what Python compiled of them, the link, and the folders that are empty then; a second time nothing", () => {
    install();
    mkdirSync(join(target, "lib/__pycache__"));
    writeFileSync(join(target, "lib/__pycache__/shared.cpython-311.pyc"), "");
    for (const _ of [1, 2])
      expect(run("remove-scripts", target, ...files())).toMatchObject({ exitCode: 0, stdout: "", stderr: "" });
    expect(readdirSync(root)).toEqual(["elsewhere"]);
  });

  it("keeps a folder as ours while another file of ours is in it, and takes it with the last", () => {
    install({ ...SCRIPTS, "lib/old.py": "" });
    expect(run("remove-scripts", target, join(target, "lib/old.py"))).toMatchObject({ exitCode: 0, stderr: "" });
    expect(made()).toEqual(MADE);
    expect(run("remove-scripts", target, ...files())).toMatchObject({ exitCode: 0, stderr: "" });
    expect(readdirSync(root)).toEqual(["elsewhere"]);
  });

  it("leaves what others put beside them, and what took the link's place", () => {
    install();
    writeFileSync(join(target, "theirs"), "theirs");
    rmSync(link);
    writeFileSync(link, "theirs");
    expect(run("remove-scripts", target, ...files())).toMatchObject({ exitCode: 0, stderr: "" });
    expect([tree(), readFileSync(link, "utf8")]).toEqual([["theirs"], "theirs"]);
    expect(existsSync(join(root, "ledger"))).toBe(false);
  });

  it("refuses a link in the place of a folder, and removes nothing behind it", () => {
    install();
    rmSync(join(target, "lib"), { recursive: true });
    writeFileSync(join(root, "elsewhere/shared.py"), "theirs");
    symlinkSync("../elsewhere", join(target, "lib"));
    const { exitCode, stderr } = run("remove-scripts", target, ...files());
    expect([exitCode, stderr]).toEqual([1, `${target}/lib is a symbolic link; look whose it is, and take it away\n`]);
    expect(readFileSync(join(root, "elsewhere/shared.py"), "utf8")).toBe("theirs");
  });
});
