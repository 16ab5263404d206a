import { spawn, type ChildProcessWithoutNullStreams } from "node:child_process";
import { randomBytes } from "node:crypto";
import type { Socket } from "node:net";
import { GREETING, printProgram, SHELL } from "./wire.ts";
import type { Program } from "./host.ts";

/** What came of a program: its answers and its exit code, where it ended, and what was said on standard error. */
export interface Outcome {
  readonly exitCode: number | undefined;
  readonly bytes: Buffer;
  readonly said: string;
}

/** More than any answer holds: a host gone mad ends its shell, not this process. */
const MAX_BYTES = 64 * 1024 * 1024;
const LINE_END = 0x0a;

/**
 * A bash on a host that runs one program after another: only the first pays for a session, sudo and bash. It holds this
 * process only while a program runs.
 */
export class Shell {
  readonly #process: ChildProcessWithoutNullStreams;
  #bytes: Buffer[] = [];
  #size = 0;
  #said = "";
  #mark: string | undefined;
  #end: (outcome: Outcome) => void = () => undefined;
  #hasEnded = false;
  #exitCode: number | undefined;
  #hasGreeted = false;

  /** @param onSaid gets what comes on standard error, at once. */
  constructor([file = "", ...args]: readonly string[], onSaid: (text: string) => void, onEnd: () => void) {
    this.#process = spawn(file, args);
    this.#process.stdin.on("error", () => undefined); // the end of the process says it
    this.#process
      .on("error", (error) => (this.#said += error.message))
      .on("close", (code) => {
        this.#close(code);
        onEnd();
      });
    this.#process.stdout.on("data", (bytes: Buffer) => this.#take(bytes));
    this.#process.stderr.setEncoding("utf8").on("data", (text: string) => {
      this.#said += text;
      onSaid(text);
    });
    this.#process.stdin.write(SHELL);
    this.#hold(false);
  }

  get hasEnded(): boolean {
    return this.#hasEnded;
  }

  /** The exit code of a shell that ended before it greeted, where it has one: of ssh, of sudo, or of bash. */
  get refusal(): number | undefined {
    return this.#hasGreeted ? undefined : this.#exitCode;
  }

  /** One program at a time. */
  run(program: Program, lockTimeoutSeconds: number): Promise<Outcome> {
    const mark = randomBytes(16).toString("hex");
    return new Promise((resolve) => {
      this.#end = resolve;
      this.#mark = mark;
      this.#hold(true);
      this.#process.stdin.write(printProgram(program, mark, lockTimeoutSeconds));
    });
  }

  #take(bytes: Buffer): void {
    this.#size += bytes.length;
    if (this.#size > MAX_BYTES) this.#process.kill();
    this.#bytes.push(bytes);
    if (bytes.at(-1) !== LINE_END && this.#hasGreeted) return; // only the shell's own lines end what it says
    let whole = Buffer.concat(this.#bytes);
    const greeting = this.#hasGreeted ? -1 : whole.indexOf(`${GREETING}\n`);
    if (greeting >= 0) {
      this.#hasGreeted = true;
      whole = whole.subarray(greeting + GREETING.length + 1);
    }
    this.#bytes = [whole];
    const lastLine = /(?:^|\n)([0-9a-f]+) (\d+)\n$/.exec(whole.toString("latin1", Math.max(0, whole.length - 64)));
    if (this.#hasGreeted && lastLine?.[1] === this.#mark && this.#mark !== undefined)
      this.#resolve(Number(lastLine?.[2]), whole.subarray(0, whole.lastIndexOf(this.#mark)));
  }

  #close(code: number | null): void {
    this.#hasEnded = true;
    this.#exitCode = code ?? undefined;
    this.#resolve(undefined, Buffer.alloc(0));
  }

  #resolve(exitCode: number | undefined, bytes: Buffer): void {
    const said = this.#said.trim();
    this.#hold(false);
    this.#mark = undefined;
    this.#bytes = [];
    this.#size = 0;
    this.#said = "";
    this.#end({ exitCode, bytes, said });
  }

  #hold(holds: boolean): void {
    const { stdin, stdout, stderr } = this.#process;
    for (const one of [this.#process, stdin as Socket, stdout as Socket, stderr as Socket])
      if (holds) one.ref();
      else one.unref();
  }
}
