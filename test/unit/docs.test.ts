import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { ROOT } from "../../setup/project.ts";

/** File → names of tests in it, as docs/safety.md has them. */
function citedTests(): readonly (readonly [string, readonly string[]])[] {
  const cited: [string, string[]][] = [];
  for (const [, file, quoted] of readFileSync(join(ROOT, "docs/safety.md"), "utf8").matchAll(/`(test\/[^`]+\.test\.ts)`|"([^"]+)"/g)) {
    if (file !== undefined) cited.push([file, []]);
    else if (quoted !== undefined) cited.at(-1)?.[1].push(quoted);
  }
  return cited;
}

describe("docs/safety.md", () => {
  it("names tests that there are", () => {
    const missing = citedTests().flatMap(([file, names]) => {
      const text = existsSync(join(ROOT, file)) ? readFileSync(join(ROOT, file), "utf8") : undefined;
      if (text === undefined) return [file];
      return names.filter((name) => !text.includes(JSON.stringify(name))).map((name) => `${file}: ${name}`);
    });
    expect(missing).toEqual([]);
  });
});
