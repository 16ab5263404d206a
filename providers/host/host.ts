import type { Command, Output } from "./command.ts";

/** What to do on a host in one remote call. */
export interface Program {
  /**
   * Run in turn; the first that fails ends the steps. They outlive a lost connection: once a call has begun, the
   * running step and those after it go on.
   */
  readonly steps: readonly Command[];
  /** Run after the steps, each whatever became of the others; they change nothing. */
  readonly questions: readonly Command[];
  /** A file held on the host with flock(1) while the steps run; made where it is absent. */
  readonly lock?: string;
  /** Is told what goes on while the steps run. A host need not tell. */
  readonly tell?: ((running: Running) => void) | undefined;
}

/** What a program is doing. */
export interface Running {
  /** The step's number, from 0; `lock`: it waits for the lock. */
  readonly at: number | "lock";
  /** The last line that the step wrote of its progress; left out at its beginning, and by steps that write none. */
  readonly line?: string;
}

export interface Answers {
  /** One output for each step that ran, in order; the last may be a failure. */
  readonly steps: readonly Output[];
  readonly questions: readonly Output[];
}

/** The one seam to a machine: SshHost is real, FakeHost is for tests. */
export interface Host {
  readonly name: string;
  /** @throws {HostUnreachable} when it is not known what became of the program. */
  call(program: Program): Promise<Answers>;
  /** What is to be sent, if anything, before this process ends; nobody waits for what comes of it. */
  beforeEnd?(last: () => Program | undefined): void;
}

/** One writer at a time on a host, across stacks and machines. Not in /run/lock, where anybody may plant a file. */
export const HOST_LOCK = "/run/jts-storage.lock";

/**
 * One writer at a time on a device. Not the device itself: udev waits for who holds that, and a step that waits for
 * udev would wait for itself.
 */
export function deviceLock(device: string): string {
  return `/run/jts-storage${device.replaceAll("/", "-")}.lock`;
}
