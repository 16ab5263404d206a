import { describe, expect, it } from "vitest";
import { cmd, printCommand, succeeded } from "../../../../providers/host/command.ts";
import { program } from "../../../../providers/programs/program.ts";

describe("cmd", () => {
  it("makes one argument of one value, whatever it holds", () => {
    const path = "a b\n'$(reboot)'";
    expect(cmd`mount --options ${"a,b c"} -- ${path}`).toEqual({ argv: ["mount", "--options", "a,b c", "--", path] });
  });

  it("makes one argument of each item of a list, and none of an empty list", () => {
    expect(cmd`vgextend -- ${"vg"} ${["/dev/a b", "/dev/c"]}`.argv).toEqual([
      "vgextend",
      "--",
      "vg",
      "/dev/a b",
      "/dev/c",
    ]);
    expect(cmd`mkfs.ext4 -q ${[]} ${"/dev/a"}`.argv).toEqual(["mkfs.ext4", "-q", "/dev/a"]);
  });

  it("joins a value to the text that it touches", () => {
    expect(cmd`lvcreate --size ${4096}b --name=${"lv a"} ${"a"}${"b"}`.argv).toEqual([
      "lvcreate",
      "--size",
      "4096b",
      "--name=lv a",
      "ab",
    ]);
  });

  it("keeps an empty value as an argument", () => {
    expect(cmd`is-uuid ${""} ${""}`.argv).toEqual(["is-uuid", "", ""]);
  });

  it("reads line ends and repeated spaces in the text as one space", () => {
    expect(
      cmd`  lsblk   --json
      --bytes  `.argv,
    ).toEqual(["lsblk", "--json", "--bytes"]);
  });

  it("refuses a list that touches other text", () => {
    expect(() => cmd`lvs --options=${["a", "b"]}`).toThrow(TypeError);
  });
});

describe("printCommand", () => {
  it("prints a command as a person would type it", () => {
    expect(printCommand(cmd`wipefs --all -- ${"/dev/my disk"}`)).toBe("wipefs --all -- '/dev/my disk'");
  });

  it("prints a program of ours by its name, without its text", () => {
    expect(printCommand(program("grow-filesystem", "xfs", "/dev/vg/lv"))).toBe("grow-filesystem xfs /dev/vg/lv");
  });
});

describe("succeeded", () => {
  it("is true only for exit code 0, unless other codes are declared", () => {
    const output = { stdout: "", stderr: "", exitCode: 2 };
    expect(succeeded({ argv: ["a"] }, output)).toBe(false);
    expect(succeeded({ argv: ["a"], okExitCodes: [0, 2] }, output)).toBe(true);
    expect(succeeded({ argv: ["a"], okExitCodes: [1] }, { ...output, exitCode: 0 })).toBe(false);
  });
});
