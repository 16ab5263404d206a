import { StorageError } from "../../providers/errors.ts";

/**
 * ok: nothing to do · advice: an `up` works, but look at it · FAILED: stands in the way of an `up`, or could not be
 * asked · not asked: what comes before it must be mended first.
 */
export type State = "ok" | "advice" | "FAILED" | "not asked";

/** What was found of one thing. */
export interface Row {
  readonly state: State;
  readonly subject: string;
  readonly found: string;
  /** What to do about it; every row with `advice` or `FAILED` has one. */
  readonly next?: string;
}

export const ok = (subject: string, found: string): Row => ({ state: "ok", subject, found });
export const advice = (subject: string, found: string, next: string): Row => ({
  state: "advice",
  subject,
  found,
  next,
});
export const failed = (subject: string, found: string, next: string): Row => ({
  state: "FAILED",
  subject,
  found,
  next,
});

/** The row of what could not be asked. */
export function unasked(subject: string, error: Error): Row {
  const next = "run it again; where it comes again, on the host: dmesg | tail";
  return error instanceof StorageError
    ? failed(subject, reasonOf(error), error.next)
    : failed(subject, `${error.name}: ${error.message}`, next);
}

/** Without the host's name: rows are listed below their host. */
export function reasonOf(error: Error): string {
  return error instanceof StorageError ? error.what.replace(/^\S+: /, "") : error.message;
}
