import { createHash } from "node:crypto";
import {
  chmodSync,
  existsSync,
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
import { joinPrograms, recordsDone, saidBy, type Command } from "../../../../providers/host/command.ts";
import { primaryGroups } from "../../../../providers/facts/accounts.ts";
import { program, recordsProgram } from "../../../../providers/programs/program.ts";
import { runLocally } from "../runLocally.ts";

let root: string;
beforeEach(() => void (root = realpathSync(mkdtempSync(join(tmpdir(), "jts-many-")))));
afterEach(() => rmSync(root, { recursive: true, force: true }));

const sha256 = (text: string) => createHash("sha256").update(text).digest("hex");
const read = (name: string) => readFileSync(join(root, name), "utf8");
/** The tools that ran, in order, with their arguments. */
const log = () => (existsSync(join(root, "log")) ? read("log").replaceAll(`${root}/`, "").trimEnd().split("\n") : []);
const OLD = "LABEL=root / ext4 defaults 0 1\n";
const MOUNTED = "22 1 254:0 / / rw - ext4 /dev/vda rw\n";

/** What tools do besides writing down that they ran, in shell. */
const TOOLS = {
  mount: "",
  umount: "",
  chattr: "",
  lsattr: "",
  findmnt: "",
  systemctl: "",
  "systemd-analyze": "",
  "systemd-escape": "",
  getent: "exit 2",
  groupadd: "",
  useradd: "",
  groupdel: "",
  userdel: "",
  lvs: "",
  lvremove: "",
  fuser: "echo sleep >&2",
};

/** Runs a program on many records at once, with the host's files below ours. */
function run(commands: readonly Command[], tools: Readonly<Record<string, string>> = {}) {
  mkdirSync(join(root, "bin"), { recursive: true });
  mkdirSync(join(root, "units"), { recursive: true });
  if (!existsSync(join(root, "mountinfo"))) writeFileSync(join(root, "mountinfo"), MOUNTED);
  for (const [tool, text] of Object.entries({ ...TOOLS, ...tools })) {
    writeFileSync(join(root, "bin", tool), `#!/bin/bash\necho "${tool} $*" >>${join(root, "log")}\n${text}\n`);
    chmodSync(join(root, "bin", tool), 0o755);
  }
  const command = joinPrograms(commands as [Command, ...Command[]]);
  const text = command.argv[2]!.replaceAll("/var/lib/jts-storage", join(root, "ledger"))
    .replaceAll("/etc/systemd/system", join(root, "units"))
    .replaceAll("/etc/fstab", join(root, "fstab"))
    .replaceAll("/proc/self/mountinfo", join(root, "mountinfo"))
    .replaceAll("/proc/1/ns/mnt", join(root, "namespace"))
    .replaceAll("--tmpdir=/run", `--tmpdir=${root}`)
    .replaceAll("/run/systemd/generator", join(root, "generator"));
  const argv = command.argv.map((word, index) => (index === 2 ? text : word));
  const output = runLocally({ ...command, argv }, { PATH: `${join(root, "bin")}:${process.env.PATH}` });
  return { exitCode: output.exitCode, done: recordsDone(output), said: saidBy(output).replaceAll(`${root}/`, "") };
}

const line = (name: string) => `LABEL=${name} ${join(root, name)} ext4 defaults,x-jts-storage 0 0`;
/** The text of fstab with the lines of these entries. */
const withLines = (...names: string[]) => OLD + names.map((name) => `${line(name)}\n`).join("");

describe("mount-entry for many", () => {
  beforeEach(() => writeFileSync(join(root, "fstab"), OLD));
  const mount = (...names: string[]) =>
    names.map((name, index) =>
      recordsProgram(
        "mount-entry",
        [join(root, name), "mount", sha256(withLines(...names.slice(0, index))), line(name)],
        withLines(...names.slice(0, index + 1)),
      ),
    );

  it("verifies, writes and guards all at once, then mounts each", () => {
    expect(run(mount("a", "b", "c"))).toMatchObject({ exitCode: 0, done: 3 });
    expect(log().map((words) => words.split(" ")[0])).toEqual(["chattr", "findmnt", "mount", "mount", "mount"]);
    expect(log()[0]).toBe("chattr +i -- a b c");
    expect(read("fstab")).toBe(withLines("a", "b", "c"));
    expect(read("ledger/made").replaceAll(`${root}/`, "").split("\n").slice(0, -1).sort()).toEqual(
      ["a", "b", "c"].flatMap((name) => [`directory ${name}`, `immutable ${name}`]).sort(),
    );
  });

  it("leaves fstab with the lines of those before one that does not mount, and reports only what that one printed", () => {
    const fails = `case \${@: -1} in */b) echo "bad b" >&2; exit 32;; *) echo "hint" >&2;; esac`;
    expect(run(mount("a", "b", "c"), { mount: fails })).toEqual({ exitCode: 1, done: 1, said: "bad b" });
    expect(read("fstab")).toBe(withLines("a"));
    expect(log().filter((words) => words.startsWith("mount"))).toEqual(["mount -- a", "mount -- b"]);
    expect(log().at(-1), "systemd forgets the line that was there").toBe("systemctl daemon-reload");
  });

  it.each<[string, string, (name: string) => void]>([
    ["whose line is wrong", "findmnt --verify: wrong", () => undefined],
    [
      "that hides files",
      "b is not empty",
      (name) => {
        mkdirSync(join(root, name));
        writeFileSync(join(root, name, "file"), "");
      },
    ],
    ["that is a file", "b is not a directory", (name) => writeFileSync(join(root, name), "")],
  ])("carries out those before one %s, and nothing of it or of those after it", (what, said, make) => {
    make("b");
    const findmnt = what === "whose line is wrong" ? `if grep -q LABEL=b "\${@: -1}"; then echo wrong; exit 1; fi` : "";
    const output = run(mount("a", "b", "c"), { findmnt });
    expect(output).toMatchObject({ exitCode: 1, done: 1 });
    expect(output.said).toContain(said);
    expect(read("fstab")).toBe(withLines("a"));
    expect(log().filter((words) => words.startsWith("mount"))).toEqual(["mount -- a"]);
  });

  it("makes a mount point below another only once that one is mounted", () => {
    expect(run(mount("a", "a/b"), { mount: `[[ \${@: -1} != */a ]] || mkdir "\${@: -1}/mounted"` })).toMatchObject({
      done: 2,
    });
    expect(log().filter((words) => /^(chattr|mount)/.test(words))).toEqual([
      "chattr +i -- a",
      "mount -- a",
      "chattr +i -- a/b",
      "mount -- a/b",
    ]);
    expect(existsSync(join(root, "a/b"))).toBe(true);
  });

  it.each([
    ["a plain name", "b", (path: string) => path.slice(1).replaceAll("-", "\\x2d").replaceAll("/", "-")],
    ["any other name, as systemd-escape says", "b b", (path: string) => path.replace(/.*\//, "")],
  ])("has systemd read its files before a mount whose target has an old unit, of %s", (_what, name, unitOf) => {
    mkdirSync(join(root, "generator"));
    writeFileSync(join(root, "generator", `${unitOf(join(root, name))}.mount`), "");
    const escape = `for path in "\${@:4}"; do echo "\${path##*/}.mount"; done`;
    expect(run(mount("a"), { "systemd-escape": escape })).toMatchObject({ done: 1 });
    expect(log()).not.toContain("systemctl daemon-reload");
    writeFileSync(join(root, "fstab"), OLD);
    expect(run(mount(name), { "systemd-escape": escape })).toMatchObject({ done: 1 });
    expect(log().slice(-2)).toEqual(["systemctl daemon-reload", `mount -- ${name}`]);
  });

  describe("of a filesystem that is mounted already", () => {
    /** Lines of mountinfo, which has a space in octal. */
    const isMountedAt = (...names: string[]) =>
      names.map((name) => `30 22 8:1 / ${join(root, name).replaceAll(" ", "\\040")} rw - ext4 /dev/sda rw\n`).join("");
    const replace = (name: string) => [
      recordsProgram("mount-entry", [join(root, name), "replace", sha256(OLD), line(name)], withLines(name)),
    ];
    const isOurs = `[[ "$*" != *--fstab* ]] || echo defaults,x-jts-storage`;

    it("unmounts and mounts it again, with the mounts that show it elsewhere, last first", () => {
      writeFileSync(join(root, "mountinfo"), MOUNTED + isMountedAt("a b", "shown 1", "shown 2"));
      expect(run(replace("a b"), { findmnt: isOurs })).toMatchObject({ exitCode: 0, done: 1 });
      expect(log().filter((words) => /^u?mount/.test(words))).toEqual([
        "umount -- shown 2",
        "umount -- shown 1",
        "umount -- a b",
        "mount -- a b",
        "mount -- shown 1",
        "mount -- shown 2",
      ]);
      expect(log().join("\n"), "its mount point is already guarded").not.toContain("chattr");
    });

    it("changes nothing where a mount that isn't ours shows it", () => {
      writeFileSync(join(root, "mountinfo"), MOUNTED + isMountedAt("a", "theirs"));
      const { said } = run(replace("a"));
      expect(said).toContain("a is mounted at theirs too, which isn't ours");
      expect(log().filter((words) => /^u?mount/.test(words))).toEqual([]);
      expect(read("fstab")).toBe(OLD);
    });

    it("mounts again what it unmounted where a mount is in use, and names who uses it", () => {
      writeFileSync(join(root, "mountinfo"), MOUNTED + isMountedAt("a", "shown"));
      const umount = `[[ "\${@: -1}" != */a ]] || { echo busy >&2; exit 32; }`;
      expect(run(replace("a"), { findmnt: isOurs, umount })).toEqual({ exitCode: 1, done: 0, said: "busy\nsleep" });
      expect(log().filter((words) => /^u?mount/.test(words))).toEqual([
        "umount -- shown",
        "umount -- a",
        "mount -- shown",
      ]);
      expect(read("fstab")).toBe(OLD);
    });
  });

  it("is refused, as is its removal, in a session whose mounts nothing else on the host sees", () => {
    writeFileSync(join(root, "namespace"), "");
    const all = [mount("a"), [recordsProgram("unmount-entry", [join(root, "a"), sha256(OLD)], OLD)]];
    for (const commands of all) {
      const { exitCode, done, said } = run(commands);
      expect([exitCode, done, said]).toEqual([1, 0, expect.stringMatching(/mounts of its own.*\nNext: .*PrivateTmp/)]);
    }
    expect([log(), read("fstab"), existsSync(join(root, "a"))]).toEqual([[], OLD, false]);
    rmSync(join(root, "namespace"));
    symlinkSync("/proc/self/ns/mnt", join(root, "namespace"));
    expect(run(mount("a"))).toMatchObject({ exitCode: 0, done: 1 });
  });

  it("has mounts and fstab as they were where systemd doesn't read its files, before or after", () => {
    const isOurs = `[[ "$*" != *--fstab* ]] || echo defaults,x-jts-storage`;
    const replace = [
      recordsProgram("mount-entry", [join(root, "a"), "replace", sha256(OLD), line("a")], withLines("a")),
    ];
    writeFileSync(join(root, "mountinfo"), `${MOUNTED}30 22 8:1 / ${join(root, "a")} rw - ext4 /dev/sda rw\n`);
    const systemctl = 'echo "Failed to reload daemon: Connection timed out" >&2; exit 1';
    expect(run(replace, { findmnt: isOurs, systemctl })).toEqual({
      exitCode: 1,
      done: 0,
      said: "Failed to reload daemon: Connection timed out\nFailed to reload daemon: Connection timed out",
    });
    expect(log().filter((words) => /^u?mount/.test(words))).toEqual([]);
    expect(read("fstab")).toBe(OLD);

    rmSync(join(root, "log"));
    const second = `[[ -e ${join(root, "once")} ]] || { touch ${join(root, "once")}; exit 0; }\n${systemctl}`;
    const mount = `[[ $(<${join(root, "fstab")}) != *LABEL=a* ]] || { echo "bad option" >&2; exit 32; }`;
    expect(run(replace, { findmnt: isOurs, systemctl: second, mount })).toMatchObject({ exitCode: 1, done: 0 });
    expect(log().filter((words) => /^u?mount/.test(words))).toEqual(["umount -- a", "mount -- a", "mount -- a"]);
    expect(read("fstab")).toBe(OLD);
  });

  it("mounts again what it unmounted also where there is no room to take its line out of fstab", () => {
    writeFileSync(
      join(root, "mountinfo"),
      MOUNTED + ["a", "shown"].map((name) => `30 22 8:1 / ${join(root, name)} rw - ext4 /dev/sda rw\n`).join(""),
    );
    const replace = recordsProgram("mount-entry", [join(root, "a"), "replace", sha256(OLD), line("a")], withLines("a"));
    const tools = {
      findmnt: `[[ "$*" != *--fstab* ]] || echo defaults,x-jts-storage`,
      cp: `[[ -e ${join(root, "once")} ]] && { echo "No space left on device" >&2; exit 1; }
touch ${join(root, "once")}; exec /usr/bin/cp "$@"`,
      umount: `[[ \${@: -1} != */a ]] || { echo busy >&2; exit 32; }`,
    };
    expect(run([replace], tools)).toMatchObject({ exitCode: 1, done: 0 });
    expect(log().filter((words) => /^u?mount/.test(words))).toEqual([
      "umount -- shown",
      "umount -- a",
      "mount -- shown",
    ]);
    expect(read("fstab")).toBe(withLines("a"));
    expect(readdirSync(root).filter((name) => name.startsWith("fstab"))).toEqual(["fstab"]);
  });

  describe("that systemd is to mount at the first access", () => {
    const AUTOMOUNT = "x-systemd.automount,x-systemd.idle-timeout=600";
    const nas = (name: string, options = AUTOMOUNT) => `nas:/x ${join(root, name)} nfs ${options},nofail 0 0`;
    const waitsAt = (name: string) =>
      `40 22 0:50 / ${join(root, name)} rw,relatime shared:1 - autofs systemd-1 rw,fd=4\n`;
    const shownAt = (name: string) => `41 40 0:51 / ${join(root, name)} rw,relatime - nfs nas:/x rw,vers=3\n`;
    const unit = (name: string, kind = "automount") =>
      `${join(root, name).slice(1).replaceAll("-", "\\x2d").replaceAll("/", "-")}.${kind}`;
    const entry = (action: string, line: string, name = "a") =>
      recordsProgram("mount-entry", [join(root, name), action, sha256(OLD), line], `${OLD}${line}\n`);
    const changes = () => log().filter((words) => /^(u?mount|systemctl) /.test(words));

    it("has systemd read the line and begin to wait, and is mounted once, which shows that it can be", () => {
      expect(run([entry("mount", nas("a"))])).toMatchObject({ exitCode: 0, done: 1 });
      expect(changes()).toEqual(["systemctl daemon-reload", `systemctl start -- ${unit("a")}`, "mount -- a"]);
    });

    it("has systemd wait anew where it waits by an older line, and guards no folder", () => {
      writeFileSync(join(root, "mountinfo"), MOUNTED + waitsAt("a"));
      expect(run([entry("mount", nas("a"))])).toMatchObject({ exitCode: 0, done: 1 });
      expect(changes()).toEqual([
        "systemctl daemon-reload",
        `systemctl stop -- ${unit("a")}`,
        `systemctl start -- ${unit("a")}`,
        "mount -- a",
      ]);
      expect(log().join("\n")).not.toContain("chattr");
    });

    it("is unmounted before systemd stops to wait, which would take away a mount that is in use", () => {
      writeFileSync(join(root, "mountinfo"), MOUNTED + waitsAt("a") + shownAt("a"));
      expect(run([entry("replace", nas("a", "hard"))])).toMatchObject({ exitCode: 0, done: 1 });
      expect(changes()).toEqual([
        "systemctl daemon-reload",
        "umount -- a",
        `systemctl stop -- ${unit("a")}`,
        "mount -- a",
      ]);
    });

    it("leaves fstab and systemd as they were where it can't be mounted", () => {
      const fails = { mount: "echo away >&2; exit 32", findmnt: `[[ "$*" != *--kernel* ]]` };
      expect(run([entry("mount", nas("a"))], fails)).toEqual({ exitCode: 1, done: 0, said: "away" });
      expect(changes().slice(2)).toEqual(["mount -- a", `systemctl stop -- ${unit("a")}`, "systemctl daemon-reload"]);
      expect(read("fstab")).toBe(OLD);
      rmSync(join(root, "log"));
      writeFileSync(join(root, "mountinfo"), MOUNTED + waitsAt("a"));
      expect(run([entry("mount", nas("a"))], fails)).toMatchObject({ exitCode: 1, done: 0 });
      expect(changes().slice(-2), "it waited before").toEqual([
        "systemctl daemon-reload",
        `systemctl start -- ${unit("a")}`,
      ]);
    });

    it("counts as mounted where somebody's access had systemd mount it first", () => {
      expect(run([entry("mount", nas("a"))], { mount: "echo busy >&2; exit 32" })).toMatchObject({
        exitCode: 0,
        done: 1,
      });
    });

    it("is taken away in both states: systemd stops to wait, after what is mounted was unmounted", () => {
      const remove = () => [recordsProgram("unmount-entry", [join(root, "a"), sha256(OLD)], OLD)];
      writeFileSync(join(root, "mountinfo"), MOUNTED + waitsAt("a"));
      expect(run(remove())).toMatchObject({ exitCode: 0, done: 1 });
      expect(changes()).toEqual([`systemctl stop -- ${unit("a")}`]);
      rmSync(join(root, "log"));
      writeFileSync(join(root, "mountinfo"), MOUNTED + waitsAt("a") + shownAt("a"));
      expect(run(remove())).toMatchObject({ exitCode: 0, done: 1 });
      expect(changes()).toEqual(["umount -- a", `systemctl stop -- ${unit("a")}`]);
      rmSync(join(root, "log"));
      expect(run(remove(), { umount: "echo busy >&2; exit 32" })).toMatchObject({ exitCode: 1, done: 0 });
      expect(changes(), "in use: systemd goes on waiting").toEqual(["umount -- a"]);
    });
  });

  it("mounts an NFS of `bg` in the foreground, so that a failure is seen", () => {
    const line = `nas:/x ${join(root, "a")} nfs bg,nofail 0 0`;
    const entry = recordsProgram("mount-entry", [join(root, "a"), "mount", sha256(OLD), line], `${OLD}${line}\n`);
    expect(run([entry])).toMatchObject({ exitCode: 0, done: 1 });
    expect(log().at(-1)).toBe("mount --options fg -- a");
  });

  it("names the source of a mount that does not end in time", () => {
    // As timeout(1) ends when it had to kill.
    expect(run(mount("a"), { mount: "exit 124" })).toEqual({
      exitCode: 1,
      done: 0,
      said: "mount of a did not end within 90 s: what it lies on doesn't answer: LABEL=a",
    });
    expect(read("fstab")).toBe(OLD);
  });

  it("does nothing where another writer changed the text", () => {
    writeFileSync(join(root, "fstab"), `${OLD}# theirs\n`);
    expect(run(mount("a", "b"))).toMatchObject({ exitCode: 75, done: 0 });
    expect(log()).toEqual([]);
  });
});

describe("unmount-entry for many", () => {
  it("takes out the lines of those before one that is in use, and names who uses it", () => {
    const names = ["a", "b", "c"];
    writeFileSync(join(root, "fstab"), withLines(...names));
    writeFileSync(
      join(root, "mountinfo"),
      MOUNTED + names.map((name) => `30 22 8:1 / ${join(root, name)} rw - ext4 /dev/sda rw\n`).join(""),
    );
    for (const name of names) mkdirSync(join(root, name));
    mkdirSync(join(root, "ledger"));
    writeFileSync(
      join(root, "ledger/made"),
      names.flatMap((name) => [`directory ${join(root, name)}\n`, `immutable ${join(root, name)}\n`]).join(""),
    );
    const unmount = names.map((name, index) =>
      recordsProgram(
        "unmount-entry",
        [join(root, name), sha256(withLines(...names.slice(index)))],
        withLines(...names.slice(index + 1)),
      ),
    );
    const inUse = `[[ \${@: -1} != */b ]] || { echo "b is busy" >&2; exit 32; }`;
    expect(run(unmount, { umount: inUse })).toEqual({ exitCode: 1, done: 1, said: "b is busy\nsleep" });
    expect(read("fstab")).toBe(withLines("b", "c"));
    expect(names.map((name) => existsSync(join(root, name)))).toEqual([false, true, true]);
    expect(read("ledger/made")).not.toContain(`${root}/a\n`);
    expect(log()).toEqual(["umount -- a", "umount -- b", "fuser --verbose --mount b", "chattr -i -- a"]);
  });
});

describe("unmount-entry", () => {
  it("unmounts what is mounted several times at one path, and nothing of others below it", () => {
    writeFileSync(join(root, "fstab"), OLD);
    mkdirSync(join(root, "a"));
    const at = (number: string) => `30 22 ${number} / ${join(root, "a")} rw - ext4 /dev/sda rw\n`;
    writeFileSync(join(root, "mountinfo"), MOUNTED + at("8:9") + at("8:1") + at("8:1"));
    expect(run([recordsProgram("unmount-entry", [join(root, "a"), sha256(OLD)], OLD)])).toMatchObject({ done: 1 });
    expect(log().filter((words) => words.startsWith("umount"))).toEqual(["umount -- a", "umount -- a"]);
  });
});

describe("unmount-entry of a mount point that was made immutable", () => {
  const unmount = (tools: Readonly<Record<string, string>>) => {
    writeFileSync(join(root, "fstab"), withLines("a"));
    mkdirSync(join(root, "a"));
    mkdirSync(join(root, "ledger"));
    writeFileSync(join(root, "ledger/made"), `directory ${join(root, "a")}\nimmutable ${join(root, "a")}\n`);
    return run([recordsProgram("unmount-entry", [join(root, "a"), sha256(withLines("a"))], OLD)], tools);
  };
  const chattr = 'echo "chattr: Operation not supported while reading flags" >&2; exit 1';

  it("ends well on a filesystem that has no such flag", () => {
    expect(unmount({ chattr, lsattr: "exit 1" })).toMatchObject({ exitCode: 0, done: 1 });
    expect(existsSync(join(root, "a"))).toBe(false);
    expect(existsSync(join(root, "ledger"))).toBe(false);
  });

  it("fails where it stays immutable, and remembers it", () => {
    expect(unmount({ chattr, lsattr: `echo "----i---------e------- ${join(root, "a")}"` })).toMatchObject({
      exitCode: 1,
      done: 0,
    });
    expect(read("ledger/made")).toContain(`immutable ${join(root, "a")}\n`);
  });
});

describe("install-timer for many", () => {
  const install = (...names: string[]) =>
    names.map((name) => recordsProgram("install-timer", [name, `${name} timer`, `${name} service`]));

  it("asks systemd once for all, and has it read its files only where it read another text before", () => {
    expect(run(install("a", "b"))).toMatchObject({ exitCode: 0, done: 2 });
    expect(log().map((words) => words.replaceAll(/\S*jts-storage\.\w+\//g, ""))).toEqual([
      "systemd-analyze verify --man=no --recursive-errors=no a.timer a.service b.timer b.service",
      "systemctl --quiet --no-reload reenable -- a.timer b.timer",
      "systemctl show --property=NeedDaemonReload -- a.timer a.service b.timer b.service",
      "systemctl restart -- a.timer b.timer",
    ]);
    run(install("a"), { systemctl: "[[ $1 != show ]] || echo NeedDaemonReload=yes" });
    expect(log().slice(-2)).toEqual(["systemctl daemon-reload", "systemctl restart -- a.timer"]);
  });

  it("installs those before one that systemd finds wrong", () => {
    const wrong = `[[ "$*" != *b.service* ]] || { echo "b.service: wrong" >&2; exit 1; }`;
    expect(run(install("a", "b", "c"), { "systemd-analyze": wrong })).toEqual({
      exitCode: 1,
      done: 1,
      said: "b.service: wrong",
    });
    expect(["a", "b", "c"].map((name) => existsSync(join(root, "units", `${name}.timer`)))).toEqual([
      true,
      false,
      false,
    ]);
  });
});

describe("make-account for many", () => {
  it("makes each that is absent, in the order given, and remembers what it made", () => {
    const getent = `if [[ $# == 1 ]]; then [[ $1 != group ]] || echo backup:x:34:; else exit 2; fi`;
    const make = [["kafka", "kafka", "/var/lib/kafka"], ["backup"], ["docker"]].map((args) =>
      recordsProgram("make-account", args),
    );
    expect(run(make, { getent })).toMatchObject({ exitCode: 0, done: 3 });
    expect(log().filter((words) => /^(group|user)add/.test(words))).toEqual([
      "groupadd --system -- kafka",
      "useradd --system --gid kafka --home-dir /var/lib/kafka --no-create-home --shell /usr/sbin/nologin -- kafka",
      "groupadd --system -- docker",
    ]);
    expect(read("ledger/made")).toBe("group kafka\nuser kafka\ngroup docker\n");
    expect(run(make, { getent, groupadd: `[[ "$*" != *docker ]] || { echo full >&2; exit 10; }` })).toEqual({
      exitCode: 10,
      done: 2,
      said: "full",
    });
  });

  it("forgets an account that could not be made: one that somebody then makes by hand is not ours", () => {
    const make = recordsProgram("make-account", ["redis", "redis", "/var/lib/redis"]);
    const useradd = "echo locked >&2; exit 1";
    expect(run([make], { getent: "[[ $# == 1 ]] || exit 2", useradd })).toMatchObject({ exitCode: 1, said: "locked" });
    expect(read("ledger/made")).toBe("group redis\n");
    // One that is there in spite of the failure is ours.
    const after = `[[ $# == 1 ]] || { [[ $1 == passwd ]] && grep --quiet ^useradd ${join(root, "log")}; }`;
    rmSync(join(root, "log"));
    expect(run([make], { getent: after, useradd })).toMatchObject({ exitCode: 1 });
    expect(read("ledger/made")).toBe("group redis\nuser redis\n");
  });
});

describe("make-tree", () => {
  it.skipIf(userInfo().uid !== 0)(
    "gives folders exactly their mode, also in a folder whose setgid bit they would take over",
    () => {
      mkdirSync(join(root, "shared", "old"), { recursive: true });
      chmodSync(join(root, "shared"), 0o2775);
      chmodSync(join(root, "shared", "old"), 0o2755);
      const modes = () =>
        ["new", "old"].map((name) => (statSync(join(root, "shared", name)).mode & 0o7777).toString(8));
      const folders = ["new", "old"].map((name) => join(root, "shared", name));
      for (const [owner, mode, exactly] of [
        ["root", "750", "750"],
        ["daemon", "755", "755"],
        ["root", "2770", "2770"],
      ]) {
        rmSync(folders[0]!, { recursive: true, force: true });
        expect(run([recordsProgram("make-tree", [owner!, owner!, mode!, ...folders])])).toMatchObject({ exitCode: 0 });
        expect(modes()).toEqual([exactly, exactly]);
      }
    },
  );
});

describe("remove-account for many", () => {
  const ours = "user app\ngroup app\ngroup www\n";
  const remove = (...records: string[][]) => records.map((args) => recordsProgram("remove-account", args));
  const removals = () => log().filter((words) => /^(group|user)del/.test(words));
  beforeEach(() => {
    mkdirSync(join(root, "ledger"));
    writeFileSync(join(root, "ledger", "made"), ours);
  });
  // Until they are deleted, there are the user app and the groups app and www; userdel takes the group app along.
  const getent = `! grep --quiet -e "^\${1/passwd/user}del -- $3$" \${0%/bin/*}/log &&
    ! { [[ "$*" == "group -- app" ]] && grep --quiet "^userdel" \${0%/bin/*}/log; }`;

  it("removes the user, the group, or both, and forgets the group that userdel takes along", () => {
    expect(run(remove(["", "app"], ["www"]), { getent })).toMatchObject({ exitCode: 0, done: 2 });
    expect(removals()).toEqual(["userdel -- app", "groupdel -- www"]);
    expect(existsSync(join(root, "ledger", "made"))).toBe(false);
  });

  it("leaves the group where none is named, and all that the ledger doesn't have", () => {
    expect(run(remove(["", "other"], ["www", "other"]), { getent })).toMatchObject({ exitCode: 0, done: 2 });
    expect(removals()).toEqual(["groupdel -- www"]);
    expect(read("ledger/made")).toBe("user app\ngroup app\n");
  });

  it("says which process a user is used by, and forgets nothing", () => {
    const userdel = `echo "userdel: user app is currently used by process 7" >&2; exit 8`;
    const output = run(remove(["app", "app"]), { getent, userdel });
    expect(output).toEqual({ exitCode: 8, done: 0, said: "userdel: user app is currently used by process 7" });
    expect(read("ledger/made")).toBe(ours);
  });
});

describe("print-primary-groups", () => {
  it("prints the primary group of each user that has one", () => {
    const getent = `case $1 in group) printf '%s\\n' root:x:0: www:x:33:app ;; passwd) printf '%s\\n' root:x:0:0:r:/: app:x:9:33::/: odd:x:7:77::/: ;; esac`;
    mkdirSync(join(root, "bin"));
    writeFileSync(join(root, "bin", "getent"), `#!/bin/bash\n${getent}\n`);
    chmodSync(join(root, "bin", "getent"), 0o755);
    const command = program("print-primary-groups");
    const output = runLocally(command, { PATH: `${join(root, "bin")}:${process.env.PATH}` });
    expect(output).toMatchObject({ exitCode: 0, stdout: "root:root\napp:www\n" });
    expect([...primaryGroups.parse(output, undefined)]).toEqual([
      ["root", "root"],
      ["app", "www"],
    ]);
  });
});

describe("remove-volume and is-uuid for many", () => {
  const names = ["vg/a", "vg/b", "vg/c"];

  it("remove all in one go, or report which one can't be", () => {
    const remove = names.map((name) => recordsProgram("remove-volume", [name]));
    expect(run(remove)).toMatchObject({ exitCode: 0, done: 3 });
    expect(log()).toEqual(["lvremove --yes -- vg/a vg/b vg/c"]);
    const inUse = `[[ "$*" != *vg/b* ]] || { echo "vg/b in use" >&2; exit 5; }`;
    expect(run(remove, { lvremove: inUse })).toEqual({ exitCode: 5, done: 1, said: "vg/b in use" });
  });

  it("report the one whose UUID differs, or that is gone", () => {
    const prove = names.map((name, index) => recordsProgram("is-uuid", ["lv", name, `u-${index}`]));
    expect(run(prove, { lvs: "printf '  vg/a u-0\\n  vg/b u-1\\n  vg/c u-2\\n'" })).toMatchObject({
      exitCode: 0,
      done: 3,
    });
    expect(log()).toHaveLength(1);
    expect(run(prove, { lvs: "printf '  vg/a u-0\\n  vg/b other\\n  vg/c u-2\\n'" })).toEqual({
      exitCode: 10,
      done: 1,
      said: "vg/b is now other instead of u-1",
    });
    expect(run(prove, { lvs: "exit 5" })).toEqual({ exitCode: 10, done: 0, said: "vg/a is now gone instead of u-0" });
  });
});

describe("make-tree and remove-tree for many", () => {
  it("carry out those before one whose path goes through a link", () => {
    const { username } = userInfo();
    const group = runLocally({ argv: ["id", "--group", "--name"] }).stdout.trim();
    const make = (...folders: string[]) =>
      recordsProgram("make-tree", [username, group, "750", ...folders.map((name) => join(root, name))]);
    runLocally({ argv: ["ln", "--symbolic", "/tmp", join(root, "link")] });
    const output = run([make("x", "x/y"), make("link/z"), make("w")]);
    expect(output).toMatchObject({ exitCode: 1, done: 1 });
    expect(output.said).toContain("link is a symbolic link");
    expect(["x/y", "w"].map((name) => existsSync(join(root, name)))).toEqual([true, false]);
    const remove = (...folders: string[]) =>
      recordsProgram(
        "remove-tree",
        folders.map((name) => join(root, name)),
      );
    expect(run([remove("x", "x/y"), remove("v")])).toMatchObject({ exitCode: 0, done: 2 });
    expect(existsSync(join(root, "x"))).toBe(false);
    expect(existsSync(join(root, "ledger"))).toBe(false);
  });
});
