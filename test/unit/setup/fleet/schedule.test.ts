import { describe, expect, it } from "vitest";
import { schedule, type Limits } from "../../../../setup/fleet/schedule.ts";

const STACKS = ["a", "b", "c", "d", "e", "f"];
const NO_LIMITS: Limits = { parallel: 2, canaries: [], maxFailures: Number.POSITIVE_INFINITY };

/** A schedule whose stacks end when, and as, the test says. */
async function started(limits: Partial<Limits>) {
  const stop = new AbortController();
  const begun: string[] = [];
  const ends = new Map<string, (succeeded: boolean) => void>();
  const run = (stack: string) => {
    begun.push(stack);
    return new Promise<boolean>((resolve) => ends.set(stack, resolve));
  };
  const over = schedule(STACKS, { ...NO_LIMITS, ...limits }, run, stop.signal);
  /** Until all has happened that follows. */
  const settled = () => new Promise((resolve) => setImmediate(resolve));
  const end = async (stack: string, succeeded = true) => {
    ends.get(stack)!(succeeded);
    await settled();
  };
  await settled();
  return { begun, end, settled, over: { reason: over }, stop };
}

describe("the schedule of a fleet", () => {
  it("has so many stacks at the same time, and begins the next one when one ends", async () => {
    const { begun, end, over } = await started({ parallel: 3 });
    expect(begun).toEqual(["a", "b", "c"]);
    await end("b");
    expect(begun).toEqual(["a", "b", "c", "d"]);
    for (const stack of ["a", "c", "d", "e", "f"]) await end(stack);
    expect(begun).toEqual(STACKS);
    expect(await over.reason).toBeUndefined();
  });

  it("begins nothing else until each canary has succeeded", async () => {
    const { begun, end, over } = await started({ parallel: 4, canaries: ["c", "e"] });
    expect(begun).toEqual(["c", "e"]);
    await end("c");
    expect(begun).toEqual(["c", "e"]);
    await end("e");
    expect(begun).toEqual(["c", "e", "a", "b", "d", "f"]);
    for (const stack of ["a", "b", "d", "f"]) await end(stack);
    expect(await over.reason).toBeUndefined();
  });

  it("begins nothing else after a canary failed, whatever the limit", async () => {
    const { begun, end, over } = await started({ canaries: ["c"] });
    await end("c", false);
    expect(await over.reason).toBe("a canary failed");
    expect(begun).toEqual(["c"]);
  });

  it("begins nothing more once the limit of failures is reached, and waits for what runs", async () => {
    const { begun, end, settled, over } = await started({ parallel: 3, maxFailures: 2 });
    await end("a", false);
    expect(begun).toEqual(["a", "b", "c", "d"]);
    await end("b", false);
    await end("c");
    expect(begun).toEqual(["a", "b", "c", "d"]);
    let isOver = false;
    void over.reason.then(() => (isOver = true));
    await settled();
    expect(isOver).toBe(false);
    await end("d");
    expect(await over.reason).toBe("2 failed, and at most 1 may");
  });

  it("goes on after failures below the limit", async () => {
    const { begun, end, over } = await started({ maxFailures: 6 });
    for (const stack of STACKS) await end(stack, false);
    expect(begun).toEqual(STACKS);
    expect(await over.reason).toBeUndefined();
  });

  it("begins nothing more once it is stopped", async () => {
    const { begun, end, over, stop } = await started({});
    stop.abort();
    await end("a");
    await end("b");
    expect(await over.reason).toBe("stopped");
    expect(begun).toEqual(["a", "b"]);
  });
});
