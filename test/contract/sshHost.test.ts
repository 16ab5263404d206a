/** The connection of ours by a real ssh to a real sshd, both with options that other people need. */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { CommandFailed } from "../../providers/errors.ts";
import { SshHost } from "../../providers/host/sshHost.ts";
import { startSshd, type LocalSshd } from "./localSshd.ts";

const probe = await startSshd();
if (typeof probe !== "string") await probe.end();

let folder: string;
let path: string | undefined;
let sshd: LocalSshd | undefined;
beforeEach(async () => {
  path = process.env.PATH;
  folder = await mkdtemp(join(tmpdir(), "jts-ssh-contract-"));
});
afterEach(async () => {
  process.env.PATH = path;
  await sshd?.end();
  sshd = undefined;
  await rm(folder, { recursive: true, force: true });
});

async function hostWith(...lines: readonly string[]): Promise<SshHost> {
  sshd = (await startSshd({ lines })) as LocalSshd;
  const { host, port, user, hostKey } = sshd.connection;
  return new SshHost("trading", { host, port, user, hostKey, identityFile: sshd.identityFile, timeoutSeconds: 30 });
}

const calls = (host: SshHost) =>
  Promise.all(
    ["one", "two", "three"].map(
      async (word) =>
        (await host.call({ steps: [], questions: [{ argv: ["bash", "-c", `sleep 0.2; echo ${word}`] }] })).questions[0]
          ?.stdout,
    ),
  );
const ANSWERS = ["one\n", "two\n", "three\n"];

describe.skipIf(typeof probe === "string")(`a real sshd${typeof probe === "string" ? ` (${probe})` : ""}`, () => {
  it("with a banner, start-up files that print, another login shell and one session a connection is answered as any", async () => {
    await writeFile(join(folder, "banner"), "Authorized users only\n");
    await writeFile(join(folder, ".bashrc"), "echo Welcome; export BASH_ENV=~/.bashrc; set -x\n");
    const host = await hostWith(
      `Banner ${join(folder, "banner")}`,
      `SetEnv HOME=${folder} LC_ALL=xx_XX.UTF-8`,
      `ForceCommand dash -c "$SSH_ORIGINAL_COMMAND"`,
      "MaxSessions 1",
    );
    expect(await calls(host)).toEqual(ANSWERS);
    expect(await calls(host)).toEqual(ANSWERS);
  });

  it("is answered as any where ~/.ssh/config asks for terminals, commands, forwardings and other connections", async () => {
    const ssh = (path ?? "")
      .split(delimiter)
      .map((one) => join(one, "ssh"))
      .join(" ");
    const config = [
      "RequestTTY force",
      "RemoteCommand cat",
      "SessionType none",
      "StdinNull yes",
      "ForkAfterAuthentication yes",
      "PermitLocalCommand yes",
      `LocalCommand touch ${join(folder, "local")}`,
      "ControlMaster auto",
      "ControlPersist yes",
      `LocalForward ${join(folder, "forwarded")} 127.0.0.1:1`,
      "LocalForward 127.0.0.1:1 127.0.0.1:1",
      "ExitOnForwardFailure yes",
      "LogLevel DEBUG",
      "VisualHostKey yes",
      "SendEnv *",
      "SetEnv BASH_ENV=/nowhere TMOUT=1",
      "ConnectionAttempts 100",
    ];
    await writeFile(join(folder, "config"), `${config.join("\n")}\n`);
    await writeFile(
      join(folder, "ssh"),
      `#!/bin/sh\nfor ssh in ${ssh}; do if [ -x "$ssh" ]; then exec "$ssh" -F ${join(folder, "config")} "$@"; fi; done\n`,
      { mode: 0o755 },
    );
    const host = await hostWith();
    process.env.PATH = [folder, path].join(delimiter);
    expect(await calls(host)).toEqual(ANSWERS);
  });

  it("that runs something else is reported with what it printed, as no lost connection", async () => {
    const host = await hostWith("ForceCommand echo Files only; exit 3");
    await expect(startedWith(host)).rejects.toThrow(CommandFailed);
    await expect(startedWith(host)).rejects.toThrow(
      /gets no bash there: what ran instead ended with 3, and printed: Files only/,
    );
  });
});

const startedWith = (host: SshHost) => host.call({ steps: [], questions: [{ argv: ["true"] }] });
