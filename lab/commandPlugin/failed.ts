/** A failure whose message says all that a reader can use. The server would print a stack trace beside the message. */
export class Failed extends Error {
  override readonly stack = "";
}
