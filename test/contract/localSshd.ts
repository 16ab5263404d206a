import { once } from "node:events";
import { existsSync } from "node:fs";
import { chmod, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir, userInfo } from "node:os";
import { delimiter, join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { execa } from "execa";
import { refusingPort } from "./refusingPort.ts";

export interface LocalSshd {
  readonly connection: {
    readonly host: string;
    readonly port: number;
    readonly user: string;
    readonly hostKey: string;
    readonly privateKey: string;
  };
  /** The private key's file. */
  readonly identityFile: string;
  end(): Promise<void>;
}

/**
 * An sshd of our own on 127.0.0.1 that lets the user of this process in, or the reason why there can't be one.
 * @param lines before its other configuration; the first value of an option is the one that counts
 */
export async function startSshd({ lines = [] }: { readonly lines?: readonly string[] } = {}): Promise<
  LocalSshd | string
> {
  const sshd = [...(process.env.PATH ?? "").split(delimiter), "/usr/sbin", "/usr/local/sbin"]
    .map((folder) => join(folder, "sshd"))
    .find((path) => existsSync(path));
  if (sshd === undefined) return "there is no sshd on this machine";
  const folder = await mkdtemp(join(tmpdir(), "jts-sshd-"));
  const port = await refusingPort();
  for (const key of ["host", "user"])
    await execa("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-f", join(folder, key)]);
  await writeFile(
    join(folder, "config"),
    [
      ...lines,
      `Port ${port}`,
      "ListenAddress 127.0.0.1",
      `HostKey ${join(folder, "host")}`,
      `AuthorizedKeysFile ${join(folder, "user.pub")}`,
      "PidFile none",
      "StrictModes no",
      "UsePAM no",
      "PermitRootLogin prohibit-password",
      "PasswordAuthentication no",
      "AcceptEnv *",
      "Subsystem sftp internal-sftp",
      "",
    ].join("\n"),
  );
  await chmod(folder, 0o755);
  const server = execa(sshd, ["-D", "-e", "-f", join(folder, "config")], { reject: false, stdin: "ignore" });
  let ended = false;
  void server.then(() => (ended = true));
  const end = async () => {
    // Connections that are still open go on, with what it said to.
    const exited = ended ? undefined : once(server.nodeChildProcess, "exit");
    server.kill("SIGTERM");
    await exited;
    await rm(folder, { recursive: true });
  };
  while (!ended && !(await greets(port))) await setTimeout(50);
  const [hostKey, privateKey] = await Promise.all([
    readFile(join(folder, "host.pub"), "utf8"),
    readFile(join(folder, "user"), "utf8"),
  ]);
  const user = userInfo().username;
  const options = [
    "-F",
    "none",
    "-i",
    join(folder, "user"),
    "-o",
    "BatchMode=yes",
    "-o",
    "StrictHostKeyChecking=no",
    "-o",
    "UserKnownHostsFile=/dev/null",
    "-o",
    "IdentitiesOnly=yes",
  ];
  const tried = ended
    ? undefined
    : await execa("ssh", [...options, "-p", String(port), `${user}@127.0.0.1`, "true"], {
        reject: false,
        stdin: "ignore",
        timeout: 10_000,
      });
  // What it runs instead of commands may fail: it was reached.
  if (tried?.exitCode !== undefined && tried.exitCode !== 255)
    return {
      connection: { host: "127.0.0.1", port, user, hostKey: hostKey.trim(), privateKey },
      identityFile: join(folder, "user"),
      end,
    };
  await end();
  return `sshd can't be used on this machine: ${(await server).stderr.trim().split("\n").at(-1)}`;
}

async function greets(port: number): Promise<boolean> {
  const socket = connect({ port, host: "127.0.0.1", timeout: 1000 });
  try {
    const [greeting] = (await once(socket, "data")) as [Buffer];
    return greeting.toString().startsWith("SSH-");
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}
