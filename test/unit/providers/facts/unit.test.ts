import { describe, expect, it } from "vitest";
import { unit } from "../../../../providers/facts/unit.ts";
import { fixture } from "../../../fixtures/fixture.ts";

describe("unit", () => {
  it("reads a timer that runs", () => {
    expect(unit.parse(fixture("systemctl-running-timer.txt"), "fstrim.timer")).toEqual({
      loadState: "loaded",
      fileState: "enabled",
      activeState: "active",
      needsReload: false,
      path: "/lib/systemd/system/fstrim.timer",
    });
  });

  it("reads a unit that systemd doesn't know", () => {
    expect(unit.parse(fixture("systemctl-no-such-unit.txt"), "tiered-storage.timer")).toEqual({
      loadState: "not-found",
      fileState: "",
      activeState: "inactive",
      needsReload: false,
      path: "",
    });
  });

  it("reads that the unit's file has changed since systemd read it", () => {
    const stdout = fixture("systemctl-running-timer.txt").stdout.replace("NeedDaemonReload=no", "NeedDaemonReload=yes");
    expect(unit.parse({ stdout, stderr: "", exitCode: 0 }, "fstrim.timer").needsReload).toBe(true);
  });

  it("fails on an output without the unit's state", () => {
    expect(() =>
      unit.parse({ stdout: "LoadState=loaded\nNeedDaemonReload=no\n", stderr: "", exitCode: 0 }, "a.timer"),
    ).toThrow("ActiveState");
  });

  it("splits the answer for many units into one for each, in the order asked for", () => {
    const outputs = [fixture("systemctl-running-timer.txt"), fixture("systemctl-no-such-unit.txt")];
    const together = { ...outputs[0]!, stdout: outputs.map(({ stdout }) => stdout).join("\n") };
    const names = ["a.timer", "b.timer"];
    expect(names.map((name, index) => unit.parse(unit.together!.part(together, name, index), name))).toEqual(
      outputs.map((output) => unit.parse(output, "a.timer")),
    );
  });
});
