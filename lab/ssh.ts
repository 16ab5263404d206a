import { connect } from "node:net";
import { execa, type Result } from "execa";
import { MissingNeed } from "../setup/progress.ts";
import { LAB } from "./folders.ts";
import { HOST_KEY_ALIAS, KNOWN_HOSTS, LAB_KEY } from "./keys.ts";
import type { Machine } from "./machine.ts";
import { sshPort } from "./ports.ts";

export interface RunOptions {
  /** root by default; `jts` has passwordless sudo. */
  readonly user?: string;
  readonly stdin?: string;
  /** 600 by default. */
  readonly timeoutSeconds?: number;
  /** Also return the result of a command that fails, in place of throwing. */
  readonly mayFail?: boolean;
}

/** ssh's arguments up to the command, with the lab's own key. ssh must run in the lab's folder. */
export async function sshArguments(machine: Machine, user = "root"): Promise<string[]> {
  const port = await sshPort(machine);
  if (port === undefined) throw new MissingNeed("The lab is not up. Next: npm run lab -- up");
  const options = {
    Port: String(port),
    IdentityFile: LAB_KEY,
    IdentitiesOnly: "yes",
    UserKnownHostsFile: KNOWN_HOSTS,
    GlobalKnownHostsFile: "/dev/null",
    HostKeyAlias: HOST_KEY_ALIAS,
    StrictHostKeyChecking: "yes",
    BatchMode: "yes",
    ConnectTimeout: "15",
    ServerAliveInterval: "5",
    // One connection for many commands: a handshake costs an emulated processor more than a second.
    ControlMaster: "auto",
    ControlPath: `${machine}/ssh-%r`,
    ControlPersist: "60",
    LogLevel: "ERROR",
  };
  return [
    "-F",
    "none",
    ...Object.entries(options).flatMap(([name, value]) => ["-o", `${name}=${value}`]),
    `${user}@127.0.0.1`,
  ];
}

/** Runs a shell command on the machine over the lab's own connection. */
export async function run(
  machine: Machine,
  command: string,
  options: RunOptions = {},
): Promise<Result & { stdout: string; stderr: string }> {
  const { user, stdin, timeoutSeconds = 600, mayFail = false } = options;
  return (await execa("ssh", [...(await sshArguments(machine, user)), "--", command], {
    cwd: LAB,
    reject: !mayFail,
    timeout: timeoutSeconds * 1000,
    ...(stdin === undefined ? { stdin: "ignore" } : { input: stdin }),
  })) as Result & { stdout: string; stderr: string };
}

/** Closes the lab's own connections to the machine. */
export async function disconnect(machine: Machine): Promise<void> {
  if ((await sshPort(machine)) === undefined) return;
  for (const user of ["root", "jts"]) {
    await execa("ssh", ["-O", "exit", ...(await sshArguments(machine, user))], {
      cwd: LAB,
      reject: false,
      stdin: "ignore",
      timeout: 5000,
    });
  }
}

/**
 * True if the machine's SSH server sends its banner. An open port proves nothing: QEMU accepts before the guest does.
 */
export async function greets(machine: Machine, seconds: number): Promise<boolean> {
  const port = await sshPort(machine);
  if (port === undefined) return false;
  const socket = connect({ port, host: "127.0.0.1" });
  try {
    return await new Promise<boolean>((resolve) => {
      socket.setTimeout(seconds * 1000, () => resolve(false));
      socket.once("data", (data) => resolve(data.toString().startsWith("SSH-")));
      socket.once("error", () => resolve(false));
      socket.once("close", () => resolve(false));
    });
  } finally {
    socket.destroy();
  }
}
