import { spawnSync } from "node:child_process";
import { appendFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { execa } from "execa";
import { CommandFailed, HostUnreachable } from "../errors.ts";
import { printCommand } from "./command.ts";
import type { Connection } from "./connection.ts";
import type { Answers, Host, Program } from "./host.ts";
import { LOCK_AWAITED, LOCK_HELD, parseAnswers, printProgram } from "./wire.ts";

/** sshd allows 10 sessions a connection (MaxSessions in sshd_config(5)); the rest is left to a person who looks in. */
const SESSIONS = 8;
const LOCK_TIMEOUT_SECONDS = 600;
/** The engine kills a provider that has not ended 5 s after its signal. */
const LAST_CALL_MILLISECONDS = 3000;
/** Messages of ServerAliveInterval that may stay without an answer. */
const ALIVE_COUNT = 5;

/** A machine over one SSH connection, which is dialled at the first call and kept. */
export class SshHost implements Host {
  readonly name: string;
  readonly #connection: Connection;
  readonly #folder: string;
  #dialled: Promise<void> | undefined;
  #freeSessions = SESSIONS;
  readonly #waiting: (() => void)[] = [];
  #last: () => Program | undefined = () => undefined;

  constructor(name: string, connection: Connection) {
    this.name = name;
    this.#connection = connection;
    this.#folder = mkdtempSync(join(tmpdir(), "jts-ssh-"));
    const { hostKey } = connection;
    writeFileSync(join(this.#folder, "known_hosts"), `${name} ${hostKey}\n`);
    process.once("exit", () => this.#hangUp());
    // The engine ends its providers by a signal, which alone would leave the connection and its folder behind.
    for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.once(signal, () => process.exit());
  }

  async call(program: Program): Promise<Answers> {
    const asked = Date.now();
    await (this.#dialled ??= this.#dial());
    await this.#takeSession();
    const began = Date.now();
    try {
      const calling = execa("ssh", [...this.#options(), this.#target(), ...this.#sudo(), "bash", "-s"], {
        input: printProgram(program, LOCK_TIMEOUT_SECONDS),
        encoding: "buffer",
        stripFinalNewline: false,
        reject: false,
        maxBuffer: 64 * 1024 * 1024,
      });
      calling.stderr.on("data", (said: Buffer) => {
        if (said.includes(LOCK_AWAITED))
          console.log(
            `${this.name}: another writer is at work there; waiting for it, at most ${LOCK_TIMEOUT_SECONDS} s …`,
          );
      });
      const { exitCode, stdout, stderr } = await calling;
      const answers = exitCode === 0 ? parseAnswers(Buffer.from(stdout), program) : undefined;
      if (answers !== undefined) return answers;
      const said = Buffer.from(stderr).toString("utf8").trim();
      if (exitCode === LOCK_HELD) {
        throw new CommandFailed(
          `${this.name}: ${said.split("\n").at(-1)} for ${LOCK_TIMEOUT_SECONDS} s.`,
          `fuser --verbose ${program.lock ?? ""} on the host names the holder; run again when it is done.`,
        );
      }
      this.#dialled = undefined;
      throw this.#unreachable(said || `the session ended with ${exitCode ?? "a signal"} before all answers were in`);
    } finally {
      this.#freeSession();
      this.#trace({
        steps: program.steps.map(printCommand),
        questions: program.questions.map(printCommand),
        lock: program.lock,
        waitedMilliseconds: began - asked,
        milliseconds: Date.now() - began,
      });
    }
  }

  beforeEnd(last: () => Program | undefined): void {
    this.#last = last;
  }

  /** For those who look for lost time: each dial and remote call as a line of JSON, where JTS_STORAGE_TRACE names a file. */
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
        [
          ...this.#options(),
          "-o",
          "ControlMaster=auto",
          "-o",
          "ControlPersist=60",
          this.#target(),
          ...this.#sudo(),
          "true",
        ],
        {
          stdin: "ignore",
          stdout: "ignore",
          stderr: { file: join(this.#folder, "dial.log") }, // a pipe would stay open in the master and never end
          reject: false,
        },
      );
      this.#trace({ dialled: master.exitCode === 0, milliseconds: Date.now() - began });
      const said = readFileSync(join(this.#folder, "dial.log"), "utf8").trim();
      const { user } = this.#connection;
      // ssh's own failures have one exit code; another one is the remote command's.
      if (master.exitCode !== undefined && master.exitCode !== 0 && master.exitCode !== 255 && user !== "root") {
        throw new CommandFailed(
          `${this.name}: ${user} can't become root without a password: ${said}`,
          `visudo --file=/etc/sudoers.d/${user} on the host: ${user} ALL=(ALL) NOPASSWD: ALL`,
        );
      }
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
          input: printProgram(last, LOCK_TIMEOUT_SECONDS),
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
