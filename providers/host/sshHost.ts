import { spawnSync } from "node:child_process";
import { appendFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { execa } from "execa";
import { CommandFailed, HostUnreachable } from "../errors.ts";
import { printCommand } from "./command.ts";
import type { Connection } from "../values/connection.ts";
import type { Answers, Host, Program } from "./host.ts";
import { Shell } from "./shell.ts";
import { LOCK_AWAITED, LOCK_HELD, parseAnswers, printProgram, SHELL } from "./wire.ts";

/** sshd allows 10 sessions a connection (MaxSessions in sshd_config(5)); the rest is left to a person who looks in. */
const SESSIONS = 8;
const LOCK_TIMEOUT_SECONDS = 600;
/** The engine kills a provider that has not ended 5 s after its signal. */
const LAST_CALL_MILLISECONDS = 3000;
/** Messages of ServerAliveInterval that may stay without an answer. */
const ALIVE_COUNT = 5;
/** ssh's exit code for its own failures. */
const SSH_FAILED = 255;

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
    this.#folder = mkdtempSync(join(tmpdir(), "jts-ssh-"));
    const { hostKey } = connection;
    writeFileSync(join(this.#folder, "known_hosts"), `${name} ${hostKey}\n`);
    process.once("exit", () => this.#hangUp());
    // The engine ends its providers by a signal, which by itself would leave the connection and its folder behind.
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
      const { exitCode, bytes, said } = await shell.run(program, LOCK_TIMEOUT_SECONDS);
      const answers = exitCode === 0 ? parseAnswers(bytes, program) : undefined;
      if (answers !== undefined) return answers;
      if (exitCode === LOCK_HELD) {
        throw new CommandFailed(
          `${this.name}: ${program.lock ?? ""} is held by another writer for ${LOCK_TIMEOUT_SECONDS} s.`,
          `fuser --verbose ${program.lock ?? ""} on the host names the holder; run again when it is done.`,
        );
      }
      this.#dialled = undefined;
      const { user } = this.#connection;
      // ssh's own failures have one exit code; another one is the remote command's.
      if (shell.refusal !== undefined && shell.refusal !== SSH_FAILED && user !== "root") {
        throw new CommandFailed(
          `${this.name}: ${user} can't become root without a password: ${said}`,
          `visudo --file=/etc/sudoers.d/${user} on the host: ${user} ALL=(ALL) NOPASSWD: ALL`,
        );
      }
      throw this.#unreachable(said || `the session ended with ${exitCode ?? "a signal"} before all answers were in`);
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
      ["ssh", ...this.#options(), this.#target(), ...this.#sudo(), "bash", "-s"],
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
      const master = await execa(
        "ssh",
        [...this.#options(), "-o", "ControlMaster=auto", "-o", "ControlPersist=60", "-f", "-N", this.#target()],
        {
          stdin: "ignore",
          stdout: "ignore",
          stderr: { file: join(this.#folder, "dial.log") }, // a pipe would stay open in the master and never end
          reject: false,
        },
      );
      this.#trace({ dialled: master.exitCode === 0, milliseconds: Date.now() - began });
      const said = readFileSync(join(this.#folder, "dial.log"), "utf8").trim();
      if (master.exitCode !== 0) throw this.#unreachable(said);
    } catch (error) {
      this.#dialled = undefined;
      throw error;
    }
  }

  #unreachable(said: string): HostUnreachable {
    const { host, port, user } = this.#connection;
    return new HostUnreachable(
      `${this.name} (${user}@${host}, port ${port}) could not be reached: ${said}`,
      `ssh -p ${port} ${user}@${host} true — when that works, run the same Pulumi command again; nothing is forgotten.`,
    );
  }

  #sudo(): string[] {
    return this.#connection.user === "root" ? [] : ["sudo", "--non-interactive", "--"];
  }

  #target(): string {
    return `${this.#connection.user}@${this.#connection.host}`;
  }

  #options(): string[] {
    const { port, identityFile, proxyJump, timeoutSeconds } = this.#connection;
    const options: Record<string, string | number> = {
      BatchMode: "yes",
      StrictHostKeyChecking: "yes",
      // The key's line bears this name, whatever ~/.ssh/config makes of the address.
      HostKeyAlias: this.name,
      UserKnownHostsFile: join(this.#folder, "known_hosts"),
      GlobalKnownHostsFile: "/dev/null",
      ControlPath: join(this.#folder, "master"),
      ConnectTimeout: timeoutSeconds,
      ServerAliveInterval: Math.ceil(timeoutSeconds / ALIVE_COUNT),
      ServerAliveCountMax: ALIVE_COUNT,
      LogLevel: "ERROR",
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
        spawnSync("ssh", [...this.#options(), this.#target(), ...this.#sudo(), "bash", "-s"], {
          input: SHELL + printProgram(last, "last", LOCK_TIMEOUT_SECONDS),
          stdio: ["pipe", "ignore", "ignore"],
          timeout: LAST_CALL_MILLISECONDS,
        });
      }
      const master = `ControlPath=${join(this.#folder, "master")}`;
      spawnSync("ssh", ["-o", master, "-O", "exit", this.#target()], { stdio: "ignore", timeout: 2000 });
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
