import { existsSync } from "node:fs";
import { lstat, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import { ROOT } from "../../setup/project.ts";
import { EngineStub } from "./engineStub.ts";
import { startSshd } from "./localSshd.ts";
import { failureOf, ProviderProcess, UNKNOWN, type Values } from "./providerProcess.ts";
import { refusingPort } from "./refusingPort.ts";

const SIGNATURE = "4dabf18193072939515e22adb298388d";
const secret = (value: Values | string): Values => ({ [SIGNATURE]: "1b47061264138c4ac30d75fd1eb44270", value });
const asset = (properties: Values): Values => ({ [SIGNATURE]: "c44067f5952c0a294b673a41bacd8c17", ...properties });
const archive = (properties: Values): Values => ({ [SIGNATURE]: "0def7320c3a5731c473e5ecbe6d01bc7", ...properties });

const COMMAND = "urn:pulumi:dev::jts-storage::jts-storage:HostPackages$command:remote:Command::trading-install";
const COPY = "urn:pulumi:dev::jts-storage::command:remote:CopyToRemote::scripts";
const hostKey = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl";
const privateKey = "-----BEGIN OPENSSH PRIVATE KEY-----\nthis is one\n-----END OPENSSH PRIVATE KEY-----\n";
const connection = { host: "192.168.1.100", hostKey, privateKey };
const defaults = { port: 22, user: "root", perDialTimeout: 15, dialErrorLimit: 10 };

const sshd = await startSshd();
let engine: EngineStub;
let plugin: ProviderProcess;
/** Where the plugin puts its temporary files. */
let temporary: string;
/** Programs in it are found before all others. */
let bin: string;
let work: string;

/** Starts it as the launcher that set-up installs does. */
async function startPlugin(): Promise<ProviderProcess> {
  const path = [bin, join(ROOT, "node_modules/.bin"), process.env.PATH].join(delimiter);
  return ProviderProcess.start(join(ROOT, "lab/commandPlugin/pulumi-resource-command"), [engine.address], {
    env: { PATH: path, TMPDIR: temporary, RECORDS: work },
  });
}

beforeAll(async () => {
  work = await mkdtemp(join(tmpdir(), "jts-plugin-test-"));
  [temporary, bin] = [join(work, "temporary"), join(work, "bin")];
  await Promise.all([mkdir(temporary), mkdir(bin)]);
  engine = await EngineStub.start();
  plugin = await startPlugin();
}, 60_000);
afterAll(async () => {
  await plugin[Symbol.asyncDispose]();
  engine[Symbol.dispose]();
  if (typeof sshd !== "string") await sshd.end();
  await rm(work, { recursive: true });
});
beforeEach(() => {
  engine.take();
  // Neither a key nor a folder outlives an operation.
  return async () => expect(await readdir(temporary)).toEqual([]);
});

describe("the handshake", () => {
  it("says which plugin it stands for, and that it is a stand-in", async () => {
    expect(await plugin.version()).toBe("1.2.1+stand-in");
    expect(await plugin.schema()).toMatchObject({
      name: "command",
      description: expect.stringContaining("stand-in") as string,
      resources: { "command:remote:Command": {}, "command:remote:CopyToRemote": {} },
    });
  });

  it("accepts secrets and offers no previews, so that the engine calls neither create nor update in a preview", async () => {
    expect(await plugin.configure({})).toEqual({ acceptsSecrets: true, supportsPreview: false });
  });

  it.each(["command:local:Command", "command:remote:CopyFile"])("refuses %s by name", async (type) => {
    const { message } = await failureOf(plugin.check(`urn:pulumi:dev::jts-storage::${type}::a`, {}, {}));
    expect(message).toContain(`${type}: this stand-in`);
  });
});

describe("Check", () => {
  it("adds the schema's defaults, and keeps the connection secret", async () => {
    const { inputs, failures } = await plugin.check(COMMAND, {}, { connection, create: "true" });
    expect(failures).toEqual([]);
    expect(inputs).toEqual({
      addPreviousOutputInEnv: true,
      connection: secret({ ...connection, ...defaults }),
      create: "true",
    });
  });

  it("keeps what is given, and changes nothing in inputs that it already checked", async () => {
    const given = {
      addPreviousOutputInEnv: false,
      connection: secret({ ...connection, ...defaults, port: 2222 }),
      create: secret("true"),
      logging: "stderr",
    };
    const { inputs } = await plugin.check(COMMAND, {}, given);
    expect(inputs).toEqual(given);
    expect(await plugin.check(COMMAND, inputs, inputs)).toEqual({ inputs, failures: [] });
  });

  it.each([
    ["without a host key", { hostKey: null }, "connection.hostKey", "refuses hosts whose key it can't check"],
    ["whose host key is not a key", { hostKey: "trust me" }, "connection.hostKey", "is not a public key"],
    [
      "with an encrypted key",
      { privateKeyPassword: "x" },
      "connection.privateKeyPassword",
      "isn't taken by this stand-in",
    ],
    ["with a password", { password: "x" }, "connection.password", "isn't taken by this stand-in"],
    ["whose host is an option", { host: "-oProxyCommand=id" }, "connection.host", "must hold only letters"],
    [
      "whose user is a line of configuration",
      { user: "a\nLocalCommand id" },
      "connection.user",
      "must hold only letters",
    ],
    ["through a proxy without a host key", { proxy: { host: "bastion" } }, "connection.proxy.hostKey", "is missing"],
  ])("refuses a connection %s", async (_which, wrong, property, reason) => {
    const { failures } = await plugin.check(
      COMMAND,
      {},
      { connection: secret({ ...connection, ...wrong }), create: "true" },
    );
    expect(failures).toEqual([{ property, reason: expect.stringContaining(reason) as string }]);
  });

  it("reports every failure at once", async () => {
    const { failures } = await plugin.check(
      COPY,
      {},
      { connection: secret({}), source: asset({ uri: "https://example.org" }) },
    );
    expect(failures.map(({ property }) => property)).toEqual([
      "connection.host",
      "connection.hostKey",
      "source",
      "remotePath",
    ]);
  });

  it("accepts what a preview can't know yet", async () => {
    const unknown = {
      connection: secret({ ...connection, ...defaults, host: UNKNOWN }),
      create: UNKNOWN,
      environment: { A: UNKNOWN },
      triggers: [UNKNOWN],
    };
    expect(await plugin.check(COMMAND, {}, unknown)).toEqual({
      inputs: { addPreviousOutputInEnv: true, ...unknown },
      failures: [],
    });
    expect(
      (await plugin.check(COPY, {}, { connection: secret(UNKNOWN), source: UNKNOWN, remotePath: UNKNOWN })).failures,
    ).toEqual([]);
  });
});

describe("Diff", () => {
  const inputs = {
    connection: secret({ ...connection, ...defaults }),
    create: "true",
    triggers: ["a", archive({ path: "scripts", hash: "1" })],
  };

  it("replaces when a trigger changes, comparing assets by their content, and never deletes first", async () => {
    const changed = await plugin.diff(COMMAND, inputs, {
      ...inputs,
      triggers: ["a", archive({ path: "scripts", hash: "2" })],
    });
    expect(changed).toEqual({ changes: "left to the engine", replaces: ["triggers"], deleteBeforeReplace: false });
    expect(
      (await plugin.diff(COMMAND, inputs, { ...inputs, triggers: ["a", archive({ path: "elsewhere", hash: "1" })] }))
        .replaces,
    ).toEqual([]);
  });

  it("replaces for no other change, not even of the connection", async () => {
    expect(
      (
        await plugin.diff(COMMAND, inputs, {
          ...inputs,
          create: "false",
          connection: secret({ ...connection, ...defaults, port: 2222 }),
        })
      ).replaces,
    ).toEqual([]);
  });
});

describe("a host that can't be reached", () => {
  it("fails after as many dials as the connection allows, reports each while it lasts, and leaves nothing in the state", async () => {
    const port = await refusingPort();
    const properties = {
      connection: secret({ ...connection, host: "127.0.0.1", port, dialErrorLimit: 2 }),
      create: "true",
    };
    const { message, isKept } = await failureOf(plugin.create(COMMAND, properties));
    expect(message).toMatch(
      new RegExp(`^root@127.0.0.1, port ${port} could not be reached, after 3 failed attempts: .*refused`),
    );
    expect(isKept).toBe(false);
    expect(engine.take()).toEqual(
      [1, 2].map((dial) => ({ urn: COMMAND, message: `Dial ${dial}/2 failed: retrying`, isEphemeral: true })),
    );
  });

  it("fails a copy in the same way", async () => {
    const properties = {
      connection: secret({ ...connection, host: "127.0.0.1", port: await refusingPort(), dialErrorLimit: 0 }),
      source: asset({ text: "a" }),
      remotePath: "/a",
    };
    expect((await failureOf(plugin.create(COPY, properties))).message).toContain(
      "could not be reached, after 1 failed attempts",
    );
  });

  it("isn't dialled when there is nothing to do on it", async () => {
    const unreachable = secret({ ...connection, host: "127.0.0.1", port: await refusingPort(), dialErrorLimit: 0 });
    await plugin.delete(COMMAND, { connection: unreachable, create: "true", stdout: "", stderr: "" });
    const toDelete = { connection: unreachable, delete: "true" };
    expect((await plugin.create(COMMAND, toDelete)).outputs).toMatchObject(toDelete);
    const outputs = { connection: unreachable, create: "false", delete: "false", stdout: "before", stderr: "" };
    expect(await plugin.update(COMMAND, outputs, toDelete)).toEqual({ ...toDelete, stdout: "before", stderr: "" });
    const olds = { connection: unreachable, source: archive({ path: "scripts", hash: "1" }), remotePath: "/a" };
    await plugin.delete(COPY, olds);
    expect(await plugin.update(COPY, olds, { ...olds, triggers: ["a"] })).toEqual({ ...olds, triggers: ["a"] });
  });
});

describe("what ssh is given", () => {
  const RECORDER = `#!/bin/sh
printf '%s\\n' "$@" >"$RECORDS/argv"
rm -rf "$RECORDS/folder"
cp -a . "$RECORDS/folder"
touch dialled
for command in "$@"; do :; done
exec sh -c "$command"
`;
  beforeAll(() => writeFile(join(bin, "ssh"), RECORDER, { mode: 0o755 }));
  afterAll(() => rm(join(bin, "ssh")));
  const record = (name: string) => readFile(join(work, name), "utf8");

  it("has the key in a file that only its owner can read, and not among its arguments", async () => {
    await plugin.create(COMMAND, {
      connection: secret({
        ...connection,
        proxy: { host: "bastion", user: "jump", hostKey, privateKey: "another one" },
      }),
      create: "true",
    });

    expect((await record("argv")).trimEnd().split("\n")).toEqual(["-F", "config", "-T", "--", "target", "true"]);
    expect(await record("folder/target.key")).toBe(privateKey);
    expect(await record("folder/proxy.key")).toBe("another one\n");
    for (const name of ["target.key", "proxy.key", "config"])
      expect((await lstat(join(work, "folder", name))).mode & 0o777).toBe(0o600);
    expect((await lstat(join(work, "folder"))).mode & 0o777).toBe(0o700);
  });

  it("accepts only the host key that was given", async () => {
    await plugin.create(COMMAND, { connection: secret({ ...connection, host: "NAS.example" }), create: "true" });
    expect(await record("folder/target.known_hosts")).toBe(`nas.example ${hostKey}\n`);
    expect(await record("folder/config")).toMatch(/StrictHostKeyChecking yes\nGlobalKnownHostsFile \/dev\/null/);
  });

  it("runs create, then update with what create printed, then delete", async () => {
    const inputs = {
      connection: secret(connection),
      create: "cat; echo; echo warning >&2",
      stdin: "one\ntwo",
      update: 'echo "$WHO had <$PULUMI_COMMAND_STDOUT> <$PULUMI_COMMAND_STDERR>"',
      environment: { WHO: "it" },
    };
    const { id, outputs } = await plugin.create(COMMAND, inputs);
    expect(id).toMatch(/^trading-install[0-9a-f]{8}$/);
    expect(outputs).toEqual({ ...inputs, stdout: "one\ntwo", stderr: "warning" });

    const updated = await plugin.update(COMMAND, outputs, {
      ...inputs,
      delete: `echo "$PULUMI_COMMAND_STDOUT" >'${work}/deleted'`,
    });
    expect(updated).toMatchObject({
      stdout: "it had <one\ntwo> <warning>",
      stderr: "",
      connection: secret(connection),
    });

    await plugin.delete(COMMAND, updated);
    expect(await record("deleted")).toBe("it had <one\ntwo> <warning>\n");
  });

  it("runs create again where there is no update, and can leave out what was printed before", async () => {
    const inputs = {
      connection: secret(connection),
      create: 'echo "<$PULUMI_COMMAND_STDOUT>"',
      addPreviousOutputInEnv: false,
    };
    expect(await plugin.update(COMMAND, { ...inputs, stdout: "before", stderr: "" }, inputs)).toMatchObject({
      stdout: "<>",
    });
  });

  it("fails with the exit code, the command and all that it printed", async () => {
    const { message, isKept } = await failureOf(
      plugin.create(COMMAND, { connection: secret(connection), create: "echo out; echo err >&2; exit 7" }),
    );
    expect(message).toBe('Process exited with status 7: running "echo out; echo err >&2; exit 7":\nout\nerr\n');
    expect(isKept).toBe(false);
  });

  it("may be more than the command reads", async () => {
    expect(
      (
        await plugin.create(COMMAND, {
          connection: secret(connection),
          create: "head -c 3",
          stdin: "0123456789".repeat(100_000),
        })
      ).outputs,
    ).toMatchObject({ stdout: "012" });
  });

  it("is removed, with its key, when the engine ends the plugin in the middle", async () => {
    const other = await startPlugin();
    const interrupted = failureOf(
      other.create(COMMAND, { connection: secret(connection), create: `echo >'${work}/began'; exec sleep 60` }),
    );
    await vi.waitUntil(() => existsSync(join(work, "began")), { timeout: 20_000 });
    expect(await readdir(temporary)).toHaveLength(1);
    await other[Symbol.asyncDispose]();
    await interrupted;
  });

  it("keeps a secret command out of the error", async () => {
    const { message } = await failureOf(
      plugin.create(COMMAND, { connection: secret(connection), create: secret("false # hunter2") }),
    );
    expect(message).toBe("Process exited with status 1: running [secret]:\n");
  });

  it.each([
    [undefined, ["err", "out"]],
    ["stdoutAndStderr", ["err", "out"]],
    ["stdout", ["out"]],
    ["stderr", ["err"]],
    ["none", []],
  ])("logs below the resource what logging %s asks for", async (logging, lines) => {
    await plugin.create(COMMAND, {
      connection: secret(connection),
      create: "echo out; echo err >&2",
      ...(logging === undefined ? {} : { logging }),
    });
    expect(
      engine
        .take()
        .map(({ urn, message, isEphemeral }) => [urn, message, isEphemeral])
        .sort(),
    ).toEqual(lines.map((line) => [COMMAND, line, true]));
  });
});

describe.skipIf(typeof sshd === "string")(
  `on a real host${typeof sshd === "string" ? ` (${sshd}; test/e2e does it in the lab)` : ""}`,
  () => {
    const real = () => secret({ ...(sshd as Exclude<typeof sshd, string>).connection, dialErrorLimit: 0 });
    let local: string;
    let remote: string;
    beforeEach(async () => {
      [local, remote] = await Promise.all([mkdtemp(join(work, "local-")), mkdtemp(join(work, "remote-"))]);
      await mkdir(join(local, "scripts", "lib"), { recursive: true });
      await writeFile(join(local, "scripts", "run.sh"), "#!/bin/sh\n", { mode: 0o755 });
      await writeFile(join(local, "scripts", "lib", "large ünïcode"), Buffer.alloc(5_000_000, "0123456789"));
    });
    const copy = (properties: Values) => plugin.create(COPY, { connection: real(), ...properties });
    const tree = async (folder: string) => (await readdir(folder, { recursive: true })).toSorted();
    const scripts = () => archive({ path: join(local, "scripts"), hash: "1" });

    it("runs a command, with input, environment and exit code", async () => {
      const { outputs } = await plugin.create(COMMAND, {
        connection: real(),
        create: 'cat; echo "$A" >&2',
        stdin: "in",
        environment: { A: "two\nlines" },
      });
      expect(outputs).toMatchObject({ stdout: "in", stderr: "two\nlines" });
      expect((await failureOf(plugin.create(COMMAND, { connection: real(), create: "exit 255" }))).message).toContain(
        "Process exited with status 255",
      );
    });

    it("refuses a host with another key", async () => {
      const { message } = await failureOf(
        plugin.create(COMMAND, {
          connection: secret({ ...(sshd as Exclude<typeof sshd, string>).connection, hostKey, dialErrorLimit: 0 }),
          create: "true",
        }),
      );
      expect(message).toContain("Host key verification failed");
      expect(engine.take()).toEqual([]);
    });

    it("connects through a proxy, whose key is checked too", async () => {
      const proxy = (sshd as Exclude<typeof sshd, string>).connection;
      const through = (changed: Values) =>
        plugin.create(COMMAND, {
          connection: secret({ ...proxy, dialErrorLimit: 0, proxy: { ...proxy, ...changed } }),
          create: 'echo "${SSH_CONNECTION%% *}"',
        });
      expect((await through({})).outputs).toMatchObject({ stdout: "127.0.0.1" });
      expect((await failureOf(through({ hostKey }))).message).toContain("Host key verification failed");
    });

    it("copies a folder under its name into the path, making folders that are missing, and again into one that exists", async () => {
      const remotePath = join(remote, "above", "delivered");
      await copy({ source: scripts(), remotePath });
      await writeFile(join(local, "scripts", "run.sh"), "changed\n");
      await copy({ source: scripts(), remotePath });
      expect(await tree(remotePath)).toEqual(["scripts", "scripts/lib", "scripts/lib/large ünïcode", "scripts/run.sh"]);
      expect(await readFile(join(remotePath, "scripts", "run.sh"), "utf8")).toBe("changed\n");
      expect(
        (await readFile(join(remotePath, "scripts", "lib", "large ünïcode"))).equals(
          Buffer.alloc(5_000_000, "0123456789"),
        ),
      ).toBe(true);
    });

    it("leaves the mode of files to the server, as the real plugin does: scripts must be made executable", async () => {
      await copy({ source: scripts(), remotePath: remote });
      expect((await lstat(join(remote, "scripts", "run.sh"))).mode & 0o111).toBe(0);
    });

    it("copies what is in a folder whose path ends with a slash", async () => {
      await copy({ source: archive({ path: `${join(local, "scripts")}/` }), remotePath: join(remote, "flat") });
      expect(await tree(join(remote, "flat"))).toEqual(["lib", "lib/large ünïcode", "run.sh"]);
    });

    it("copies a file into a folder, onto a file, or to where nothing is", async () => {
      const source = asset({ path: join(local, "scripts", "run.sh") });
      await copy({ source, remotePath: remote });
      await copy({ source: asset({ text: "a longer text than the script\n" }), remotePath: join(remote, "onto") });
      await copy({ source, remotePath: join(remote, "onto") });
      await copy({ source, remotePath: join(remote, "new", "name") });
      await copy({ source: asset({ text: "" }), remotePath: join(remote, "empty") });
      expect(await tree(remote)).toEqual(["empty", "new", "new/name", "onto", "run.sh"]);
      for (const name of ["run.sh", "onto", "new/name"])
        expect(await readFile(join(remote, name), "utf8")).toBe("#!/bin/sh\n");
    });

    it("refuses a folder where a file is, and a text where a folder is", async () => {
      await writeFile(join(remote, "scripts"), "a file");
      expect((await failureOf(copy({ source: scripts(), remotePath: remote }))).message).toBe(
        `remote path ${remote}/scripts exists but is not a directory`,
      );
      expect((await failureOf(copy({ source: asset({ text: "a" }), remotePath: remote }))).message).toContain(
        `remote path ${remote} is a directory`,
      );
    });

    it("reports what the server refuses", async () => {
      await writeFile(join(remote, "file"), "");
      expect(
        (await failureOf(copy({ source: asset({ text: "a" }), remotePath: join(remote, "file", "below") }))).message,
      ).toContain(join(remote, "file"));
    });

    it("copies on update when the content or the path has changed, and for nothing else", async () => {
      const olds: Values = { connection: real(), source: scripts(), remotePath: remote };
      await plugin.update(COPY, olds, { ...olds, triggers: ["a"] });
      expect(await tree(remote)).toEqual([]);
      await plugin.update(COPY, olds, { ...olds, source: archive({ path: join(local, "scripts"), hash: "2" }) });
      expect(await tree(remote)).toContain("scripts/run.sh");
    });
  },
);
