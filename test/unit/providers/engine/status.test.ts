import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { step } from "../../../../providers/engine/plan.ts";
import { Status } from "../../../../providers/engine/status.ts";
import { cmd } from "../../../../providers/host/command.ts";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const readProgress = (line: string) => (line.startsWith("done ") ? line.slice("done ".length) : undefined);
const format = step("format /dev/x", cmd`mkfs`, { readProgress });
const grow = step("grow /dev/y", cmd`resize`);

describe("what is shown of a call that takes long", () => {
  it("is the step that runs, to those whose it is, with how far it is and since when, and is taken back", () => {
    const one: string[] = [];
    const both: string[] = [];
    const status = new Status([
      [
        { step: format, show: (text) => one.push(text) },
        { step: grow, show: (text) => both.push(text) },
      ],
      [{ step: grow, show: (text) => both.push(text) }],
    ]);
    status.tell!({ at: 0 });
    vi.advanceTimersByTime(2000);
    status.tell!({ at: 0, line: "done 35 %" });
    vi.advanceTimersByTime(2000);
    status.tell!({ at: 0, line: "nothing of interest" });
    vi.advanceTimersByTime(2000);
    expect(one).toEqual(["format /dev/x, 2 s", "format /dev/x: 35 %, 4 s", "format /dev/x, 6 s"]);
    status.tell!({ at: 1 });
    status.tell!({ at: 0, line: "done 100 %" }); // late
    vi.advanceTimersByTime(2000);
    expect(one).toHaveLength(3);
    expect(both.at(-1)).toBe("grow /dev/y, 2 s");
    status.end();
    vi.advanceTimersByTime(60_000);
    expect([one.at(-1), both.at(-1), one.length]).toEqual(["", "", 4]);
  });

  it("is to all of the call that it waits for another writer", () => {
    const all: string[] = [];
    const show = (text: string) => all.push(text);
    const status = new Status([
      [{ step: format, show }],
      [{ step: grow, show: undefined }],
      [{ step: grow, show: (text) => all.push(text) }],
    ]);
    status.tell!({ at: "lock" });
    vi.advanceTimersByTime(2000);
    expect(all).toEqual(Array.from({ length: 2 }, () => "waits for another writer on the host, 2 s"));
    status.end();
  });

  it("is nothing where it is quick, and the host is not asked to tell where nobody is to see it", () => {
    const shown: string[] = [];
    const status = new Status([[{ step: grow, show: (text) => shown.push(text) }]]);
    for (let quick = 0; quick < 10; quick++) {
      status.tell!({ at: 0 });
      vi.advanceTimersByTime(1900);
    }
    status.end();
    expect(shown).toEqual([]);
    expect(new Status([[{ step: grow, show: undefined }]]).tell).toBeUndefined();
  });
});
