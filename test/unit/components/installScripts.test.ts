import { createHash } from "node:crypto";
import {
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { runLocally } from "../providers/runLocally.ts";

const PROGRAM = readFileSync(
  new URL("../../../components/deploy/install-scripts.sh", import.meta.url),
  "utf8",
).replaceAll("--owner=root --group=root ", "");
const REMOVAL = readFileSync(new URL("../../../components/deploy/remove-scripts.sh", import.meta.url), "utf8");
const scripts = { "run.sh": "#!/bin/bash\necho run\n", "lib/shared.sh": "shared=yes\n" };
const manifestOf = (files: Readonly<Record<string, string>>) =>
  Object.entries(files)
    .map(([path, text]) => `${createHash("sha256").update(text).digest("hex")}  ${path}`)
    .join("\n");

let root: string;
beforeEach(() => {
  root = realpathSync(mkdtempSync(join(tmpdir(), "jts-install-")));
  mkdirSync(join(root, "elsewhere"), { mode: 0o711 });
  writeFileSync(join(root, "elsewhere/theirs"), "theirs", { mode: 0o600 });
  deliver();
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

function deliver(changes: Partial<typeof scripts> = {}): void {
  mkdirSync(join(root, "delivered/lib"), { recursive: true });
  for (const [path, text] of Object.entries({ ...scripts, ...changes }))
    writeFileSync(join(root, "delivered", path), text);
}

const install = (files: Readonly<Record<string, string>> = scripts, ...link: string[]) =>
  runLocally({
    argv: ["bash", "-c", PROGRAM, "install-scripts", join(root, "delivered"), join(root, "target"), ...link],
    stdin: manifestOf(files),
  });
const remove = (...more: string[]) =>
  runLocally({ argv: ["bash", "-c", REMOVAL, "remove-scripts", join(root, "target"), ...more] });
const traces = () =>
  [".", ...readdirSync(join(root, "elsewhere"))].map((name) => [
    name,
    lstatSync(join(root, "elsewhere", name)).mode,
    name === "theirs" ? readFileSync(join(root, "elsewhere", name), "utf8") : "",
  ]);

describe("install-scripts", () => {
  it("installs what was delivered, writable only for its owner, removes the copies, and succeeds a second time", () => {
    expect(install()).toMatchObject({ exitCode: 0, stderr: "" });
    expect(readdirSync(join(root, "target"), { recursive: true }).sort()).toEqual([
      ".manifest",
      "lib",
      "lib/shared.sh",
      "run.sh",
    ]);
    expect(
      ["", "lib", "run.sh", "lib/shared.sh"].map((path) => lstatSync(join(root, "target", path)).mode & 0o7777),
    ).toEqual([0o755, 0o755, 0o755, 0o755]);
    expect(readdirSync(root).sort()).toEqual(["elsewhere", "target"]);
    expect(install()).toMatchObject({ exitCode: 0, stderr: "" });
  });

  it("installs nothing of a delivery in which one file isn't what was sent", () => {
    deliver({ "lib/shared.sh": "shared=no\n" });
    expect(install()).toMatchObject({
      exitCode: 1,
      stderr: expect.stringContaining(`${root}/delivered isn't what was sent: run pulumi up --replace`) as string,
    });
    expect(readdirSync(root).sort()).toEqual(["delivered", "elsewhere"]);
  });

  it("asks for a new delivery where a loss of power removed it, unless its files are installed", () => {
    rmSync(join(root, "delivered"), { recursive: true });
    mkdirSync(join(root, "target"));
    expect(install()).toMatchObject({
      exitCode: 1,
      stderr: expect.stringContaining("nothing was delivered: run pulumi up --replace") as string,
    });
  });

  it("removes a script of the last manifest that is no longer in this one, and no other file", () => {
    install();
    writeFileSync(join(root, "target/theirs"), "");
    deliver();
    expect(install({ "run.sh": scripts["run.sh"] })).toMatchObject({ exitCode: 0 });
    expect(readdirSync(join(root, "target"), { recursive: true }).sort()).toEqual([
      ".manifest",
      "lib",
      "run.sh",
      "theirs",
    ]);
  });

  it.each<[string, string, string]>([
    ["the target", "target", "elsewhere"],
    ["a folder in it", "target/lib", "../elsewhere"],
    ["its manifest", "target/.manifest", "../elsewhere/theirs"],
  ])("refuses a link in the place of %s, and changes nothing where it leads", (_what, place, leadsTo) => {
    if (place !== "target") mkdirSync(join(root, "target"));
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
    "replaces links to %s at a script's path and at its temporary file's",
    (leadsTo) => {
      mkdirSync(join(root, "target"));
      const before = traces();
      for (const place of ["run.sh", ".new"]) symlinkSync(leadsTo, join(root, "target", place));
      expect(install()).toMatchObject({ exitCode: 0, stderr: "" });
      expect(traces()).toEqual(before);
      expect(lstatSync(join(root, "target/run.sh")).isFile()).toBe(true);
      expect(readdirSync(join(root, "target")).sort()).toEqual([".manifest", "lib", "run.sh"]);
    },
  );
});

describe("the link to a script, and what scripts write", () => {
  it("comes with the scripts and goes with them, as does a file that they wrote; files of others stay", () => {
    const link = join(root, "run.sh");
    expect(install(scripts, link)).toMatchObject({ exitCode: 0, stderr: "" });
    expect([realpathSync(link), lstatSync(link).isSymbolicLink()]).toEqual([join(root, "target/run.sh"), true]);
    rmSync(link);
    // Nothing is delivered, since nothing changed.
    expect([install(scripts, link).exitCode, realpathSync(link)]).toEqual([0, join(root, "target/run.sh")]);
    writeFileSync(join(root, "elsewhere/health.json"), "{}");
    expect(remove(link, join(root, "elsewhere/health.json"), join(root, "elsewhere/absent"))).toMatchObject({
      exitCode: 0,
      stderr: "",
    });
    expect([readdirSync(root), readdirSync(join(root, "elsewhere"))]).toEqual([["elsewhere"], ["theirs"]]);
  });

  it.each([
    ["a file", "file"],
    ["a link elsewhere", "link"],
  ])(
    "%s of somebody else in its place is refused before anything is installed, and stays when the scripts go",
    (_what, kind) => {
      const link = join(root, "run.sh");
      if (kind === "file") writeFileSync(link, "theirs");
      else symlinkSync(join(root, "elsewhere/theirs"), link);
      expect(install(scripts, link)).toMatchObject({
        exitCode: 1,
        stderr: `${link} exists already and isn't ours; move it away\n`,
      });
      expect(readdirSync(root).sort()).toEqual(["delivered", "elsewhere", "run.sh"]);
      expect(install().exitCode).toBe(0);
      expect(remove(link).exitCode).toBe(0);
      expect(readFileSync(link, "utf8")).toBe("theirs");
    },
  );
});
