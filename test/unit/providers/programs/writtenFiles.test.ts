import { createHash } from "node:crypto";
import {
  chmodSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir, userInfo } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { recordsProgram } from "../../../../providers/programs/program.ts";
import { runLocally } from "../runLocally.ts";

let root: string;
let elsewhere: string;
beforeEach(() => {
  root = realpathSync(mkdtempSync(join(tmpdir(), "jts-written-")));
  elsewhere = join(root, "elsewhere");
  mkdirSync(elsewhere);
  writeFileSync(join(elsewhere, "theirs"), "theirs", { mode: 0o600 });
  mkdirSync(join(elsewhere, "below"));
  chmodSync(elsewhere, 0o711);
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

// Not the user who runs this, where that is possible.
const isRoot = userInfo().uid === 0;
const owner = isRoot ? "nobody" : userInfo().username;
const group = isRoot ? "nogroup" : runLocally({ argv: ["id", "--group", "--name"] }).stdout.trim();

/** All that a link could change: owners, modes, names and contents of what lies elsewhere. */
const traces = () =>
  [".", ...readdirSync(elsewhere, { recursive: true, encoding: "utf8" }).sort()].map((name) => {
    const { uid, gid, mode } = lstatSync(join(elsewhere, name));
    return [name, uid, gid, mode.toString(8), name === "theirs" ? readFileSync(join(elsewhere, name), "utf8") : ""];
  });

interface Run {
  readonly args: readonly string[];
  readonly stdin?: string;
  /** Goes before the program's text. */
  readonly before?: string;
  readonly umask?: string;
  /** Tool → shell, in its place; `real` is the tool itself. */
  readonly tools?: Readonly<Record<string, string>>;
}

/** Runs a program as on a host, with the host's folders below ours. */
function run(name: string, { args, stdin = "", before = "", umask = "077", tools = {} }: Run) {
  const bin = join(root, "bin");
  mkdirSync(bin, { recursive: true });
  for (const [tool, text] of Object.entries(tools)) {
    writeFileSync(
      join(bin, tool),
      `#!/bin/bash\nreal=${runLocally({ argv: ["which", tool] }).stdout.trim() || "true"}\n${text}\n`,
    );
    chmodSync(join(bin, tool), 0o755);
  }
  const command = recordsProgram(name, args, stdin);
  const [bash = "", c = "", text = "", ...rest] = command.argv;
  const here = text
    .replaceAll("/var/lib/jts-storage", join(root, "ledger"))
    .replaceAll("/etc/systemd/system", join(root, "units"))
    .replaceAll("/etc/fstab", join(root, "fstab"))
    .replaceAll("/proc/1/ns/mnt", join(root, "namespace"))
    .replaceAll("--tmpdir=/run", `--tmpdir=${root}`);
  const output = runLocally(
    { ...command, argv: ["bash", "-c", `umask ${umask}; exec "$@"`, "wire", bash, c, before + here, ...rest] },
    { PATH: `${bin}:${process.env.PATH}` },
  );
  return { ...output, stderr: output.stderr.replaceAll("\x1e", "") };
}

/** Runs a tool, and writes down what temporary files have as their modes before and after. */
function watched(tools: readonly string[], pattern: string) {
  const log = join(root, "log");
  const look = `stat --format="$(basename "$0") %a %U %n" -- ${join(root, pattern)} >>${log} 2>/dev/null`;
  const lines = () =>
    readFileSync(log, "utf8")
      .trimEnd()
      .split("\n")
      .map((line) => line.split(" "));
  return {
    tools: Object.fromEntries(tools.map((tool) => [tool, `${look}\n"$real" "$@"; code=$?\n${look}\nexit $code`])),
    lines,
  };
}

describe("write-file", () => {
  const write = (path: string, more: Partial<Run> = {}) =>
    run("write-file", { args: [join(root, path), owner, group, "640"], stdin: "secret", ...more });

  it.each(["077", "000"])(
    "opens its file to nobody else until it is complete and belongs to its owner, under umask %s",
    (umask) => {
      const { tools, lines } = watched(["mktemp", "chown", "chmod", "sync", "mv"], ".jts-storage.*");
      expect(write("file", { umask, tools })).toMatchObject({ exitCode: 0, stderr: "" });
      const me = userInfo().username;
      expect(lines().map(([tool, mode, whose]) => [tool, mode, whose])).toEqual([
        ["mktemp", "600", me],
        ["chown", "600", me],
        ["chown", "600", owner],
        ["chmod", "600", owner],
        ["chmod", "640", owner],
        ["sync", "640", owner],
        ["sync", "640", owner],
        ["mv", "640", owner],
      ]);
      expect(new Set(lines().map((line) => line[3])).size).toBe(1);
    },
  );

  it("gives its temporary file a name that nobody can foresee", () => {
    const { tools, lines } = watched(["mktemp"], ".jts-storage.*");
    for (const _ of [1, 2, 3]) write("file", { tools });
    const names = new Set(lines().map((line) => line[3]));
    expect(names.size).toBe(3);
    for (const name of names) expect(name).toMatch(/\/\.jts-storage\.[A-Za-z0-9]{10}$/);
  });

  it("replaces a link at its path, to a file or to a folder, and touches nothing that it leads to", () => {
    const before = traces();
    symlinkSync("elsewhere/theirs", join(root, "to-file"));
    symlinkSync("elsewhere", join(root, "to-folder"));
    for (const path of ["to-file", "to-folder"]) {
      expect(write(path)).toMatchObject({ exitCode: 0, stderr: "" });
      expect(lstatSync(join(root, path)).isFile()).toBe(true);
    }
    expect(traces()).toEqual(before);
  });

  it.each(["link/file", "link/new/file", "link/below/file", "link/below/new/file"])(
    "refuses a path that goes through a link, %s, and makes nothing where it leads",
    (path) => {
      const before = traces();
      symlinkSync("elsewhere", join(root, "link"));
      const { exitCode, stderr } = write(path);
      expect([exitCode, stderr]).toEqual([
        1,
        `${root}/link is a symbolic link; declare the path that it leads to, or take it away\n`,
      ]);
      expect(traces()).toEqual(before);
      expect(readdirSync(root).sort()).toEqual(["bin", "elsewhere", "link"]);
    },
  );
});

describe("make-tree", () => {
  const make = (folders: readonly string[], before = "") =>
    run("make-tree", { args: [owner, group, "750", ...folders.map((folder) => join(root, folder))], before });

  it.each<[string, readonly string[]]>([
    ["in a folder's place", ["service", "service/logs"]],
    ["above a folder that is missing", ["service/logs/new"]],
    ["above a folder that is there", ["service/logs/below"]],
    ["above all", ["service/logs/below/deep", "service/logs/below/deep/deeper"]],
  ])("refuses a link that was planted %s, and changes nothing where it leads", (_where, folders) => {
    mkdirSync(join(root, "service"));
    symlinkSync("../elsewhere", join(root, "service/logs"));
    const before = traces();
    const { exitCode, stderr } = make(folders);
    expect([exitCode, stderr]).toEqual([1, expect.stringContaining("service/logs is a symbolic link")]);
    expect(traces()).toEqual(before);
  });

  it("asks the kernel where it is, so that it finds a link that was planted on its way there", () => {
    mkdirSync(join(root, "service/logs"), { recursive: true });
    const before = traces();
    // As bash leaves it when the folder becomes a link after bash looked at the path, and before it goes there.
    const raced = `cd() {
  if [[ \${3-} == */logs ]]; then
    builtin cd -P -- ${elsewhere}
    PWD=$3
  else
    builtin cd "$@"
  fi
}
`;
    const { exitCode, stderr } = make(["service/logs"], raced);
    expect([exitCode, stderr]).toEqual([1, `${root}/service/logs leads to ${elsewhere}\n`]);
    expect(traces()).toEqual(before);
  });

  it("makes folders of the declared mode whatever the umask", () => {
    expect(make(["service", "service/logs"])).toMatchObject({ exitCode: 0, stderr: "" });
    expect(["service", "service/logs"].map((folder) => statSync(join(root, folder)).mode & 0o7777)).toEqual([
      0o750, 0o750,
    ]);
  });
});

describe("mount-entry", () => {
  const OLD = "LABEL=root / ext4 defaults 0 1\n";
  const LINE = "LABEL=a /data ext4 defaults,x-jts-storage 0 0";
  /** At `/`, which is mounted, so that only the file changes. */
  function change({ mode, verifies = true }: { mode: number; verifies?: boolean }) {
    writeFileSync(join(root, "fstab"), OLD);
    chmodSync(join(root, "fstab"), mode);
    const { tools, lines } = watched(["cp", "sync", "mv"], "fstab.jts-*");
    const findmnt = `cat -- "\${@: -1}" >${join(root, "verified")}\necho wrong\nexit ${verifies ? 0 : 1}`;
    const output = run("mount-entry", {
      args: ["/", "none", createHash("sha256").update(OLD).digest("hex"), LINE],
      stdin: `${OLD}${LINE}\n`,
      tools: { ...tools, findmnt, systemctl: "true" },
    });
    return { ...output, lines };
  }

  it.each(["600", "644"])(
    "replaces an fstab of mode %s by a file that never has a wider mode, and whose name nobody can foresee",
    (mode) => {
      const { exitCode, stderr, lines } = change({ mode: Number.parseInt(mode, 8) });
      expect([exitCode, stderr]).toEqual([0, ""]);
      expect(lines().map(([tool, seen]) => [tool, seen])).toEqual([
        ["cp", "600"],
        ["cp", mode],
        ["sync", mode],
        ["sync", mode],
        ["mv", mode],
      ]);
      for (const line of lines()) expect(line[3]).toMatch(/fstab\.jts-[A-Za-z0-9]{10}$/);
      expect(readFileSync(join(root, "fstab"), "utf8")).toBe(`${OLD}${LINE}\n`);
      expect((statSync(join(root, "fstab")).mode & 0o777).toString(8)).toBe(mode);
    },
  );

  it("replaces the file that a link leads to, and leaves the link", () => {
    mkdirSync(join(root, "kept"));
    writeFileSync(join(root, "kept/fstab"), OLD);
    symlinkSync("kept/fstab", join(root, "fstab"));
    const { exitCode, stderr } = change({ mode: 0o644 });
    expect([exitCode, stderr]).toEqual([0, ""]);
    expect(readlinkSync(join(root, "fstab"))).toBe("kept/fstab");
    expect(readFileSync(join(root, "kept/fstab"), "utf8")).toBe(`${OLD}${LINE}\n`);
    expect(readdirSync(join(root, "kept"))).toEqual(["fstab"]);
  });

  it("has only our line verified, and where it is wrong leaves fstab unchanged and leaves no other file", () => {
    const { exitCode, stderr } = change({ mode: 0o644, verifies: false });
    expect([exitCode, stderr]).toEqual([1, "findmnt --verify: wrong\n"]);
    expect(readFileSync(join(root, "verified"), "utf8")).toBe(`${LINE}\n`);
    expect(readFileSync(join(root, "fstab"), "utf8")).toBe(OLD);
    expect(readdirSync(root).filter((name) => name.startsWith("fstab"))).toEqual(["fstab"]);
  });
});

describe("install-timer", () => {
  const install = () =>
    run("install-timer", {
      args: ["x", "[Timer]\n", "[Service]\n"],
      tools: { systemctl: "true", "systemd-analyze": "true" },
    });
  beforeEach(() => mkdirSync(join(root, "units")));

  it.each([
    ["a file", "../elsewhere/theirs"],
    ["a folder", "../elsewhere"],
  ])("writes through no link to %s that lies at a unit's path or at its temporary file's", (_what, target) => {
    const before = traces();
    for (const name of [".x.timer.jts-new", ".x.service.jts-new", "x.timer", "x.service"])
      symlinkSync(target, join(root, "units", name));
    expect(install()).toMatchObject({ exitCode: 0, stderr: "" });
    expect(traces()).toEqual(before);
    expect(readdirSync(join(root, "units")).sort()).toEqual(["x.service", "x.timer"]);
    expect(
      ["x.timer", "x.service"].map((name) => [
        readFileSync(join(root, "units", name), "utf8"),
        lstatSync(join(root, "units", name)).mode & 0o7777,
      ]),
    ).toEqual([
      ["[Timer]\n", 0o644],
      ["[Service]\n", 0o644],
    ]);
  });
});
