const NEXT = "\n  Next: ";

/**
 * What can go wrong, by what the operator does next. Each message says what, where, and the next command to try.
 * None carries a numeric `code`: the engine would take it for a gRPC status.
 */
export abstract class StorageError extends Error {
  /** What failed, and where. */
  get what(): string {
    return this.message.split(NEXT, 1)[0]!;
  }

  /** The command to try. */
  get next(): string {
    return this.message.slice(this.what.length + NEXT.length);
  }

  constructor(message: string, next: string) {
    // The engine takes no bytes of a host's that aren't UTF-8.
    super(`${message}${NEXT}${next}`.toWellFormed());
    this.name = new.target.name;
    // The provider's server prints the stack beside the message; our text says all that an operator can use.
    this.stack = "";
  }
}

/** The connection could not be made or was lost: what the host holds is not known, least of all "gone". */
export class HostUnreachable extends StorageError {}

/** A command on the host ended with an exit code that is not an answer. */
export class CommandFailed extends StorageError {}

/** A tool's output was not of the form its manual promises. */
export class UnexpectedOutput extends StorageError {}

/** The host has no such tool, as where its package was removed: what the host holds is not known. */
export class ToolMissing extends UnexpectedOutput {}

/** What was asked could lose data; nothing was written. */
export class DataLossRefused extends StorageError {}

/** All steps ran, and the host still isn't as declared. */
export class NotConverged extends StorageError {}

/** The configuration can't be carried out on any host. */
export class InvalidConfig extends StorageError {}
