import { describe, expect, it } from "vitest";
import { accountExists } from "../../../../providers/facts/accounts.ts";
import { fstab } from "../../../../providers/facts/fstab.ts";
import { signsOfUse } from "../../../../providers/facts/signsOfUse.ts";
import { sourceDevice } from "../../../../providers/facts/sourceDevice.ts";
import { succeeded } from "../../../../providers/host/command.ts";
import { fixture } from "../../../fixtures/fixture.ts";
import { runLocally } from "../runLocally.ts";

describe("accountExists", () => {
  it("tells an account that is there from one that isn't, by getent's exit code", () => {
    const ask = (name: string) =>
      accountExists.parse(runLocally(accountExists.command({ database: "passwd", name })), {
        database: "passwd",
        name,
      });
    expect([ask("root"), ask("no-such-user-here")]).toEqual([true, false]);
  });

  it("takes a name service that failed for no answer", () => {
    expect(
      succeeded(accountExists.command({ database: "group", name: "a" }), { stdout: "", stderr: "", exitCode: 1 }),
    ).toBe(false);
  });
});

describe("signsOfUse", () => {
  it("reads each line as a sign, and no line as proof of a blank device", () => {
    expect(
      signsOfUse.parse({ stdout: "a signature of gpt\npart /dev/sda1 on it\n", stderr: "", exitCode: 10 }, "/dev/sda"),
    ).toEqual(["a signature of gpt", "part /dev/sda1 on it"]);
    expect(signsOfUse.parse({ stdout: "", stderr: "", exitCode: 0 }, "/dev/sda")).toEqual([]);
  });

  it("takes every other end of the program for no answer", () => {
    const command = signsOfUse.command("/dev/a");
    expect(
      [0, 1, 2, 10, 127, 141].filter((exitCode) => succeeded(command, { stdout: "", stderr: "", exitCode })),
    ).toEqual([0, 10]);
  });
});

describe("sourceDevice", () => {
  it("reads the device, or none where there is none now", () => {
    expect(sourceDevice.parse({ stdout: "254:5\t/dev/dm-5\n", stderr: "", exitCode: 0 }, "LABEL=a")).toEqual({
      path: "/dev/dm-5",
      number: "254:5",
    });
    expect(sourceDevice.parse({ stdout: "", stderr: "", exitCode: 1 }, "LABEL=a")).toBeUndefined();
  });
});

describe("fstab", () => {
  it("keeps every byte", () => {
    const output = fixture("fstab-jts.txt");
    expect(fstab.parse(output, undefined)).toBe(output.stdout);
  });
});
