import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { once } from "node:events";
import { createServer, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { execa } from "execa";
import { afterEach, beforeEach, describe, expect, it, onTestFinished } from "vitest";
import { CommandFailed, HostUnreachable } from "../../../../providers/errors.ts";
import { cmd } from "../../../../providers/host/command.ts";
import { SshHost } from "../../../../providers/host/sshHost.ts";

/**
 * Stands in for ssh and sshd: records what it is asked for, and lets a login shell here run the command, with a folder
 * of ours instead of /run, a home folder of ours, and what is in `sudo` instead of sudo. Before that it runs `before`.
 */
const SSH = `#!/bin/bash
exec 3<&0
folder=$(dirname "$0")
{ printf '%s\\0' "$@"; echo; } >>"$folder/argv"
case " $* " in
*" -O exit "*) echo hung up >>"$folder/asked" ;;
*" -O check "*) exit 0 ;;
*" -N "*)
  echo dialled >>"$folder/asked"
  [[ $* =~ ControlPath=([^ ]+) ]] && echo "\${BASH_REMATCH[1]}" >"$folder/socket" && touch "\${BASH_REMATCH[1]}"
  ;;
*)
  echo shell >>"$folder/asked"
  . "$folder/before"
  echo $$ >"$folder/pid"
  while [[ $1 != *@* ]]; do shift; done
  command="\${*:2}"
  command=\${command/sudo --non-interactive --/"$folder/sudo"}
  unset SHLVL
  export HOME=$folder/home SSH_CLIENT='127.0.0.1 1 22'
  exec "$(<"$folder/login")" -c "$command" < <(exec sed --unbuffered "s|--tmpdir=/run|--tmpdir=$folder/run|" <&3)
  ;;
esac
`;

/** As sudo's env_reset does, it passes on hardly any variable. */
const SUDO = '#!/bin/sh\nexec env -i HOME=/root PATH="$PATH" LANG="$LANG" LC_ALL="$LC_ALL" "$@"\n';

let folder: string;
let path: string | undefined;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "jts-ssh-host-"));
  for (const name of ["run", "home"]) mkdirSync(join(folder, name));
  for (const name of ["asked", "before", "home/.bashrc"]) writeFileSync(join(folder, name), "");
  writeFileSync(join(folder, "login"), "/bin/bash");
  writeFileSync(join(folder, "sudo"), SUDO, { mode: 0o755 });
  writeFileSync(join(folder, "ssh"), SSH, { mode: 0o755 });
  path = process.env.PATH;
  process.env.PATH = `${folder}${delimiter}${path ?? ""}`;
});
afterEach(() => {
  process.env.PATH = path;
  rmSync(folder, { recursive: true, force: true });
});

const CONNECTION = { host: "127.0.0.1", port: 22, user: "operator", hostKey: "ssh-ed25519 AAAA", timeoutSeconds: 5 };
const host = (user = "operator", timeoutSeconds = 5) => new SshHost("trading", { ...CONNECTION, user, timeoutSeconds });
const asked = () => readFileSync(join(folder, "asked"), "utf8").split("\n").filter(Boolean);
/** What ~/.ssh/config may have, and would break us. */
const HARMFUL = {
  BatchMode: "no",
  StrictHostKeyChecking: "no",
  HostKeyAlias: "another",
  UserKnownHostsFile: "/dev/null",
  GlobalKnownHostsFile: "/etc/hosts",
  KnownHostsCommand: "/bin/echo %H",
  VerifyHostKeyDNS: "yes",
  NoHostAuthenticationForLocalhost: "yes",
  UpdateHostKeys: "yes",
  VisualHostKey: "yes",
  ControlMaster: "autoask",
  ControlPath: "~/.ssh/%C",
  ControlPersist: "yes",
  ConnectTimeout: "3000",
  ConnectionAttempts: "100",
  ServerAliveInterval: "0",
  ServerAliveCountMax: "100",
  LogLevel: "DEBUG3",
  RequestTTY: "force",
  SessionType: "none",
  RemoteCommand: "top",
  PermitLocalCommand: "yes",
  StdinNull: "yes",
  ForkAfterAuthentication: "yes",
  ClearAllForwardings: "no",
  ForwardX11: "yes",
  Tunnel: "yes",
};

/** Login shells of this machine other than bash. */
const LOGIN_SHELLS = ["dash", "zsh", "fish", "tcsh"].flatMap(
  (name) =>
    (process.env.PATH ?? "")
      .split(delimiter)
      .map((one) => join(one, name))
      .find((file) => existsSync(file)) ?? [],
);
const question = (text: string) => ({ steps: [], questions: [cmd`bash -c ${text}`] });
const theShell = () => readFileSync(join(folder, "pid"), "utf8").trim();
const bashrc = (text: string) => writeFileSync(join(folder, "home/.bashrc"), text);
const login = (shell: string) => writeFileSync(join(folder, "login"), shell);
const sudo = (text: string) => writeFileSync(join(folder, "sudo"), `#!/bin/sh\n${text}\n`);
const before = (text: string) => writeFileSync(join(folder, "before"), text);

describe("a host over SSH", () => {
  it("runs calls that come one after another in one shell, and opens another one only for calls that come meanwhile", async () => {
    const trading = host();
    for (const word of ["one", "two", "three"])
      expect((await trading.call(question(`echo ${word}`))).questions[0]?.stdout).toBe(`${word}\n`);
    expect(asked()).toEqual(["dialled", "shell"]);
    const many = Array.from({ length: 20 }, (_, index) => trading.call(question(`sleep 0.05; echo ${index}`)));
    expect((await Promise.all(many)).map(({ questions }) => questions[0]?.stdout)).toEqual(
      many.map((_, index) => `${index}\n`),
    );
    expect(asked()).toEqual(["dialled", ...Array.from({ length: 8 }, () => "shell")]);
  });

  it("reads large answers, and answers that end like the shell's own line", async () => {
    const trading = host();
    const { questions } = await trading.call({
      steps: [],
      questions: [cmd`head --bytes=3000000 /dev/zero`, cmd`bash -c ${"yes '0123456789abcdef 0' | head -n 100000"}`],
    });
    expect(questions.map(({ stdout }) => stdout.length)).toEqual([3_000_000, 1_900_000]);
  });

  it("reports a lost connection for a program whose shell ended, and goes on with the next", async () => {
    const trading = host();
    await trading.call(question("true"));
    const lost = trading.call({ steps: [cmd`kill -9 ${theShell()}`], questions: [] });
    await expect(lost).rejects.toThrow(HostUnreachable);
    await expect(lost).rejects.toThrow(/trading \(operator@127\.0\.0\.1, port 22\) could not be reached: /);
    expect((await trading.call(question("echo again"))).questions[0]?.stdout).toBe("again\n");
    expect(asked(), "the connection itself holds").toEqual(["dialled", "shell", "shell"]);
    rmSync(readFileSync(join(folder, "socket"), "utf8").trim());
    await expect(trading.call({ steps: [cmd`kill -9 ${theShell()}`], questions: [] })).rejects.toThrow(HostUnreachable);
    await trading.call(question("true"));
    expect(asked(), "it is lost too").toEqual(["dialled", "shell", "shell", "dialled", "shell"]);
  });

  it("opens another shell when an unused one has ended", async () => {
    const trading = host();
    await trading.call(question("true"));
    process.kill(Number(theShell()), "SIGKILL");
    // What is asked before its end is noticed looks the same as a lost connection.
    const answer = async () => (await trading.call(question("echo here")).catch(() => undefined))?.questions[0]?.stdout;
    await expect.poll(answer, { timeout: 30_000 }).toBe("here\n");
  });

  it("reports a refused connection with what ssh said", async () => {
    before("echo 'Connection refused' >&2; exit 255\n");
    await expect(host().call(question("true"))).rejects.toThrow(/could not be reached: Connection refused/);
  });

  it("gives up a host that accepts the connection and never answers, within its timeout", async () => {
    process.env.PATH = path;
    const silent = createServer(() => undefined).listen(0, "127.0.0.1");
    onTestFinished(() => void silent.close());
    await once(silent, "listening");
    const { port } = silent.address() as AddressInfo;
    const began = Date.now();
    const given = new SshHost("trading", { ...CONNECTION, port }).call(question("true"));
    await expect(given).rejects.toThrow(/could not be reached: .*timed? ?out/i);
    expect(Date.now() - began).toBeGreaterThan((CONNECTION.timeoutSeconds - 1) * 1000);
  });

  it("beside others adds no handler of the process's end of its own, of which Node warns from the eleventh on", () => {
    const handlers = () => (["exit", "SIGTERM"] as const).map((event) => process.listenerCount(event));
    host();
    const before = handlers();
    host();
    expect(handlers()).toEqual(before);
  });

  it("sends its last call when the process ends, and does not keep the process from ending", async () => {
    const program = join(folder, "program.ts");
    writeFileSync(
      program,
      `import { SshHost } from ${JSON.stringify(join(import.meta.dirname, "../../../../providers/host/sshHost.ts"))};
       const host = new SshHost("trading", ${JSON.stringify(CONNECTION)});
       host.beforeEnd(() => ({ steps: [{ argv: ["touch", ${JSON.stringify(join(folder, "last"))}] }], questions: [] }));
       await host.call({ steps: [], questions: [{ argv: ["true"] }] });`,
    );
    await execa("node", [program], { stdin: "ignore" });
    expect(asked()).toEqual(["dialled", "shell", "shell", "hung up"]);
    await expect.poll(() => existsSync(join(folder, "last")), { timeout: 30_000 }).toBe(true);
    await expect.poll(() => readdirSync(join(folder, "run")), { timeout: 30_000 }).toEqual([]);
  });
});

describe.each(["root", "operator"])("a host whose start-up files, read for %s,", (user) => {
  it.each<[what: string, text: string, seconds?: number]>([
    ["print lines", "echo Welcome; echo; echo jts-storage; echo Beware >&2"],
    ["print a line without its end, and what colours it", String.raw`printf '\033[32mWelcome\033[0m to '`],
    ["print lines as of a terminal", String.raw`printf 'Welcome\r\nto\r\n'`],
    ["print megabytes", "yes Welcome | head --bytes=3000000"],
    ["print each of their commands", "set -vx"],
    ["end at the first failure, and let others do the same", "set -euo noclobber; export SHELLOPTS"],
    [
      "change the folder, the separators of words, the path and the mask",
      "cd /proc/self; IFS=:; PATH=/nowhere; umask 0",
    ],
    ["set another locale, which the host may not have", "export LANG=de_DE.UTF-8 LC_ALL=xx_XX.UTF-8 LANGUAGE=de"],
    [
      "put functions in the place of tools",
      "bash() { echo no; }; env() { echo no; }; echo() { :; }; export -f bash env echo",
    ],
    ["put aliases in the place of tools", "shopt -s expand_aliases; alias bash=false env=false echo=false"],
    ["name a file for each other bash", 'echo "echo Welcome; exit 3" >~/env; export BASH_ENV=~/env ENV=~/env'],
    ["end idle shells", "export TMOUT=1"],
    [
      "leave something running that prints",
      "(sleep 0.3; echo Welcome; echo Beware >&2; sleep 0.5; echo Welcome) &",
      0.6,
    ],
  ])("%s is read past them, and what runs there has nothing of that", async (_what, text, seconds) => {
    bashrc(text);
    const trading = host(user);
    for (const word of ["one", "two"])
      expect(
        (await trading.call(question(`sleep ${seconds ?? 0}; echo ${word} $- $LC_ALL $(umask)`))).questions,
      ).toEqual([{ stdout: `${word} hBc C 0077\n`, stderr: "", exitCode: 0 }]);
    expect(asked()).toEqual(["dialled", "shell"]);
  });

  it.each(LOGIN_SHELLS)("are those of %s, its login shell, is as any other", async (shell) => {
    login(shell);
    expect((await host(user).call(question("echo $0 one"))).questions[0]?.stdout).toBe("bash one\n");
  });
});

describe("a host that gives us no bash", () => {
  const LOGIN = String.raw`ssh -p 22 \S+@127\.0\.0\.1 '.*bash --norc -c .*echo ready.*' must end with the line "ready"`;
  it.each<[string, string, () => void, RegExp]>([
    [
      "whose user has no login shell",
      "root",
      () => login("/usr/sbin/nologin"),
      /root has no login shell: .*not available[^]*Next: on the host: usermod --shell \/bin\/bash root/,
    ],
    [
      "that lets another user work, as images of clouds do",
      "root",
      () => bashrc(`echo 'Please login as the user "debian" rather than the user "root".'; echo; exit 142`),
      /doesn't let root work, only another user: Please login[^]*Next: set connection\.user to debian/,
    ],
    [
      "whose start-up files end the shell",
      "root",
      () => bashrc("echo Bye; exit 0"),
      new RegExp(
        String.raw`root logs in, but gets no bash there: what ran instead ended with 0, and printed: Bye[^]*Next: ${LOGIN}`,
      ),
    ],
    [
      "whose start-up files run another shell",
      "root",
      () => bashrc("exec dash"),
      new RegExp(
        `root logs in, but gets no bash there: what ran instead ended with \\d, and printed: dash: .*\\n  Next: ${LOGIN}`,
      ),
    ],
    [
      "that sends back what it gets",
      "root",
      () => bashrc("exec cat"),
      new RegExp(`root logs in, but gets no bash there: it did not come in time, and printed: [^]*Next: ${LOGIN}`),
    ],
    [
      "whose start-up files wait for an answer",
      "operator",
      () => bashrc("printf 'Which one? '; sleep 60"),
      new RegExp(
        String.raw`operator logs in, but gets no bash there: it did not come in time, and printed: Which one\?\n  Next: ssh -p 22 operator@127\.0\.0\.1 'sudo --non-interactive bash`,
      ),
    ],
    [
      "whose sudo asks for a password",
      "operator",
      () => sudo("echo 'sudo: a password is required' >&2; exit 1"),
      /operator can't become root without a password: sudo: a password is required\n {2}Next: visudo --file=\/etc\/sudoers\.d\/zz-jts-storage on the host: operator ALL=\(ALL\) NOPASSWD: ALL/,
    ],
    [
      "whose user's name is no name of a file that sudo reads, and has a backslash",
      "CORP\\john.doe",
      () => sudo("echo 'sudo: a password is required' >&2; exit 1"),
      /CORP\\john.doe can't become root without a password: [^]*Next: visudo --file=\/etc\/sudoers\.d\/zz-jts-storage on the host: CORP\\\\john\.doe ALL=/,
    ],
    [
      "whose user's name has a backslash, and start-up files that exit",
      "CORP\\john.doe",
      () => bashrc("exit 3"),
      /Next: ssh -p 22 'CORP\\john\.doe@127\.0\.0\.1' /,
    ],
    [
      "whose sudo wants a terminal",
      "operator",
      () =>
        sudo(
          "echo 'sudo: unable to resolve host x: Name or service not known' >&2; echo 'sudo: sorry, you must have a tty to run sudo' >&2; exit 1",
        ),
      /sudo lets operator in only from a terminal[^]*Next: visudo .*: Defaults:operator !requiretty/,
    ],
    [
      "without sudo",
      "operator",
      () => sudo("echo '/usr/bin/env: ‘sudo’: No such file or directory' >&2; exit 127"),
      /the host has no sudo: [^]*Next: on the host, as root: apt-get install sudo/,
    ],
    [
      "without bash",
      "root",
      () => bashrc("echo '/usr/bin/env: ‘bash’: No such file or directory' >&2; exit 127"),
      /the host has no bash: [^]*Next: on the host, as root: apt-get install bash/,
    ],
    [
      "whose /run is full",
      "operator",
      () =>
        sudo(
          "echo 'mktemp: failed to create directory via template ‘/run/jts-storage.XXXXXXXXXX’: No space left on device' >&2; exit 1",
        ),
      /there is no room in \/run for what is asked: mktemp[^]*Next: on the host: df --human-readable \/run/,
    ],
  ])(
    "%s is reported with what it printed, and with what to do there; nothing is sent to it",
    async (_what, user, make, expected) => {
      make();
      const file = join(folder, "stepped");
      const refused = host(user, 3).call({ steps: [cmd`touch ${file}`], questions: [] });
      await expect(refused).rejects.toThrow(CommandFailed);
      await expect(refused).rejects.toThrow(expected);
      expect(existsSync(file)).toBe(false);
    },
  );

  it("at the first time may give one at the next", async () => {
    bashrc("exit 1");
    const trading = host();
    await expect(trading.call(question("true"))).rejects.toThrow(CommandFailed);
    bashrc("");
    expect((await trading.call(question("echo here"))).questions[0]?.stdout).toBe("here\n");
  });
});

describe("a program that leaves no whole answers on a connection that holds", () => {
  it("is an error that says so, not a lost connection: nothing is dialled again", async () => {
    const trading = host();
    await trading.call(question("true"));
    rmSync(join(folder, "run"), { recursive: true });
    const failed = trading.call(question("true"));
    await expect(failed).rejects.toThrow(CommandFailed);
    await expect(failed).rejects.toThrow(
      /the answers are not whole \(exit code 1\): .*No such file[^]*Next: pulumi up --refresh/,
    );
    expect(asked()).toEqual(["dialled", "shell"]);
  });
});

describe("this machine", () => {
  it("without ssh is named", async () => {
    process.env.PATH = "/nowhere";
    await expect(host().call(question("true"))).rejects.toThrow(
      /this machine has no ssh\.\n {2}Next: apt-get install openssh-client/,
    );
  });

  it("whose folder for temporary files can't be written is named, with that folder", () => {
    const { TMPDIR } = process.env;
    process.env.TMPDIR = join(folder, "nowhere");
    try {
      expect(host).toThrow(/can't be written on this machine: ENOENT.*nowhere[^]*Next: df .*nowhere/);
    } finally {
      if (TMPDIR === undefined) delete process.env.TMPDIR;
      else process.env.TMPDIR = TMPDIR;
    }
  });

  it("may have any options in ~/.ssh/config: ours are in force, for the connection and for each shell", async () => {
    await host().call(question("true"));
    const config = join(folder, "config");
    const lines = Object.entries(HARMFUL).map((option) => `${option.join(" ")}\n`);
    writeFileSync(config, lines.join(""));
    const inForce = async (file: string, argv: readonly string[]) =>
      (await execa("/usr/bin/ssh", ["-F", file, "-G", ...argv], { stdin: "ignore" })).stdout.split("\n");
    const calls = readFileSync(join(folder, "argv"), "utf8").split("\n").slice(0, -1);
    expect(calls).toHaveLength(2);
    for (const argv of [
      ...calls.map((call) => call.split("\0").slice(0, -1)),
      ["-p", "22", "-o", "LogLevel=QUIET", "a"],
    ]) {
      const [without, harmed] = await Promise.all(["none", config].map((file) => inForce(file, argv)));
      if (argv.includes("LogLevel=QUIET"))
        expect(harmed!.filter((line) => !without!.includes(line)).length).toBeGreaterThan(15);
      else expect(harmed).toEqual(without);
    }
  });
});
