import { describe, expect, it } from "vitest";
import { accountName, lvmName, mode, path } from "../../../../providers/values/fields.ts";

describe("what names, paths and modes must look like", () => {
  it.each([
    [
      "path",
      path,
      ["/", "/data", "/data/a b", "/dev/disk/by-id/nvme-1", "/..a"],
      ["", "data", "/data/", "//data", "/data//a", "/data/./a", "/data/../a", "/a\nb", "/a\0b"],
    ],
    [
      "lvmName",
      lvmName,
      ["vg_jts", "lv-0", "a".repeat(127), "+a", "..."],
      ["", ".", "..", "-a", "a/b", "a b", "a".repeat(128), "ä"],
    ],
    [
      "accountName",
      accountName,
      ["root", "_chrony", "redis-1", "host$", "Root", "jts.trader", "1a", "a".repeat(32)],
      ["", "1000", "a:b", "a b", "-a", ".a", "a@b", "ä", "a".repeat(33), `${"a".repeat(32)}$`],
    ],
    ["mode", mode, ["750", "0750", "2775", "000"], ["", "75", "888", "rwx", "07500"]],
  ])("of the form %s are accepted, and others are not", (_name, schema, good, bad) => {
    expect(good.filter((text) => !schema.safeParse(text).success)).toEqual([]);
    expect(bad.filter((text) => schema.safeParse(text).success)).toEqual([]);
  });

  it("have modes as stat(1) prints them", () => {
    expect(["0750", "750", "2775"].map((text) => mode.parse(text))).toEqual(["750", "750", "2775"]);
  });
});
