import type { EngineEvent } from "@pulumi/pulumi/automation/index.js";
import { describe, expect, it } from "vitest";
import { TierProgress } from "../../../../setup/fleet/tierProgress.ts";
import { diagnosticEvent, endOf, stepEvent } from "../events.ts";

const declared = (component: string, ...names: string[]) => [
  { name: component, type: "jts-storage:Tier", parent: undefined },
  ...names.map((name) => ({
    name: `${component}-${name}`,
    type: "pulumi-nodejs:dynamic/jts-storage:Directory",
    parent: component,
  })),
];
const begin = (component: string, name: string, op = "create") =>
  stepEvent(component, name, "Directory", { op, old: {}, new: {} });
const at = (timestamp: number, event: EngineEvent): EngineEvent => ({ ...event, timestamp });
const urnOf = ({ resourcePreEvent }: EngineEvent) => resourcePreEvent!.metadata.urn;

describe("the lines of an `up` without a terminal", () => {
  it("say once that a tier is finished, when the last that the program declares for it is done", () => {
    const progress = new TierProgress();
    progress.expect([...declared("a-hot", "pv", "vg"), ...declared("a-warm", "fs")]);
    const [pv, vg] = [begin("a-hot", "pv"), begin("a-hot", "vg", "same")];
    expect(progress.take(at(100, pv))).toEqual([]);
    expect(progress.take(at(104, endOf(pv)))).toEqual([]);
    expect(progress.print(90, 110)).toBe("  … 20 s; hot 1/2, warm 0/1");
    progress.take(at(110, vg));
    expect(progress.take(at(112, endOf(vg)))).toEqual(["hot 2/2 in 12 s: 1 create, 1 same"]);
    expect(progress.take(at(112, endOf(vg)))).toEqual([]);
    expect(progress.print(90, 112)).toBe("  … 22 s; warm 0/1");
    expect(progress.printRest()).toEqual([]);
  });

  it("name what has been running the longest, how long, and what the provider says of it", () => {
    const progress = new TierProgress();
    progress.expect(declared("a-hot", "a", "b", "c", "d", "e"));
    const steps = ["e", "d", "c", "b", "a"].map((name) => begin("a-hot", name));
    steps.forEach((step, index) => progress.take(at(100 + index, step)));
    const said = diagnosticEvent("info", "format /dev/x as xfs: 7 s\n", urnOf(steps[0]!));
    const ephemeral = { ...said, diagnosticEvent: { ...said.diagnosticEvent!, ephemeral: true } };
    expect(progress.take(ephemeral)).toEqual([]);
    expect(progress.print(100, 160)).toBe(
      "  … 60 s; hot 0/5; create a-hot-e: 60 s (format /dev/x as xfs: 7 s), create a-hot-d: 59 s, create a-hot-c: 58 s, 2 more",
    );
  });

  it("have an error in full and at once, only once, with its resource; and what is left at the end", () => {
    const progress = new TierProgress();
    progress.expect(declared("a-hot", "pv", "vg"));
    const pv = begin("a-hot", "pv");
    progress.take(pv);
    const error = diagnosticEvent("error", "a: no such disk\nNext: look at it", urnOf(pv));
    expect(progress.take(error)).toEqual(["error: a-hot-pv: a: no such disk\nNext: look at it"]);
    expect(progress.take(error)).toEqual([]);
    expect(progress.take(endOf(pv, "failed"))).toEqual([]);
    expect(progress.print(0, 1)).toBe("  … 1 s; hot 0/2");
    expect(progress.printRest()).toEqual(["hot 0/2, 1 failed"]);
  });

  it("have warnings, the provider's own too, and nothing else that is said", () => {
    const progress = new TierProgress();
    const lines = [
      diagnosticEvent("warning", "a key is deprecated\n"),
      diagnosticEvent("info#err", "Warning: Filesystem a:/dev/x: this change wipes data.\n"),
      diagnosticEvent("info", "Packages a:packages was there already\n"),
      diagnosticEvent("debug", "RegisterResource RPC prepared\n"),
    ].flatMap((event) => progress.take(event));
    expect(lines).toEqual(["warning: a key is deprecated", "Warning: Filesystem a:/dev/x: this change wipes data."]);
  });

  it("take a resource that is replaced for done only when the new one is there", () => {
    const progress = new TierProgress();
    progress.expect(declared("a-hot", "pv"));
    const steps = ["delete-replaced", "replace", "create-replacement"].map((op) => begin("a-hot", "pv", op));
    const lines = steps.map((step) => [...progress.take(step), ...progress.take(endOf(step))]);
    expect(lines).toEqual([[], [], ["hot 1/1 in 0 s: 1 replace"]]);
  });

  it("name the hosts where there are several, and count without a total until the program's answer is there", () => {
    const progress = new TierProgress();
    const pv = begin("b-hot", "pv");
    progress.take(pv);
    progress.take(endOf(pv));
    expect(progress.print(0, 1)).toBe("  … 1 s; hot 1 done");
    progress.expect([...declared("b-hot", "pv", "vg"), ...declared("a-cold", "mount")]);
    expect(progress.print(0, 2)).toBe("  … 2 s; a: cold 0/1, b: hot 1/2");
    expect(progress.printRest()).toEqual(["b: hot 1/2"]);
  });
});
