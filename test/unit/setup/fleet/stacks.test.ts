import { describe, expect, it } from "vitest";
import { WrongUsage } from "../../../../setup/command.ts";
import { readLimit, selectCanaries, selectStacks, stacksIn } from "../../../../setup/fleet/stacks.ts";

const ALL = ["dev", "prod-1", "prod-2", "prod-10", "test.eu"];

describe("the stacks of a fleet", () => {
  it("are wrong usage where their folder is none", async () => {
    await expect(stacksIn(import.meta.filename)).rejects.toThrow(WrongUsage);
  });

  it.each<[string[], string[]]>([
    [[], ALL],
    [["prod-*"], ["prod-1", "prod-2", "prod-10"]],
    [
      ["prod-?", "dev"],
      ["dev", "prod-1", "prod-2"],
    ],
    [
      ["prod-10", "prod-*"],
      ["prod-1", "prod-2", "prod-10"],
    ],
    [["{dev,test.*}"], ["dev", "test.eu"]],
    [
      ["prod-*", "!prod-2"],
      ["prod-1", "prod-10"],
    ],
    [["!prod-*"], ["dev", "test.eu"]],
  ])("are by %j %j, in the order of all", (patterns, expected) => {
    expect(selectStacks(ALL, patterns)).toEqual(expected);
  });

  it.each([[["prod-*", "stage-*"]], [["!stage-1"]], [["dev", "!dev"]]])(
    "are refused for %j, which would leave out what somebody meant",
    (patterns) => {
      expect(() => selectStacks(ALL, patterns)).toThrow(/No stack is/);
    },
  );

  it("have as canaries those that are named, or so many of the first", () => {
    expect(selectCanaries(ALL, [])).toEqual([]);
    expect(selectCanaries(ALL, ["2"])).toEqual(["dev", "prod-1"]);
    expect(selectCanaries(ALL, ["test.eu", "prod-1"])).toEqual(["prod-1", "test.eu"]);
    expect(selectCanaries(["1", "2"], ["2"])).toEqual(["2"]);
    expect(() => selectCanaries(ALL, ["prod-3"])).toThrow("--canary prod-3 is none of the chosen stacks");
  });

  it.each([
    ["3", 20, 3],
    ["10%", 20, 2],
    ["10%", 21, 3],
    ["10%", 2, 1],
    ["0%", 50, 1],
    ["100%", 5, 5],
  ])("may have failures: %s of %d stacks is %d", (text, stacks, expected) => {
    expect(readLimit(text, stacks)).toBe(expected);
  });

  it.each(["0", "-1", "1.5", "101%", "%", "few"])("have no limit %j", (text) => {
    expect(() => readLimit(text, 10)).toThrow("--max-failures");
  });
});
