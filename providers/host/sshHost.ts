import { spawnSync } from "node:child_process";
import { appendFileSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { execa } from "execa";
import { CommandFailed } from "../errors.ts";
import { printCommand } from "./command.ts";
import { encode } from "../values/bytes.ts";
import type { Connection } from "../values/connection.ts";
import type { Answers, Host, Program } from "./host.ts";
import { lost, refused, unfinished } from "./refused.ts";
import { Shell } from "./shell.ts";
import { LOCK_AWAITED, LOCK_HELD, PATH, printProgram, printShell } from "./wire.ts";

/** sshd allows 10 sessions a connection (MaxSessions in sshd_config(5)); the rest is left to a person who looks in. */
const SESSIONS = 8;
const LOCK_TIMEOUT_SECONDS = 600;
/** The engine kills a provider that has not ended 5 s after its signal. */
const LAST_CALL_MILLISECONDS = 3000;
/** Messages of ServerAliveInterval that may stay without an answer. */
const ALIVE_COUNT = 5;
/**
 * How long the connection stays when nothing uses it. While this process lives, a shell does; after a SIGKILL to this
 * process nobody else ends it.
 */
const IDLE_SECONDS = 10;
/** What the connection itself has in place of a session's options; `-f -N` says the same to older versions. */
const MASTER = {
  ControlMaster: "auto",
  ControlPersist: IDLE_SECONDS,
  SessionType: "none",
  ForkAfterAuthentication: "yes",
};

/** What this process ends when it exits, however many hosts it has. */
const hangUps: (() => void)[] = [];

/** A machine over one SSH connection, which is dialled at the first call and kept. */
export class SshHost implements Host {
  readonly name: string;
  readonly #connection: Connection;
  readonly #folder: string;
  #dialled: Promise<void> | undefined;
  #freeSessions = SESSIONS;
  #idle: Shell[] = [];
  readonly #waiting: (() => void)[] = [];
  #last: () => Program | undefined = () => undefined;

  constructor(name: string, connection: Connection) {
    this.name = name;
    this.#connection = connection;
    try {
      this.#folder = mkdtempSync(join(tmpdir(), "jts-ssh-"));
      writeFileSync(join(this.#folder, "known_hosts"), `${name} ${connection.hostKey}\n`);
    } catch (error) {
      throw new CommandFailed(
        `${name}: the files of the connection can't be written on this machine: ${(error as Error).message}`,
        `df --human-readable ${tmpdir()}; df --inodes ${tmpdir()}; or set TMPDIR to a folder with room, here`,
      );
    }
    if (hangUps.push(() => this.#hangUp()) > 1) return;
    process.once("exit", () => hangUps.forEach((hangUp) => hangUp()));
    // The engine ends its providers by a signal, which by itself would leave the connections and their folders behind.
    for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.once(signal, () => process.exit());
  }

  async call(program: Program): Promise<Answers> {
    const asked = Date.now();
    await (this.#dialled ??= this.#dial());
    await this.#takeSession();
    const began = Date.now();
    const kept = this.#idle.pop();
    const shell = kept ?? this.#openShell();
    try {
      const outcome = await shell.run(program, LOCK_TIMEOUT_SECONDS);
      const { answers, exitCode, said } = outcome;
      if (answers !== undefined) return answers;
      if (exitCode === LOCK_HELD) {
        throw new CommandFailed(
          `${this.name}: ${program.lock ?? ""} is held by another writer for ${LOCK_TIMEOUT_SECONDS} s.`,
          `fuser --verbose ${program.lock ?? ""} on the host names the holder; run again when it is done.`,
        );
      }
      if (exitCode !== undefined) throw unfinished(this.name, outcome);
      this.#dialled = undefined;
      throw shell.refusal === undefined
        ? lost(this.name, this.#connection, said || "the session ended before all answers were in")
        : refused(this.name, this.#connection, shell.refusal, said);
    } finally {
      if (!shell.hasEnded) this.#idle.push(shell);
      this.#freeSession();
      this.#trace({
        steps: program.steps.map(printCommand),
        questions: program.questions.map(printCommand),
        lock: program.lock,
        newShell: kept === undefined,
        waitedMilliseconds: began - asked,
        milliseconds: Date.now() - began,
      });
    }
  }

  #openShell(): Shell {
    const shell: Shell = new Shell(
      ["ssh", ...this.#options(), this.#target(), ...this.#bash()],
      // Start-up files and sudo come after the session, which may take as long as all else.
      2 * this.#connection.timeoutSeconds * 1000,
      (said) => {
        if (said.includes(LOCK_AWAITED))
          console.log(
            `${this.name}: another writer is at work there; waiting for it, at most ${LOCK_TIMEOUT_SECONDS} s …`,
          );
      },
      () => (this.#idle = this.#idle.filter((one) => one !== shell)),
    );
    return shell;
  }

  beforeEnd(last: () => Program | undefined): void {
    this.#last = last;
  }

  /**
   * For those who look for lost time: each dial and remote call as a line of JSON, where JTS_STORAGE_TRACE names a
   * file.
   */
  #trace(event: Readonly<Record<string, unknown>>): void {
    const file = process.env.JTS_STORAGE_TRACE;
    if (file !== undefined && file !== "")
      appendFileSync(file, `${JSON.stringify({ at: new Date().toISOString(), host: this.name, ...event })}\n`);
  }

  async #dial(): Promise<void> {
    const began = Date.now();
    try {
      if (await this.#isConnected()) return;
      const master = await execa("ssh", [...this.#options(MASTER), "-f", "-N", this.#target()], {
        stdin: "ignore",
        stdout: "ignore",
        stderr: { file: join(this.#folder, "dial.log") }, // a pipe would stay open in the master and never end
        reject: false,
      });
      this.#trace({ dialled: master.exitCode === 0, milliseconds: Date.now() - began });
      if (master.code === "ENOENT")
        throw new CommandFailed(`${this.name}: this machine has no ssh.`, "apt-get install openssh-client, here");
      const said = readFileSync(join(this.#folder, "dial.log"), "utf8").trim();
      if (master.exitCode !== 0) throw lost(this.name, this.#connection, said);
    } catch (error) {
      this.#dialled = undefined;
      throw error;
    }
  }

  /** A session may end by itself. Another connection would then be one more client of the first, and stay for good. */
  async #isConnected(): Promise<boolean> {
    if (!existsSync(this.#controlPath)) return false;
    const options = { stdio: "ignore", reject: false, timeout: 2000 } as const;
    return (await execa("ssh", [...this.#options(), "-O", "check", this.#target()], options)).exitCode === 0;
  }

  /**
   * Plain words, as the user's login shell may be any. They give our bash none of the settings of that user or of root:
   * no start-up file, and for root no variable; of the others' variables sudo passes on none.
   */
  #bash(): string[] {
    const bash = ["bash", "--norc", "--noprofile", "-s"];
    const settings = ["LC_ALL=C", `PATH=${PATH}`];
    return this.#connection.user === "root"
      ? ["/usr/bin/env", "-i", ...settings, ...bash]
      : ["/usr/bin/env", ...settings, "sudo", "--non-interactive", "--", ...bash];
  }

  get #controlPath(): string {
    return join(this.#folder, "master");
  }

  #target(): string {
    return `${this.#connection.user}@${this.#connection.host}`;
  }

  /** All that this relies on, whatever ~/.ssh/config has. How the host is reached stays with that. */
  #options(more: Readonly<Record<string, string | number>> = {}): string[] {
    const { port, identityFile, proxyJump, timeoutSeconds } = this.#connection;
    const options: Record<string, string | number> = {
      // For versions that don't know all of these.
      IgnoreUnknown: "*",
      BatchMode: "yes",
      StrictHostKeyChecking: "yes",
      // The key's line bears this name, whatever ~/.ssh/config makes of the address.
      HostKeyAlias: this.name,
      UserKnownHostsFile: join(this.#folder, "known_hosts"),
      GlobalKnownHostsFile: "/dev/null",
      // Nothing but that file says which key is the host's.
      KnownHostsCommand: "none",
      VerifyHostKeyDNS: "no",
      NoHostAuthenticationForLocalhost: "no",
      UpdateHostKeys: "no",
      VisualHostKey: "no",
      ControlPath: this.#controlPath,
      ControlMaster: "no",
      ControlPersist: "no",
      ConnectTimeout: timeoutSeconds,
      ConnectionAttempts: 1,
      ServerAliveInterval: Math.ceil(timeoutSeconds / ALIVE_COUNT),
      ServerAliveCountMax: ALIVE_COUNT,
      LogLevel: "ERROR",
      // A terminal would send back what it gets, and change the ends of lines.
      RequestTTY: "no",
      SessionType: "default",
      RemoteCommand: "none",
      PermitLocalCommand: "no",
      StdinNull: "no",
      ForkAfterAuthentication: "no",
      ClearAllForwardings: "yes",
      ForwardX11: "no",
      Tunnel: "no",
      ...more,
    };
    return [
      "-p",
      String(port),
      ...Object.entries(options).flatMap(([name, value]) => ["-o", `${name}=${value}`]),
      ...(identityFile === undefined
        ? []
        : ["-i", identityFile.replace(/^~(?=\/)/, homedir()), "-o", "IdentitiesOnly=yes"]),
      ...(proxyJump === undefined ? [] : ["-J", proxyJump]),
    ];
  }

  #hangUp(): void {
    if (this.#dialled !== undefined) {
      const last = this.#last();
      if (last !== undefined) {
        // It goes on there when the time is over here.
        spawnSync("ssh", [...this.#options(), this.#target(), ...this.#bash()], {
          input: encode(printShell("last") + printProgram(last, "last", LOCK_TIMEOUT_SECONDS, true)),
          stdio: ["pipe", "ignore", "ignore"],
          timeout: LAST_CALL_MILLISECONDS,
        });
      }
      spawnSync("ssh", [...this.#options(), "-O", "exit", this.#target()], { stdio: "ignore", timeout: 2000 });
    }
    rmSync(this.#folder, { recursive: true, force: true });
  }

  async #takeSession(): Promise<void> {
    if (this.#freeSessions > 0) this.#freeSessions--;
    else await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  #freeSession(): void {
    const next = this.#waiting.shift();
    if (next === undefined) this.#freeSessions++;
    else next();
  }
}
