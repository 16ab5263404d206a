import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, it } from "vitest";
import { LAYERS, SHARED } from "../../imports.config.js";

const ROOT = join(import.meta.dirname, "../..");

/** Paths as the table shows them: those that the parts of a host share have one name. */
function show(paths: readonly string[]): string {
  const isShared = SHARED.every((path) => paths.includes(path));
  const rest = paths.filter((path) => !isShared || !SHARED.includes(path)).map((path) => `\`${path}\``);
  return [...rest, ...(isShared ? ["shared"] : [])].join(", ") || "–";
}

it("the table of imports in docs/architecture.md has the rules that lint holds", async () => {
  const text = await readFile(join(ROOT, "docs", "architecture.md"), "utf8");
  const table = text.slice(text.indexOf("| files |"), text.indexOf("## The graph of a host"));
  const rows = LAYERS.map(({ files, may, npm = [] }) => `| ${show(files)} | ${show(may)} | ${show(npm)} |`);
  expect(table.trimEnd().split("\n").slice(2)).toEqual(rows);
});
