import { spawn, type ChildProcessWithoutNullStreams } from "node:child_process";
import { randomBytes } from "node:crypto";
import type { Socket } from "node:net";
import { encode } from "../values/bytes.ts";
import { greetingOf, parseAnswers, parseTold, printProgram, printShell } from "./wire.ts";
import type { Answers, Program } from "./host.ts";

/** What came of a program. */
export interface Outcome {
  /** Undefined where they are not whole. */
  readonly answers: Answers | undefined;
  /** The program's; undefined: its shell ended before. */
  readonly exitCode: number | undefined;
  /** On standard error. */
  readonly said: string;
}

/** A session that ended, or was ended, before there was a bash of ours in it. */
export interface Refusal {
  /** Of ssh, or of what the host ran; undefined: a signal, or ours for one that took too long. */
  readonly exitCode: number | undefined;
  readonly isTooLate: boolean;
  /** On standard output. */
  readonly printed: string;
}

/** More than any answer holds: a host gone mad ends its shell, not this process. */
const MAX_BYTES = 64 * 1024 * 1024;
/** Standard error is another stream: why a program failed may come some time after its end. */
const SAYING_MILLISECONDS = 200;
/** Longer than a mark with what is printed after it. */
const MARK_BYTES = 64;

/**
 * A bash on a host that runs one program after another: only the first pays for a session, sudo and bash. It holds this
 * process only while a program runs.
 */
export class Shell {
  readonly #process: ChildProcessWithoutNullStreams;
  readonly #greetingMilliseconds: number;
  readonly #greeting: string;
  #bytes: Buffer[] = [];
  /** The last of them, in which the end of a mark may be. */
  #recent: Buffer = Buffer.alloc(0);
  #size = 0;
  #said = "";
  #program: { readonly program: Program; readonly mark: string; readonly text: Buffer } | undefined;
  #end: (outcome: Outcome) => void = () => undefined;
  #hasEnded = false;
  #hasGreeted = false;
  #refusal: Refusal | undefined;

  /**
   * @param greetingMilliseconds how long it may take until a bash of ours runs
   * @param onSaid gets what comes on standard error, at once
   */
  constructor(
    [file = "", ...args]: readonly string[],
    greetingMilliseconds: number,
    onSaid: (text: string) => void,
    onEnd: () => void,
  ) {
    const word = randomBytes(8).toString("hex");
    this.#greeting = greetingOf(word);
    this.#greetingMilliseconds = greetingMilliseconds;
    this.#process = spawn(file, args);
    this.#process.stdin.on("error", () => undefined); // the end of the process says it
    this.#process
      .on("error", (error) => (this.#said += error.message))
      .on("close", (code) => {
        this.#close(code ?? undefined, false);
        onEnd();
      });
    this.#process.stdout.on("data", (bytes: Buffer) => this.#take(bytes));
    this.#process.stderr.setEncoding("utf8").on("data", (text: string) => {
      onSaid(text);
      this.#hear(text);
    });
    this.#process.stdin.write(printShell(word));
    this.#hold(false);
  }

  get hasEnded(): boolean {
    return this.#hasEnded;
  }

  /** Of a session in which there never was a bash of ours. */
  get refusal(): Refusal | undefined {
    return this.#refusal;
  }

  /** One program at a time. Nothing of it is sent to what has not greeted: that might carry out something else. */
  run(program: Program, lockTimeoutSeconds: number): Promise<Outcome> {
    const mark = randomBytes(16).toString("hex");
    const { promise, resolve } = Promise.withResolvers<Outcome>();
    this.#end = resolve;
    this.#program = { program, mark, text: encode(printProgram(program, mark, lockTimeoutSeconds)) };
    this.#hold(true);
    if (this.#hasGreeted) this.#process.stdin.write(this.#program.text);
    else {
      const tooLate = setTimeout(() => {
        if (this.#hasGreeted) return;
        this.#close(undefined, true);
        this.#process.kill();
      }, this.#greetingMilliseconds);
      void promise.then(() => clearTimeout(tooLate));
    }
    return promise;
  }

  #take(bytes: Buffer): void {
    this.#size += bytes.length;
    if (this.#size > MAX_BYTES) this.#process.kill();
    this.#bytes.push(bytes);
    if (!this.#hasGreeted) this.#awaitGreeting();
    else if (this.#program !== undefined) {
      const recent = Buffer.concat([this.#recent, bytes]);
      this.#recent = recent.subarray(-MARK_BYTES);
      const end = new RegExp(`${this.#program.mark} (\\d+)\\n`).exec(recent.toString("latin1"));
      if (end !== null) this.#finish(this.#program, Number(end[1]));
    } else this.#bytes = []; // of what start-up files left running
  }

  #hear(text: string): void {
    const { running, rest } = parseTold(this.#said + text, this.#program?.mark);
    this.#said = rest;
    for (const one of running) this.#program?.program.tell?.(one);
  }

  #awaitGreeting(): void {
    const printed = Buffer.concat(this.#bytes);
    this.#bytes = [printed];
    if (!printed.includes(this.#greeting)) return;
    this.#hasGreeted = true;
    this.#clear();
    if (this.#program !== undefined) this.#process.stdin.write(this.#program.text);
  }

  #close(exitCode: number | undefined, isTooLate: boolean): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    if (!this.#hasGreeted)
      this.#refusal = { exitCode, isTooLate, printed: Buffer.concat(this.#bytes).toString("utf8") };
    this.#resolve(undefined);
  }

  #finish({ program, mark }: { readonly program: Program; readonly mark: string }, exitCode: number): void {
    const answers = exitCode === 0 ? parseAnswers(Buffer.concat(this.#bytes), program, mark) : undefined;
    this.#program = undefined;
    if (answers !== undefined) this.#resolve(exitCode, answers);
    else setTimeout(() => this.#resolve(exitCode), SAYING_MILLISECONDS);
  }

  #resolve(exitCode: number | undefined, answers?: Answers): void {
    const said = this.#said.trim();
    this.#hold(false);
    this.#program = undefined;
    this.#clear();
    this.#end({ answers, exitCode, said });
  }

  #clear(): void {
    this.#bytes = [];
    this.#recent = Buffer.alloc(0);
    this.#size = 0;
    this.#said = "";
  }

  #hold(holds: boolean): void {
    const { stdin, stdout, stderr } = this.#process;
    for (const one of [this.#process, stdin as Socket, stdout as Socket, stderr as Socket])
      if (holds) one.ref();
      else one.unref();
  }
}
