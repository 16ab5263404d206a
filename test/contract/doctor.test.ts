/** The doctor by real connections, to what may be in place of a sound host. */
import { once } from "node:events";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createServer, type AddressInfo } from "node:net";
import { tmpdir, userInfo } from "node:os";
import { join } from "node:path";
import { execa } from "execa";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { parse, stringify } from "yaml";
import { cmd } from "../../providers/host/command.ts";
import type { Host } from "../../providers/host/host.ts";
import { SshHost } from "../../providers/host/sshHost.ts";
import { connectionSchema, type Connection } from "../../providers/values/connection.ts";
import { BoundedHost } from "../../setup/doctor/boundedHost.ts";
import { reach } from "../../setup/doctor/reach.ts";
import { ROOT } from "../../setup/project.ts";
import { startSshd, type LocalSshd } from "./localSshd.ts";
import { refusingPort } from "./refusingPort.ts";

const probe = await startSshd();
if (typeof probe !== "string") await probe.end();

const HOST_KEY = `ssh-ed25519 ${"A".repeat(68)}`;
let folder: string;
const ends: (() => unknown)[] = [];
beforeEach(async () => void (folder = await mkdtemp(join(tmpdir(), "jts-doctor-"))));
afterEach(async () => {
  for (const end of ends.splice(0)) await end();
  await rm(folder, { recursive: true, force: true });
});

const connect = (connection: Partial<Connection>) =>
  connectionSchema.parse({ host: "127.0.0.1", hostKey: HOST_KEY, timeoutSeconds: 30, ...connection });

/** The rows, each as a line, up to the one that says what failed. */
async function told(connection: Connection, seconds = 60): Promise<string[]> {
  const { rows, isIn } = await reach(new SshHost("trading", connection), connection, seconds);
  expect(isIn).toBe(rows.every(({ state }) => state === "ok"));
  expect(rows.filter(({ state, next }) => state === "FAILED" && (next ?? "") === "")).toEqual([]);
  return rows.map(({ state, subject, found }) => `${state} ${subject}: ${found}`);
}

async function listen(greet: (write: (text: string) => void) => void): Promise<number> {
  const server = createServer((socket) => {
    socket.on("error", () => undefined);
    greet((text) => socket.end(text));
    ends.push(() => socket.destroy());
  }).listen(0, "127.0.0.1");
  ends.push(() => server.close());
  await once(server, "listening");
  return (server.address() as AddressInfo).port;
}

const like = (pattern: RegExp) => expect.stringMatching(pattern) as string;
const beforeKey = [like(/^ok name: /), like(/^ok port: /)];

describe("a host that doesn't let us in is told from others", () => {
  it("without an address", async () => {
    expect(await told(connect({ host: "nowhere.invalid" }))).toEqual([
      expect.stringMatching(/^FAILED name: ssh: Could not resolve hostname nowhere\.invalid/),
    ]);
  });

  it("with a port that refuses", async () => {
    expect(await told(connect({ port: await refusingPort() }))).toEqual([
      expect.stringMatching(/^ok name: /),
      expect.stringMatching(/^FAILED port: .*Connection refused/),
    ]);
  });

  it("with a port that accepts and stays silent", async () => {
    expect(await told(connect({ port: await listen(() => undefined), timeoutSeconds: 5 }))).toEqual([
      ...beforeKey,
      expect.stringMatching(/^FAILED SSH server: Connection timed out during banner exchange/),
    ]);
  });

  it("with a port of another service", async () => {
    expect(await told(connect({ port: await listen((write) => write("HTTP/1.1 400 Bad Request\r\n\r\n")) }))).toEqual([
      ...beforeKey,
      expect.stringMatching(/^FAILED SSH server: /),
    ]);
  });
});

describe.skipIf(typeof probe === "string")(`a real sshd${typeof probe === "string" ? ` (${probe})` : ""}`, () => {
  async function sshd(...lines: readonly string[]): Promise<Connection> {
    const server = (await startSshd({ lines })) as LocalSshd;
    ends.push(() => server.end());
    const { host, port, user, hostKey } = server.connection;
    return connect({ host, port, user, hostKey, identityFile: server.identityFile });
  }

  it("lets a shell of root in", async () => {
    const rows = await told(await sshd());
    expect(rows).toHaveLength(6);
    expect(rows[3]).toMatch(/^ok host key: is connection\.hostKey: ssh-ed25519 SHA256:[\w+/]{43}$/);
  });

  it("with another host key shows both fingerprints", async () => {
    const connection = await sshd();
    const rows = await told({ ...connection, hostKey: (await sshd()).hostKey });
    expect(rows).toHaveLength(4);
    const [, shown] = /^ok host key: .* (SHA256:\S+)$/.exec((await told(connection))[3]!) ?? [];
    expect(rows[3]).toMatch(
      /^FAILED host key: the host shows another key, SHA256:\S+, than connection\.hostKey: ssh-ed25519 SHA256:/,
    );
    expect(rows[3]).toContain(`another key, ${shown}, than`);
  });

  it("that doesn't know our key says that it is the login", async () => {
    const connection = await sshd();
    const { identityFile } = await sshd();
    expect((await told({ ...connection, identityFile })).slice(4)).toEqual([
      expect.stringMatching(/^FAILED login: .*Permission denied/),
    ]);
  });

  it("without a sudo that needs no password says that it is sudo", async () => {
    // What sudo says, as this machine may have none.
    const connection = await sshd("ForceCommand echo sudo: a password is required >&2; exit 1");
    expect((await told(connection)).slice(5)).toEqual([
      expect.stringMatching(/^FAILED root: \S+ can't become root without a password/),
    ]);
  });

  it("with a sudo that hangs ends in time, and says so", async () => {
    const hangs = join(folder, "hangs");
    const connection = await sshd(`ForceCommand test ! -e ${hangs} || exec sleep 60`);
    await writeFile(hangs, "");
    // It waits for twice as long as for the connection.
    expect((await told({ ...connection, timeoutSeconds: 10 })).slice(5)).toEqual([
      expect.stringMatching(/^FAILED root: .*it did not come in time/),
    ]);
  });

  it("where the login hangs ends in time, and says so", async () => {
    const hangs = join(folder, "hangs");
    const connection = await sshd(
      `AuthorizedKeysCommand /usr/bin/sh -c "test ! -e ${hangs} || exec sleep 60"`,
      `AuthorizedKeysCommandUser ${userInfo().username}`,
    );
    await writeFile(hangs, "");
    // sshd asks that command only for a key that its files don't have, in some versions.
    const { identityFile } = await sshd();
    const rows = await told({ ...connection, identityFile }, 3);
    expect(rows).toEqual([expect.stringMatching(/^FAILED login: the login, or sudo, did not come to an end in 3 s/)]);
  });

  it("answers each question by itself: one that hangs ends in time, keeps no other, and is not asked again", async () => {
    const ssh = new SshHost("trading", await sshd());
    let calls = 0;
    const counted: Host = { name: ssh.name, call: (one) => (calls++, ssh.call(one)) };
    const host = new BoundedHost(counted, { questionSeconds: 10, allSeconds: 300 });
    const hanging = cmd`sleep 1000`;
    const ask = async (...questions: readonly (typeof hanging)[]) =>
      (await host.call({ steps: [], questions })).questions.map(({ stdout, exitCode }) => [stdout, exitCode]);
    expect(await ask(hanging, cmd`echo one`, { ...cmd`cat`, stdin: "two\n" }, cmd`false`)).toEqual([
      ["", 124],
      ["one\n", 0],
      ["two\n", 0],
      ["", 1],
    ]);
    expect(await ask(hanging)).toEqual([["", 124]]);
    expect(calls).toBe(4);
    expect(host.asked).toEqual([]);
  });
});

// It runs the whole program, several times.
describe("npm run doctor", { timeout: 600_000 }, () => {
  async function doctor(...args: readonly string[]) {
    return execa("node", ["commands/doctor.ts", ...args], { cwd: ROOT, reject: false });
  }

  async function stackWith(...hosts: readonly (readonly [string, Partial<Connection>])[]): Promise<string> {
    const { config } = parse(await readFile(join(ROOT, "Pulumi.dev.yaml"), "utf8")) as {
      config: { "jts-storage:hosts": { lab: { hot: object } } };
    };
    const { hot } = config["jts-storage:hosts"].lab;
    const sections = hosts.map(([name, connection]) => [name, { connection: connect(connection), hot }] as const);
    const file = join(folder, "Pulumi.yaml");
    await writeFile(file, stringify({ config: { "jts-storage:hosts": Object.fromEntries(sections) } }));
    return file;
  }

  it("tells of several hosts that can't be reached, and what was not asked", async () => {
    const port = await refusingPort();
    const file = await stackWith(["one", { port }], ["two", { host: "nowhere.invalid" }]);
    const { exitCode, stdout } = await doctor("--config-file", file, "--json");
    expect(exitCode).toBe(1);
    const { one, two } = JSON.parse(stdout) as Record<
      string,
      { ok: boolean; rows: { state: string; subject: string }[] }
    >;
    expect(one!.ok).toBe(false);
    expect(one!.rows.map(({ state, subject }) => `${state} ${subject}`)).toEqual([
      "ok name",
      "FAILED port",
      ...[
        "SSH server",
        "host key",
        "login",
        "root",
        "release",
        "packages",
        "systemd",
        "clock",
        "room",
        "other writers",
      ].map((subject) => `not asked ${subject}`),
      ...["fstab", "apt", "devices", "volumes", "mount points", "NAS", "resources"].map(
        (subject) => `not asked ${subject}`,
      ),
    ]);
    expect(two!.rows[0]).toMatchObject({ state: "FAILED", subject: "name" });
    const printed = await doctor("--config-file", file, "one");
    expect(printed.stdout).toMatch(
      /^one:\n {2}ok +name .*\n {2}FAILED +port .*Connection refused\n +Next: ping 127\.0\.0\.1/,
    );
    expect(printed.stdout).toMatch(/\n {2}1 stands in the way; first: port$/);
  });

  it("has exit code 2 and its usage for what it doesn't take", async () => {
    for (const args of [[], ["--nonsense"]]) {
      const { exitCode, stderr } = await doctor(...args);
      expect(exitCode).toBe(2);
      expect(stderr).toContain("Usage: npm run doctor");
    }
  });
});
