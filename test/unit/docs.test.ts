import { existsSync, readdirSync, readFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { describe, expect, it } from "vitest";
import { ROOT } from "../../setup/project.ts";
import { testsThatAre } from "../../setup/suite.ts";

/** A promise of docs/safety.md, and the tests that hold it: file, and names in it. */
interface Promised {
  readonly promise: string;
  readonly tests: readonly (readonly [file: string, names: readonly string[]])[];
}

function promises(): readonly Promised[] {
  const rows = [...readFileSync(join(ROOT, "docs/safety.md"), "utf8").matchAll(/^\| (.*?) \| (.*) \|$/gm)];
  return rows.map(([, promise = "", held = ""]) => {
    const tests: [string, string[]][] = [];
    for (const [, file, quoted] of held.matchAll(/`(test\/[^`]+\.test\.ts)`|"([^"]+)"/g)) {
      if (file !== undefined) tests.push([file, []]);
      else if (quoted !== undefined) tests.at(-1)?.[1].push(quoted);
    }
    return { promise, tests };
  });
}

/** A name as it stands in a file, with `%s` and `$name` for what differs. */
const patternOf = (name: string) =>
  new RegExp(`(^| > )${name.replaceAll(/[.*+?^{}()|[\]\\]/g, "\\$&").replaceAll(/%[sj]|\$\w+/g, ".*")}( > |$)`);

describe("docs/safety.md", () => {
  it("names tests that there are", () => {
    const missing = promises().flatMap(({ tests }) =>
      tests.flatMap(([file, names]) => {
        const text = existsSync(join(ROOT, file)) ? readFileSync(join(ROOT, file), "utf8") : undefined;
        if (text === undefined) return [file];
        return names.filter((name) => !text.includes(JSON.stringify(name))).map((name) => `${file}: ${name}`);
      }),
    );
    expect(missing).toEqual([]);
  });

  it("has for each promise a test that `npm test` runs", async () => {
    const inShort = await testsThatAre("!long");
    const isRun = ([file, names]: Promised["tests"][number]) => {
      if (!file.startsWith("test/e2e/")) return true;
      const run = inShort.get(basename(file, ".test.ts")) ?? [];
      return names.length === 0 ? run.length > 0 : names.some((name) => run.some((one) => patternOf(name).test(one)));
    };
    const held = promises().filter(({ tests }) => tests.length > 0);
    expect(held.length).toBeGreaterThan(40);
    expect(held.filter(({ tests }) => !tests.some(isRun)).map(({ promise }) => promise)).toEqual([]);
  });
});

describe("the documentation", () => {
  const pages = [
    "README.md",
    "CONTRIBUTING.md",
    ...readdirSync(join(ROOT, "docs"), { recursive: true, encoding: "utf8" })
      .filter((name) => name.endsWith(".md"))
      .map((name) => join("docs", name)),
  ];

  it("links to files and headings that there are", () => {
    // As GitHub makes them of headings.
    const anchors = (page: string) =>
      [...readFileSync(join(ROOT, page), "utf8").matchAll(/^#+ (.*)$/gm)].map(([, heading = ""]) =>
        heading
          .toLowerCase()
          .replaceAll(/[^\w -]/g, "")
          .replaceAll(" ", "-"),
      );
    const broken = pages.flatMap((page) =>
      [...readFileSync(join(ROOT, page), "utf8").matchAll(/\]\((?!https?:)([^)\s#]*)(?:#([^)\s]*))?\)/g)].flatMap(
        ([link, path = "", anchor]) => {
          const target = path === "" ? page : join(dirname(page), path);
          return existsSync(join(ROOT, target)) && (anchor === undefined || anchors(target).includes(anchor))
            ? []
            : [`${page}: ${link}`];
        },
      ),
    );
    expect(pages.length).toBeGreaterThan(20);
    expect(broken).toEqual([]);
  });
});
