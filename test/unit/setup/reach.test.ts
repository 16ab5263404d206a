import { existsSync, readFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { describe, expect, it } from "vitest";
import { ROOT } from "../../../setup/project.ts";
import { REACH, reachedBy, reachOf, rowOf } from "../../../setup/reach.ts";
import { sourceFiles } from "../../../setup/sources.ts";
import { E2E_FILES } from "../../../setup/suite.ts";

const tracked = (await sourceFiles()) ?? [];

/** What a file imports to run, and what that imports, by paths in the checkout. */
function importsOf(path: string, found = new Set<string>()): ReadonlySet<string> {
  const text = readFileSync(join(ROOT, path), "utf8");
  for (const [, specifier = ""] of text.matchAll(/^(?:import|export)(?! type)[^;]*?"(\.[^"]+)";/gm)) {
    const imported = relative(ROOT, join(ROOT, dirname(path), specifier));
    if (found.has(imported)) continue;
    found.add(imported);
    importsOf(imported, found);
  }
  return found;
}

/** A change reaches the drill only where it is the drill's own. */
const REACHED = E2E_FILES.filter((file) => file !== "drill");

describe("the table of what a change reaches", () => {
  it.skipIf(tracked.length === 0)("has a row for every file, and a file for every row", () => {
    expect(tracked.filter((path) => rowOf(path) === undefined)).toEqual([]);
    const used = new Set(tracked.map(rowOf));
    const general = ["test/e2e/**"];
    expect(REACH.filter((row) => !used.has(row) && !general.includes(row[0])).map(([pattern]) => pattern)).toEqual([]);
  });

  it("names all end-to-end test files, and no others", () => {
    expect([...new Set(REACH.flatMap(([, files]) => files))].sort()).toEqual(E2E_FILES.toSorted());
  });

  it.each(REACHED)("has a row for each file that %s imports or reads, so that a change there reaches it", (file) => {
    const path = `test/e2e/${file}.test.ts`;
    const read = [...readFileSync(join(ROOT, path), "utf8").matchAll(/join\(ROOT, "([^"]+)"\)/g)].map(
      ([, name = ""]) => name,
    );
    const needed = [path, ...importsOf(path), ...read];
    expect(needed).toContain("lab/lab.ts");
    expect(needed.filter((one) => !existsSync(join(ROOT, one)))).toEqual([]);
    expect(needed.filter((one) => !reachOf(one).includes(file))).toEqual([]);
  });

  it("lets a path without a row reach all end-to-end test files, but for the drill", () => {
    expect(reachOf("new/thing.ts").toSorted()).toEqual(REACHED.toSorted());
  });

  it("gives for each end-to-end test file the changed files that reach it", () => {
    expect(
      Object.fromEntries(reachedBy(["docs/values.md", "scripts/performance-test.sh", "test/e2e/operations.test.ts"])),
    ).toEqual({ operations: ["scripts/performance-test.sh", "test/e2e/operations.test.ts"] });
  });
});
