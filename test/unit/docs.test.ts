import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, expect, it } from "vitest";
import { ROOT } from "../../setup/project.ts";

/** File → names of tests in it, as docs/safety.md has them. */
function citedTests(): readonly (readonly [string, readonly string[]])[] {
  const cited: [string, string[]][] = [];
  for (const [, file, quoted] of readFileSync(join(ROOT, "docs/safety.md"), "utf8").matchAll(
    /`(test\/[^`]+\.test\.ts)`|"([^"]+)"/g,
  )) {
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
