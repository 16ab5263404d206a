import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { program } from "../../../../providers/programs/program.ts";
import { runLocally } from "../runLocally.ts";

let bin: string;
beforeEach(() => {
  bin = mkdtempSync(join(tmpdir(), "jts-apt-"));
});
afterEach(() => rmSync(bin, { recursive: true, force: true }));

/** What apt 2.6 and dpkg print of each fault. */
const SAID = {
  listLock: `E: Could not get lock /var/lib/apt/lists/lock. It is held by process 4711 (apt-get)
N: Be aware that removing the lock file is not a solution and may break your system.
E: Unable to lock directory /var/lib/apt/lists/`,
  dpkgLock: `E: Could not get lock /var/lib/dpkg/lock-frontend. It is held by process 812 (unattended-upgr)
N: Be aware that removing the lock file is not a solution and may break your system.
E: Unable to acquire the dpkg frontend lock (/var/lib/dpkg/lock-frontend), is another process using it?`,
  interrupted: "E: dpkg was interrupted, you must manually run 'dpkg --configure -a' to correct the problem. ",
  unknown: "E: Unable to locate package xfsprogs",
  noCandidate: `Package xfsprogs is not available, but is referred to by another package.
This may mean that the package is missing, has been obsoleted, or
is only available from another source

E: Package 'xfsprogs' has no installation candidate`,
  broken: `Some packages could not be installed. This may mean that you have
requested an impossible situation or if you are using the unstable
distribution that some required packages have not yet been created
or been moved out of Incoming.
The following information may help to resolve the situation:

The following packages have unmet dependencies:
 xfsprogs : Depends: libinih1 (>= 53) but it is not going to be installed
E: Unable to correct problems, you have held broken packages.`,
  held: "E: Held packages were changed and -y was used without --allow-change-held-packages.",
  noMirror: `E: Failed to fetch http://deb.debian.org/debian/pool/main/x/xfsprogs.deb  Temporary failure resolving 'deb.debian.org'
E: Unable to fetch some archives, maybe run apt-get update or try with --fix-missing?`,
  oldList: `W: Failed to fetch http://deb.debian.org/debian/dists/bookworm/InRelease  Temporary failure resolving 'deb.debian.org'
W: Some index files failed to download. They have been ignored, or old ones used instead.`,
  removal: "E: Packages need to be removed but remove is disabled.",
  full: "E: You don't have enough free space in /var/cache/apt/archives/.",
};

/**
 * Installs xfsprogs and lvm2 with an apt-get that does at each call what the next line says; the last goes on. `states`
 * is what dpkg-query prints afterwards.
 */
function install(updates: readonly string[], installs: readonly string[], states = "installed", env = {}) {
  const tool = (name: string, text: string) => {
    writeFileSync(join(bin, name), `#!/bin/bash\n${text}\n`);
    chmodSync(join(bin, name), 0o755);
  };
  const calls = (verb: string, texts: readonly string[]) =>
    texts.map(
      (text, index) => `${verb}.${index + 1}${index + 1 === texts.length ? "|" + verb + ".*" : ""}) cat <<'X' >&2
${text}
X
[[ -z '${text === "" ? "" : "failed"}' || '${text.startsWith("W:") ? "warned" : ""}' == warned ]] || exit 100 ;;`,
    );
  tool(
    "apt-get",
    `[[ ! -t 0 ]] && read -r -t 1 line && exit 9
printf '%s\\n' "$*" >>${bin}/calls
[[ $* != *Status-Fd=9* ]] || echo "dlstatus:1:0.0000:Retrieving file 1 of 1" >&9
printf '%s\\n' "$DEBIAN_FRONTEND $NEEDRESTART_MODE" >>${bin}/environment
printf '%s\\n' "$(umask) \${http_proxy-} \${https_proxy-} \${no_proxy-}" >>${bin}/seen
for verb; do [[ $verb != update && $verb != install ]] || break; done
echo x >>${bin}/$verb.count
case $verb.$(wc -l <${bin}/$verb.count) in
${[...calls("update", updates), ...calls("install", installs)].join("\n")}
esac`,
  );
  tool("dpkg-query", `echo ${states}`);
  tool("vgchange", `echo "$*" >>${bin}/activated`);
  tool("sleep", "exit 0");
  const [, , text = "", ...rest] = program("install-packages", "xfsprogs", "lvm2").argv;
  const output = runLocally(
    {
      argv: [
        "bash",
        "-c",
        `umask 077\n${text.replace("patience=600", "patience=2").replaceAll("/etc/environment", join(bin, "etc"))}`,
        ...rest,
      ],
    },
    { PATH: `${bin}:${process.env.PATH}`, http_proxy: "", https_proxy: "", no_proxy: "", ...env },
  );
  return { ...output, calls: readFileSync(join(bin, "calls"), "utf8").trimEnd().split("\n") };
}

describe("install-packages", () => {
  it("updates apt's lists and installs without recommendations, asking nobody, keeping changed files in /etc, restarting and removing nothing", () => {
    const { exitCode, stdout, stderr, calls } = install([""], [""]);
    expect([exitCode, stdout, stderr]).toEqual([0, "", ""]);
    expect(calls).toHaveLength(2);
    expect(calls[1]).toMatch(
      /--no-install-recommends --no-remove .*AutomaticRemove=false .*--force-confdef .*--force-confold install -- xfsprogs lvm2$/,
    );
    expect(readFileSync(join(bin, "environment"), "utf8")).toBe("noninteractive l\nnoninteractive l\n");
  });

  it("has apt write its progress where it is told, and elsewhere nowhere", () => {
    const progress = join(bin, "progress");
    expect(install([""], [""], "installed", { progress })).toMatchObject({ exitCode: 0, stdout: "", stderr: "" });
    const line = "dlstatus:1:0.0000:Retrieving file 1 of 1\n";
    expect(readFileSync(progress, "utf8")).toBe(line + line);
  });

  it("activates volumes of disks that were there before lvm2", () => {
    install([""], [""]);
    expect(readFileSync(join(bin, "activated"), "utf8")).toBe("--quiet --activate ay\n");
  });

  it("has the proxy that a login has, and makes what apt's hooks make for all users", () => {
    writeFileSync(
      join(bin, "etc"),
      `PATH="/usr/bin"\nhttp_proxy=http://proxy:3128/ # ours\n export https_proxy="http://proxy:3129/"\n#no_proxy=x\nno_proxy='.local,10.0.0.0/8'`,
    );
    expect(install([""], [""]).exitCode).toBe(0);
    const seen = "0022 http://proxy:3128/  http://proxy:3129/ .local,10.0.0.0/8";
    expect(readFileSync(join(bin, "seen"), "utf8").trimEnd().split("\n")).toEqual([seen, seen]);
  });

  it("waits for another apt that has the lock of the lists, and for one that has dpkg's", () => {
    const { exitCode, stderr, calls } = install([SAID.listLock, SAID.listLock, ""], [SAID.dpkgLock, ""]);
    expect([exitCode, stderr]).toEqual([0, ""]);
    expect(calls).toHaveLength(5);
  });

  it("gives up after a bounded time, and says whose lock it is", () => {
    const { exitCode, stderr } = install([SAID.listLock], [""]);
    expect([exitCode, stderr]).toEqual([
      100,
      expect.stringMatching(
        /^E: Could not get lock .* held by process 4711 \(apt-get\), and .*\nNext: on the host: ps /,
      ),
    ]);
  });

  it("goes on where the lists can't be updated and the packages are there", () => {
    expect(install([SAID.oldList], [""]).exitCode).toBe(0);
    expect(install([SAID.noMirror], [""]).exitCode).toBe(0);
  });

  it.each<[string, string, RegExp]>([
    ["an interrupted dpkg", SAID.interrupted, /Next: on the host: dpkg --configure -a; then: pulumi up\n$/],
    [
      "a package that this release doesn't have",
      SAID.unknown,
      /Unable to locate package xfsprogs.*\nNext: .*apt-cache policy xfsprogs lvm2/s,
    ],
    [
      "a package without a candidate",
      SAID.noCandidate,
      /'xfsprogs' has no installation candidate.*\nNext: .*apt-cache policy/s,
    ],
    ["packages that others hold back", SAID.broken, /xfsprogs : Depends: libinih1.*\nNext: .*apt-mark showhold/s],
    ["a package on hold", SAID.held, /Held packages.*\nNext: .*apt-mark showhold/s],
    ["a mirror that is away", SAID.noMirror, /Temporary failure resolving.*\nNext: on the host: apt-get update/s],
    ["packages that would have to go", SAID.removal, /apt would remove other .*\nNext: on the host: apt-get install/s],
    ["a full disk", SAID.full, /enough free space.*\nNext: on the host: df /s],
    [
      "anything else",
      "E: Sub-process /usr/bin/dpkg returned an error code (1)",
      /\nNext: on the host: apt-get install xfsprogs lvm2/,
    ],
  ])("says of %s what apt says, and what to try next", (_what, said, expected) => {
    const { exitCode, stderr } = install([SAID.oldList], [said]);
    expect([exitCode, stderr]).toEqual([100, expect.stringMatching(expected)]);
    // Old lists may be why.
    expect(stderr).toContain("apt-get update said: W: Failed to fetch");
    expect(stderr).not.toContain("Be aware");
  });

  it("refuses a name that only other packages provide, of which no later look would find it installed", () => {
    const { exitCode, stderr } = install([""], [""], "not-installed");
    expect([exitCode, stderr]).toEqual([
      100,
      expect.stringMatching(/^xfsprogs is not a package of its own: .*\nNext: declare the one that is meant/),
    ]);
  });
});
