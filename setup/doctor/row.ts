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

/** The row of what could not be asked. Our errors end with what to do next. */
export function unasked(subject: string, error: Error): Row {
  const [found = "", next = "run it again; where it comes again, on the host: dmesg | tail"] =
    error.message.split("\n  Next: ");
  // Rows are listed below their host.
  return failed(subject, error instanceof StorageError ? found.replace(/^\S+: /, "") : `${error.name}: ${found}`, next);
}
