import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { Fleet, type Work } from "../../../../setup/fleet/fleet.ts";
import { FleetRun, type StackRun } from "../../../../setup/fleet/run.ts";
import type { Plan } from "../../../../setup/preview/plan.ts";

const IDENTITY = { operation: "up", stacks: ["a", "b", "c"], version: "1", backend: "file:///states" };
const LIMITS = { parallel: 1, canaries: [], maxFailures: 3 };
const YES = { lossAllowed: [], mayGoOn: () => Promise.resolve(true) };

let folder: string;
beforeEach(async () => (folder = await mkdtemp(join(tmpdir(), "jts-fleet-"))));
afterEach(() => rm(folder, { recursive: true }));

const ok: StackRun = { result: "ok", changes: { create: 1 }, seconds: 1 };
const failed: StackRun = { ...ok, result: "failed", error: "no route to host" };

function planOf(stack: string, destroysData: boolean): Plan {
  const change = { operation: "delete", host: "h", tier: "hot", name: "redis-lv", kind: "LogicalVolume", what: "" };
  const risk = { destroysData, interruptsService: false };
  return { stack, changes: [{ ...change, ...risk }], unchanged: 0, outputs: {}, warnings: [], errors: [] };
}

interface Script {
  /** Operations and stacks that fail, such as `up b`. */
  readonly failing?: readonly string[];
  readonly destroying?: readonly string[];
  readonly resumes?: boolean;
  readonly identity?: typeof IDENTITY;
}

/** A fleet on stacks that do as the script says; `done` lists what was done to which. */
async function fleetOf({ failing = [], destroying = [], resumes = false, identity = IDENTITY }: Script = {}) {
  const done: string[] = [];
  let said = "";
  const work: Work = (operation, stack) => {
    done.push(`${operation} ${stack}`);
    const run = failing.includes(`${operation} ${stack}`) ? failed : ok;
    return Promise.resolve({ run, plan: planOf(stack, destroying.includes(stack)) });
  };
  const run = await FleetRun.begin(folder, identity, { resumes });
  const stop = new AbortController();
  const fleet = new Fleet({ run, work, screen: { write: (text) => (said += text) }, signal: stop.signal });
  return { fleet, run, done, stop, said: () => said };
}

const resultsOf = (run: FleetRun) => Object.fromEntries([...run.all].map(([stack, { result }]) => [stack, result]));

describe("an up of a fleet", () => {
  it("previews all, asks once with the sum, and then brings up each", async () => {
    const { fleet, run, done, said } = await fleetOf();
    const asked: string[] = [];
    const mayGoOn = (question: string) => {
      asked.push(question, ...done, said());
      return Promise.resolve(true);
    };
    expect(await fleet.up(run.left, LIMITS, { lossAllowed: [], mayGoOn })).toBeUndefined();
    expect(asked.slice(0, -1)).toEqual(["Bring up 3 of 3 stacks?", "preview a", "preview b", "preview c"]);
    expect(asked.at(-1)).toContain("3 stacks together, changes: 3 to delete");
    expect(done.slice(3)).toEqual(["up a", "up b", "up c"]);
    expect(resultsOf(run)).toEqual({ a: "ok", b: "ok", c: "ok" });
  });

  it("touches nothing where the answer is no", async () => {
    const { fleet, run, done } = await fleetOf();
    const mayGoOn = () => Promise.resolve(false);
    expect(await fleet.up(run.left, LIMITS, { lossAllowed: [], mayGoOn })).toBe("the question was answered with no");
    expect(done).toEqual(["preview a", "preview b", "preview c"]);
    expect(resultsOf(run)).toEqual({ a: "not begun", b: "not begun", c: "not begun" });
  });

  it("leaves out a stack whose preview failed, and goes on with the others", async () => {
    const { fleet, run, done } = await fleetOf({ failing: ["preview b"] });
    expect(await fleet.up(run.left, LIMITS, YES)).toBeUndefined();
    expect(done.slice(3)).toEqual(["up a", "up c"]);
    expect(resultsOf(run)).toEqual({ a: "ok", b: "failed", c: "ok" });
  });

  it("refuses a stack whose preview destroys data, unless it is named", async () => {
    const refused = await fleetOf({ destroying: ["a", "c"] });
    await refused.fleet.up(refused.run.left, LIMITS, { ...YES, lossAllowed: ["c"] });
    expect(refused.done.slice(3)).toEqual(["up b", "up c"]);
    expect(resultsOf(refused.run)).toEqual({ a: "refused", b: "ok", c: "ok" });
    expect(refused.run.all.get("a")?.error).toContain("--allow-data-loss a");
    expect(refused.said()).toContain("a would destroy data: redis-lv");
  });

  it("begins nothing where the preview of a canary failed", async () => {
    const { fleet, run, done } = await fleetOf({ failing: ["preview c"] });
    expect(await fleet.up(run.left, { ...LIMITS, canaries: ["c"] }, YES)).toBe("a canary failed");
    expect(done.filter((one) => one.startsWith("up"))).toEqual([]);
  });

  it("brings up nothing after it was stopped in the previews", async () => {
    const { fleet, run, done, stop } = await fleetOf();
    stop.abort();
    expect(await fleet.up(run.left, LIMITS, YES)).toBe("stopped");
    expect(done).toEqual([]);
  });
});

describe("a fleet that is resumed", () => {
  it("goes on with the stacks that did not succeed, also after a kill in the middle of one", async () => {
    const first = await fleetOf({ failing: ["up a"] });
    await first.fleet.up(first.run.left, { ...LIMITS, maxFailures: 2 }, YES);
    await first.run.set("c", { result: "begun", changes: {}, seconds: 0 });
    const second = await fleetOf({ resumes: true });
    expect(second.run.left).toEqual(["a", "c"]);
    expect(second.run.all.get("b")).toEqual(ok);
    await second.fleet.up(second.run.left, LIMITS, YES);
    expect((await fleetOf({ resumes: true })).run.left).toEqual([]);
  });

  it.each<[string, Partial<typeof IDENTITY>, string]>([
    ["other stacks", { stacks: ["a", "b"] }, "of other stacks: a, b, c"],
    ["another state of the files", { version: "2" }, "has changed"],
    ["another backend", { backend: "s3://states" }, "no up of a fleet on s3://states"],
    ["another operation", { operation: "drift" }, "there was no drift"],
  ])("refuses %s", async (_name, change, why) => {
    await fleetOf();
    await expect(fleetOf({ resumes: true, identity: { ...IDENTITY, ...change } })).rejects.toThrow(why);
  });

  it("takes over from the last run on its own backend, whatever ran on others since", async () => {
    const first = await fleetOf({ failing: ["up a"] });
    await first.fleet.up(first.run.left, LIMITS, YES);
    await fleetOf({ identity: { ...IDENTITY, backend: "s3://states" } });
    expect((await fleetOf({ resumes: true })).run.left).toEqual(["a"]);
  });

  it("has a record that is whole at any time, with nothing beside it", async () => {
    const { run } = await fleetOf();
    await Promise.all(IDENTITY.stacks.map((stack) => run.set(stack, ok)));
    expect(await readdir(run.folder)).toEqual(["run.json"]);
    const { runs } = JSON.parse(await readFile(join(run.folder, "run.json"), "utf8")) as { runs: unknown };
    expect(runs).toEqual({ a: ok, b: ok, c: ok });
  });
});
