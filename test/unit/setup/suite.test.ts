import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { ROOT } from "../../../setup/project.ts";
import { E2E_FILES, testsThatAre, rotated, runParts as runPartsAround, type Part } from "../../../setup/suite.ts";

type Around = Required<Parameters<typeof runPartsAround>>[2];

describe("parts that run one after another", () => {
  const around = {
    passedBefore: vi.fn<Around["passedBefore"]>(),
    remember: vi.fn<Around["remember"]>(),
    stateOf: vi.fn<Around["stateOf"]>(),
  };
  const runParts = (parts: readonly Part[], options?: { skipsPassed: boolean }) =>
    runPartsAround(parts, options, around);
  let said: string[];
  beforeEach(() => {
    said = [];
    vi.spyOn(console, "log").mockImplementation((text: string) => void said.push(...text.split("\n")));
    around.stateOf.mockResolvedValue("state");
  });
  afterEach(() => {
    vi.resetAllMocks();
    vi.unstubAllEnvs();
  });

  const part = (name: string, program = "true", more: Partial<Part> = {}): Part => ({
    name,
    command: [program],
    dependsOn: () => true,
    ...more,
  });

  it("end with a table, and a line with the numbers of outcomes", async () => {
    expect(await runParts([part("lint"), part("e2e tiers")])).toBe(0);
    expect(said.slice(-3)).toEqual([
      "passed  lint       0 s",
      "passed  e2e tiers  0 s",
      "2 passed, 0 failed, 0 skipped",
    ]);
  });

  it("stop at the first that fails, and what passed is remembered", async () => {
    expect(await runParts([part("a"), part("b", "false"), part("c")])).toBe(1);
    expect(said.slice(-4)).toEqual([
      "passed   a  0 s",
      "FAILED   b  0 s",
      "not run  c",
      "1 passed, 1 failed, 1 skipped",
    ]);
    expect(around.remember.mock.calls).toEqual([["a", "state", 0]]);
  });

  it("don't run again where they passed in this state, if that is asked for", async () => {
    around.passedBefore.mockImplementation((name) => Promise.resolve(name === "a" ? 7 : undefined));
    expect(await runParts([part("a", "false"), part("b")], { skipsPassed: true })).toBe(0);
    expect(said.at(-1)).toBe("1 passed, 0 failed, 1 skipped");
    expect(await runParts([part("a", "false")])).toBe(1);
  });

  it("aren't remembered where the checkout changed meanwhile", async () => {
    around.stateOf.mockResolvedValueOnce("before").mockResolvedValueOnce("after");
    expect(await runParts([part("a")])).toBe(0);
    expect(around.remember).not.toHaveBeenCalled();
  });

  it("don't start once their time is over, and are named with the command that runs them", async () => {
    vi.stubEnv("JTS_STORAGE_E2E_MINUTES", "0.0001");
    const timed = { isTimed: true };
    const slow: Part = { ...part("e2e slow"), command: ["sleep", "0.1"] };
    const late = [part("e2e a", "true", timed), part("e2e b", "true", timed)];
    expect(await runParts([part("first"), slow, ...late])).toBe(0);
    expect(said.slice(-2)).toEqual([
      "Not run, since JTS_STORAGE_E2E_MINUTES=0.0001 were over: a, b. Next: npm run test:e2e -- a b",
      "2 passed, 0 failed, 2 skipped",
    ]);
  });
});

it("each day another file comes first, until each has done so", () => {
  const day = 86_400_000;
  const firsts = [0, 1, 2, 3].map((days) => rotated(["a", "b", "c"], (20_000 + days) * day)[0]);
  expect(new Set(firsts.slice(0, 3))).toEqual(new Set(["a", "b", "c"]));
  expect(firsts[3]).toBe(firsts[0]);
  expect(rotated(["a", "b", "c"], day)).toEqual(["b", "c", "a"]);
  expect(rotated([])).toEqual([]);
});

describe("tests that are marked as long", async () => {
  const marked = await testsThatAre("long");
  const section = /^### Tests that take long\n([^]*?)\n#/m.exec(
    readFileSync(join(ROOT, "CONTRIBUTING.md"), "utf8"),
  )?.[1];
  const rows = [...(section ?? "").matchAll(/^\| `(\w+)` \| "(.+)" \| (\d+ s) \| (\S.*) \|$/gm)].map(
    ([, file = "", name = ""]) => ({ file, name }),
  );
  /** A row names a test, or the whole `describe` that is marked. */
  const isOf = (row: (typeof rows)[number], file: string, test: string) =>
    row.file === file && ` > ${test} > `.includes(` > ${row.name} > `);

  it("are the rows of CONTRIBUTING.md's table, each with its seconds and its reason", () => {
    expect(section).toContain("| file | test | takes | why it can't be shorter |\n");
    const tests = [...marked].flatMap(([file, names]) => names.map((name) => [file, name] as const));
    expect(tests.filter(([file, name]) => !rows.some((row) => isOf(row, file, name)))).toEqual([]);
    expect(rows.filter((row) => !tests.some(([file, name]) => isOf(row, file, name)))).toEqual([]);
    expect(section?.match(/^\| `/gm)?.length ?? 0).toBe(rows.length);
  });

  it("say so by a literal, since nothing else can be read without running them", () => {
    for (const file of E2E_FILES)
      for (const [text] of readFileSync(join(ROOT, `test/e2e/${file}.test.ts`), "utf8").matchAll(/\btags\b.{0,12}/g))
        expect(text, file).toMatch(/^tags: \["long"\]/);
  });
});
