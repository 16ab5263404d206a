import { expect, it } from "vitest";
import { printColumns } from "../../../setup/columns.ts";

it("columns are as wide as their longest cell, and no line ends in spaces", () => {
  expect(printColumns([["a", "bcd", "e"], ["long", "b", ""], ["f"], []])).toEqual(["a     bcd  e", "long  b", "f", ""]);
});

it("columns that are aligned at their right end at the same place", () => {
  const rows = [
    ["lint", "7 s", "ok"],
    ["e2e tiers", "112 s", "ok"],
  ];
  expect(printColumns(rows, [1])).toEqual(["lint         7 s  ok", "e2e tiers  112 s  ok"]);
});
