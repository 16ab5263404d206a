/** An engine that is killed: nothing that it started stays. */
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { execa } from "execa";
import { afterAll, afterEach, beforeEach, describe, expect, it } from "vitest";
import { pulumiEnvironment, ROOT } from "../../setup/project.ts";
import { startSshd } from "./localSshd.ts";
import { failureOf, ProviderProcess } from "./providerProcess.ts";

/** Longer than any end takes, here and on a busy machine. */
const BY_THEN = { timeout: 25_000, interval: 100 };

/**
 * Stands in for ssh. A process of its own is the connection; a shell greets, takes what it is sent, and never answers.
 */
const SSH = `#!/bin/bash
folder=$(dirname "$0")
case " $* " in
*" -O exit "*) kill "$(<"$folder/connection")"; echo hung up >>"$folder/asked" ;;
*" -O check "*) kill -0 "$(<"$folder/connection")" ;;
*" -N "*)
  sleep 1000 &>/dev/null </dev/null &
  echo $! >"$folder/connection"
  echo dialled >>"$folder/asked"
  ;;
*)
  while read -r line; do [[ $line != printf* ]] || break; done
  eval "$line"
  echo shell >>"$folder/asked"
  cat >>"$folder/sent"
  ;;
esac
`;

let folder: string;
let env: Record<string, string>;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "jts-orphans-"));
  for (const name of ["asked", "sent"]) await writeFile(join(folder, name), "");
  await writeFile(join(folder, "ssh"), SSH, { mode: 0o755 });
  const path = [folder, pulumiEnvironment().PATH].join(delimiter);
  env = { ...pulumiEnvironment(), PATH: path, TMPDIR: folder };
});
afterEach(async () => {
  for (const pid of (await running()).keys()) process.kill(pid, "SIGKILL");
  await rm(folder, { recursive: true, force: true });
});

const asked = async () => (await readFile(join(folder, "asked"), "utf8")).split("\n").filter(Boolean);
const sent = () => readFile(join(folder, "sent"), "utf8");

/**
 * All processes of the test's making, as their command lines: by their environment, or by our folder in the title that
 * a connection writes over its own. Pulumi's language host is none of ours; it begins nothing, and ends by itself after
 * some minutes.
 */
async function running(): Promise<ReadonlyMap<number, string>> {
  const pids = (await readdir("/proc")).filter((name) => /^\d+$/.test(name));
  const found = await Promise.all(
    pids.map(async (pid) => {
      const [environment, words] = await Promise.all(
        ["environ", "cmdline"].map((file) => readFile(`/proc/${pid}/${file}`, "latin1").catch(() => "")),
      );
      const isOurs = environment!.split("\0").includes(`TMPDIR=${folder}`) || words!.includes(folder);
      return isOurs && !/^\S*pulumi-language-nodejs /.test(words!.replaceAll("\0", " "))
        ? [[Number(pid), words!.replaceAll("\0", " ")] as const]
        : [];
    }),
  );
  return new Map(found.flat());
}

/** Nothing runs, nothing was begun meanwhile, and nothing is left. */
async function expectNothing(sentBefore: string): Promise<void> {
  await expect.poll(async () => [...(await running()).values()], BY_THEN).toEqual([]);
  expect(await asked()).toEqual(["dialled", "shell", "hung up"]);
  expect(await sent()).toBe(sentBefore);
  expect((await readdir(folder)).filter((name) => name.startsWith("jts-ssh-"))).toEqual([]);
}

const URN = "urn:pulumi:dev::orphans::pulumi-nodejs:dynamic/jts-storage:Directory::one";
const TEXT = 'exports.handler = () => require("./providers/entry.ts").v1.Directory()';
const connection = {
  host: "127.0.0.1",
  port: 22,
  user: "root",
  timeoutSeconds: 30,
  hostKey: "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl",
};

describe("an engine that is killed in the middle of an `up`", () => {
  it("is the end of the provider process, which closes its connection and begins nothing more", async () => {
    const provider = await ProviderProcess.start(
      join(ROOT, "node_modules/.bin/node"),
      [join(ROOT, "node_modules/@pulumi/pulumi/cmd/dynamic-provider"), "127.0.0.1:1"],
      { cwd: ROOT, env },
    );
    await provider.configure({});
    const made = failureOf(provider.create(URN, { host: "trading", connection, path: "/srv/one", __provider: TEXT }));
    await expect.poll(sent, BY_THEN).not.toBe("");
    const before = await sent();
    await Promise.all([provider.loseEngine(), made]);
    await expectNothing(before);
  });

  it("leaves nothing running: provider, connection and program end, and begin nothing more", async () => {
    const project = join(folder, "project");
    await mkdir(project);
    for (const name of ["providers", "node_modules"]) await symlink(join(ROOT, name), join(project, name));
    await writeFile(join(project, "package.json"), '{ "type": "module" }');
    await writeFile(
      join(project, "Pulumi.yaml"),
      JSON.stringify({
        name: "orphans",
        main: "index.ts",
        runtime: { name: "nodejs", options: { typescript: false } },
      }),
    );
    await writeFile(
      join(project, "index.ts"),
      `import { Directory } from "./providers/index.ts";
       const common = { host: "trading", connection: ${JSON.stringify(connection)} };
       const one = new Directory("one", { ...common, path: "/srv/one" });
       new Directory("two", { ...common, path: "/srv/two" }, { dependsOn: one });`,
    );
    env = { ...env, PULUMI_BACKEND_URL: `file://${folder}`, PULUMI_CONFIG_PASSPHRASE: "test" };
    const pulumi = (args: readonly string[]) =>
      execa("pulumi", [...args, "--stack", "dev", "--non-interactive"], {
        cwd: project,
        env,
        stdin: "ignore",
        reject: false,
      });
    await execa("pulumi", ["stack", "init", "dev", "--non-interactive"], { cwd: project, env, stdin: "ignore" });
    const up = pulumi(["up", "--yes", "--skip-preview"]);
    await expect.poll(sent, BY_THEN).not.toBe("");
    const before = await sent();
    process.kill(up.pid!, "SIGKILL");
    await up;
    await expectNothing(before);
  });
});

const sshd = await startSshd();
afterAll(async () => {
  if (typeof sshd !== "string") await sshd.end();
});

describe.skipIf(typeof sshd === "string")(
  `a provider process that is killed${typeof sshd === "string" ? ` (${sshd})` : ""}`,
  () => {
    it("leaves no connection for longer than what it had begun on the host", async () => {
      const { connection: to, identityFile } = sshd as Exclude<typeof sshd, string>;
      const { privateKey: _key, ...rest } = to;
      const [begun, done, next] = ["begun", "done", "next"].map((name) => join(folder, name)) as [
        string,
        string,
        string,
      ];
      await rm(join(folder, "ssh"));
      await writeFile(
        join(folder, "program.ts"),
        `import { SshHost } from ${JSON.stringify(join(ROOT, "providers/host/sshHost.ts"))};
         const host = new SshHost("trading", ${JSON.stringify({ ...rest, identityFile, timeoutSeconds: 30 })});
         const bash = (text) => ({ argv: ["bash", "-c", text] });
         await host.call({ steps: [bash("touch ${begun}; sleep 2"), bash("touch ${done}")], questions: [] });
         await host.call({ steps: [bash("touch ${next}")], questions: [] });`,
      );
      const program = execa("node", [join(folder, "program.ts")], { env, stdin: "ignore", reject: false });
      await expect.poll(() => existsSync(begun), BY_THEN).toBe(true);
      expect([...(await running()).values()].filter((words) => words.includes("ssh")).length).toBeGreaterThanOrEqual(2);
      program.kill("SIGKILL");
      await expect.poll(async () => [...(await running()).values()], BY_THEN).toEqual([]);
      expect([done, next].map((file) => existsSync(file))).toEqual([true, false]);
    });
  },
);
