import { describe, expect, it } from "vitest";
import { groupExists, userExists } from "../../../../providers/facts/accounts.ts";
import { fstab } from "../../../../providers/facts/fstab.ts";
import { signsOfUse } from "../../../../providers/facts/signsOfUse.ts";
import { succeeded } from "../../../../providers/host/command.ts";
import { fixture } from "../../../fixtures/fixture.ts";
import { runLocally } from "../runLocally.ts";

describe("userExists and groupExists", () => {
  it("distinguish an account that exists from one that doesn't, by getent's exit code", () => {
    const ask = (name: string) => userExists.parse(runLocally(userExists.command(name)), name);
    expect([ask("root"), ask("no-such-user-here")]).toEqual([true, false]);
  });

  it("distinguish many at once", () => {
    const names = ["no-such-group-here", "root", "daemon", "roo"];
    const output = runLocally(groupExists.together!.command(names));
    const found = names.map((name, index) => groupExists.parse(groupExists.together!.part(output, name, index), name));
    expect(found).toEqual([false, true, true, false]);
  });

  it("fail where the name service fails", () => {
    const output = { stdout: "", stderr: "", exitCode: 1 };
    expect(
      [groupExists.command("a"), userExists.together!.command(["a"])].map((command) => succeeded(command, output)),
    ).toEqual([false, false]);
  });
});

describe("signsOfUse", () => {
  it("reads each line as a sign, and an empty output as proof of a blank device", () => {
    expect(
      signsOfUse.parse({ stdout: "a signature of gpt\npart /dev/sda1 on it\n", stderr: "", exitCode: 10 }, "/dev/sda"),
    ).toEqual(["a signature of gpt", "part /dev/sda1 on it"]);
    expect(signsOfUse.parse({ stdout: "", stderr: "", exitCode: 0 }, "/dev/sda")).toEqual([]);
  });

  it("fails where the program ends with any other exit code", () => {
    const command = signsOfUse.command("/dev/a");
    expect(
      [0, 1, 2, 10, 127, 141].filter((exitCode) => succeeded(command, { stdout: "", stderr: "", exitCode })),
    ).toEqual([0, 10]);
  });
});

describe("fstab", () => {
  it("keeps every byte", () => {
    const output = fixture("fstab-jts.txt");
    expect(fstab.parse(output, undefined)).toBe(output.stdout);
  });
});
