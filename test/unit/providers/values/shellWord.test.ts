import { spawnSync } from "node:child_process";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { quote } from "../../../../providers/values/shellWord.ts";

describe("quote", () => {
  it("gives every text back from a real bash, byte for byte", () => {
    const hostile = fc.string({
      unit: fc.constantFrom(..."'\"\\$`!*?[]{}()<>|&;~#=% \t\n\r\u0001\u007fäé€", "🗄", "$(reboot)", "'\\''", "-n"),
      maxLength: 30,
    });
    const texts = fc
      .sample(
        fc.oneof(
          hostile,
          fc.string({ unit: "binary", maxLength: 30 }).filter((text) => !text.includes("\0")),
        ),
        { numRuns: 2000, seed: 1 },
      )
      .map((text) => text.toWellFormed());
    const { stdout, status } = spawnSync("bash", ["-s"], {
      input: `printf '%s\\0' ${texts.map(quote).join(" ")}\n`,
      encoding: "utf8",
    });
    expect(status).toBe(0);
    expect(stdout.split("\0").slice(0, -1)).toEqual(texts);
  });

  it("leaves plain words as a person would type them", () => {
    expect(["lvcreate", "--size", "800GiB", "/dev/vg_jts/lv_postgres", "LABEL=a:b,c"].map(quote).join(" ")).toBe(
      "lvcreate --size 800GiB /dev/vg_jts/lv_postgres LABEL=a:b,c",
    );
  });

  it("writes an empty text as a word, and does not let a home folder expand", () => {
    expect(quote("")).toBe("''");
    expect(quote("~root")).toBe("'~root'");
  });

  it("refuses a NUL, which no argument can hold", () => {
    expect(() => quote("a\0b")).toThrow(TypeError);
  });
});
