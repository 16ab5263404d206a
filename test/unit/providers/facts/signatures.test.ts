import { describe, expect, it } from "vitest";
import { signatures } from "../../../../providers/facts/signatures.ts";
import { fixture } from "../../../fixtures/fixture.ts";

describe("signatures", () => {
  it.each([
    ["wipefs-ext4.json", [{ type: "ext4", label: "root", uuid: "00f48d8a-fa1c-4123-bdd2-79ac19142a25" }]],
    ["wipefs-xfs.json", [{ type: "xfs", label: undefined, uuid: "aa3dcce4-8b91-4408-b19f-835c05401174" }]],
    ["wipefs-btrfs.json", [{ type: "btrfs", label: "jts-warm-storage", uuid: "df6a9ed0-d1ee-47cf-9d94-f49dc6fedb68" }]],
    [
      "wipefs-lvm-member.json",
      [{ type: "LVM2_member", label: undefined, uuid: "9xqKsi-WkXd-m2qf-2Ma9-933T-fb42-perGY5" }],
    ],
  ])("reads %s", (name, expected) => {
    expect(signatures.parse(fixture(name), "/dev/a")).toEqual(expected);
  });

  it("reads every signature of a partition table, which has no label and no UUID", () => {
    expect(signatures.parse(fixture("wipefs-partition-table.json"), "/dev/a").map(({ type }) => type)).toEqual([
      "gpt",
      "gpt",
      "PMBR",
    ]);
  });

  it("reads no signature where a probe that succeeded has none, or prints nothing", () => {
    expect(signatures.parse(fixture("wipefs-blank.txt"), "/dev/a")).toEqual([]);
    expect(signatures.parse({ stdout: "\n", stderr: "", exitCode: 0 }, "/dev/a")).toEqual([]);
  });

  it("takes a failed probe for no answer, not for a blank device", () => {
    expect(signatures.command("/dev/a").okExitCodes ?? [0]).toEqual([0]);
    expect(() => signatures.parse({ stdout: '{"devices": []}', stderr: "", exitCode: 0 }, "/dev/a")).toThrow();
  });
});
