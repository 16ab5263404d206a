import { describe, expect, it } from "vitest";
import { printUnit, unitWord } from "../../../../providers/values/unitFile.ts";

describe("printUnit", () => {
  it("prints sections and directives in the order given, lists as repeated directives", () => {
    expect(
      printUnit({
        Unit: { Description: "Trim the hot tier", RequiresMountsFor: ["/data/a", "/data/b"] },
        Service: { Type: "oneshot", Nice: 19, PrivateTmp: true, RemainAfterExit: false },
      }),
    ).toBe(
      `[Unit]
Description=Trim the hot tier
RequiresMountsFor=/data/a
RequiresMountsFor=/data/b

[Service]
Type=oneshot
Nice=19
PrivateTmp=yes
RemainAfterExit=no
`,
    );
  });

  it("prints an empty value, which resets a directive that is a list", () => {
    expect(printUnit({ Service: { ExecStart: ["", "/bin/true"] } })).toBe(
      "[Service]\nExecStart=\nExecStart=/bin/true\n",
    );
  });

  it("leaves out a section without directives", () => {
    expect(printUnit({ Unit: {}, Timer: { OnCalendar: "daily" } })).toBe("[Timer]\nOnCalendar=daily\n");
  });

  it.each(["a\nExecStart=/bin/evil", "a\0b", "joins the next line \\"])(
    "refuses the value %j, which would change other directives",
    (value) => {
      expect(() => printUnit({ Unit: { Description: value } })).toThrow("Description= can't");
      expect(() => printUnit({ Unit: { Wants: ["a.service", value] } })).toThrow("Wants= can't");
    },
  );
});

describe("unitWord", () => {
  it("keeps a path with spaces one word, and leaves others as they are", () => {
    expect(["/data/a b", "/data/ü"].map(unitWord)).toEqual(['"/data/a b"', "/data/ü"]);
  });
});
