import { printColumns } from "../setup/columns.ts";

/** One dial or remote call, as JTS_STORAGE_TRACE logs it. */
interface Traced {
  readonly dialled?: boolean;
  readonly steps?: readonly string[];
  readonly milliseconds: number;
}

/** How many programs a profile names. */
const NAMED = 6;

export interface Profile {
  readonly remoteCalls: number;
  /** What took longest, a line each. Calls run at the same time, so that sums may exceed the whole. */
  readonly longest: readonly string[];
}

/** The profile of a trace. A call is named by the programs of its steps; one without steps only looks. */
export function profileOf(trace: string): Profile {
  const calls = trace.split("\n").flatMap((line) => (line === "" ? [] : [JSON.parse(line) as Traced]));
  const sums = new Map<string, { readonly milliseconds: number; readonly calls: number }>();
  for (const { dialled, steps = [], milliseconds } of calls) {
    const programs = new Set(steps.map((step) => step.split(" ")[0]));
    const name = dialled !== undefined ? "dial" : programs.size === 0 ? "look" : [...programs].join(" + ");
    const before = sums.get(name) ?? { milliseconds: 0, calls: 0 };
    sums.set(name, { milliseconds: before.milliseconds + milliseconds, calls: before.calls + 1 });
  }
  return {
    remoteCalls: calls.filter(({ dialled }) => dialled === undefined).length,
    longest: printColumns(
      [...sums]
        .sort(([, a], [, b]) => b.milliseconds - a.milliseconds)
        .slice(0, NAMED)
        .map(([name, { milliseconds, calls }]) => [`${(milliseconds / 1000).toFixed(1)} s in ${calls} of`, name]),
      [0],
    ),
  };
}
