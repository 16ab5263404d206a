import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
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
 * Stands in for ssh: records what it is asked for, and runs the host's bash here, without sudo, with a folder of ours
 * instead of /run. Before that it runs `before`.
 */
const SSH = `#!/bin/bash
exec 3<&0
folder=$(dirname "$0")
case " $* " in
*" -O exit "*) echo hung up >>"$folder/asked" ;;
*" -N "*) echo dialled >>"$folder/asked" ;;
*)
  echo shell >>"$folder/asked"
  . "$folder/before"
  echo $$ >"$folder/pid"
  exec bash -s < <(exec sed --unbuffered "s|--tmpdir=/run|--tmpdir=$folder/run|" <&3)
  ;;
esac
`;

let folder: string;
let path: string | undefined;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "jts-ssh-host-"));
  mkdirSync(join(folder, "run"));
  writeFileSync(join(folder, "asked"), "");
  writeFileSync(join(folder, "before"), "");
  writeFileSync(join(folder, "ssh"), SSH);
  chmodSync(join(folder, "ssh"), 0o755);
  path = process.env.PATH;
  process.env.PATH = `${folder}${delimiter}${path ?? ""}`;
});
afterEach(() => {
  process.env.PATH = path;
  rmSync(folder, { recursive: true, force: true });
});

const CONNECTION = { host: "127.0.0.1", port: 22, user: "operator", hostKey: "ssh-ed25519 AAAA", timeoutSeconds: 5 };
const host = () => new SshHost("trading", CONNECTION);
const asked = () => readFileSync(join(folder, "asked"), "utf8").split("\n").filter(Boolean);
const question = (text: string) => ({ steps: [], questions: [cmd`bash -c ${text}`] });
const theShell = () => readFileSync(join(folder, "pid"), "utf8").trim();
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

  it("ignores what the host's own start-up files print", async () => {
    before("echo Welcome; echo jts-storage; echo Beware >&2\n");
    const trading = host();
    for (const word of ["one", "two"])
      expect((await trading.call(question(`echo ${word}`))).questions[0]?.stdout).toBe(`${word}\n`);
  });

  it("reports a lost connection for a program whose shell ended, and goes on with the next", async () => {
    const trading = host();
    await trading.call(question("true"));
    const lost = trading.call({ steps: [cmd`kill -9 ${theShell()}`], questions: [] });
    await expect(lost).rejects.toThrow(HostUnreachable);
    await expect(lost).rejects.toThrow(/trading \(operator@127\.0\.0\.1, port 22\) could not be reached: /);
    expect((await trading.call(question("echo again"))).questions[0]?.stdout).toBe("again\n");
    expect(asked()).toEqual(["dialled", "shell", "dialled", "shell"]);
  });

  it("opens another shell when an unused one has ended", async () => {
    const trading = host();
    await trading.call(question("true"));
    process.kill(Number(theShell()), "SIGKILL");
    // What is asked before its end is noticed looks the same as a lost connection.
    const answer = async () => (await trading.call(question("echo here")).catch(() => undefined))?.questions[0]?.stdout;
    await expect.poll(answer, { timeout: 30_000 }).toBe("here\n");
  });

  it("reports that sudo asks for a password, and how to grant it without one", async () => {
    before("echo 'sudo: a password is required' >&2; exit 1\n");
    const refused = host().call(question("true"));
    await expect(refused).rejects.toThrow(CommandFailed);
    await expect(refused).rejects.toThrow(
      /operator can't become root without a password: sudo: a password is required[^]*visudo --file=/,
    );
  });

  it("distinguishes a refused connection from that", async () => {
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
