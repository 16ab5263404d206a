import { describe, expect, it } from "vitest";
import { claims } from "../../../../providers/facts/claims.ts";
import { replacedFiles } from "../../../../providers/facts/replaced.ts";

const said = (stdout: string) => ({ stdout, stderr: "", exitCode: 0 });

describe("what speaks against replacing a file", () => {
  it("is read for each path, with tabs in its name", () => {
    const paths = ["/etc/a", "/etc/b\tc"];
    const stdout = `type\tregular empty file\t/etc/a\npackage\tprocps, other:amd64\t/etc/a\ntype\tdirectory\t/etc/b\tc\nsettings\t/etc/a.d\t/etc/a\n`;
    expect(claims.parse(said(stdout), paths)).toEqual(
      new Map([
        ["/etc/a", { type: "regular file", packages: "procps, other:amd64", settings: "/etc/a.d" }],
        ["/etc/b\tc", { type: "directory" }],
      ]),
    );
  });

  it.each(["type\tregular file\t/etc/other\n", "kind\tx\t/etc/a\n"])("is not guessed from %j", (stdout) => {
    expect(() => claims.parse(said(stdout), ["/etc/a"])).toThrow("an odd line");
  });
});

describe("the state of a file that was replaced", () => {
  it("is read for each path", () => {
    expect(replacedFiles.parse(said("kept\tours\t/etc/a\nlost\tother\t/etc/b\n"), ["/etc/a", "/etc/b"])).toEqual(
      new Map([
        ["/etc/a", { isKept: true, here: "ours" }],
        ["/etc/b", { isKept: false, here: "other" }],
      ]),
    );
  });

  it.each(["", "kept\tmine\t/etc/a\n", "kept\tours\t/etc/b\n"])("is not guessed from %j", (stdout) => {
    expect(() => replacedFiles.parse(said(stdout), ["/etc/a"])).toThrow(/odd line|leaves out/);
  });
});
