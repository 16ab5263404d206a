import { describe, expect, it } from "vitest";
import { ledger } from "../../../../providers/facts/ledger.ts";
import { fixture } from "../../../fixtures/fixture.ts";

describe("ledger", () => {
  it("reads what this program made, names and values whole", () => {
    const made = ledger.parse(fixture("ledger-jts.txt"), undefined);
    expect(made).toContain("user postgres");
    expect(made).toContain("directory /data/jts/hot");
    expect(made).toContain("immutable /var/lib/kafka");
    expect(made).toContain("kernel /proc/sys/net/core/rmem_max 212992");
    expect(made).not.toContain("");
  });

  it("reads a host without a ledger as one where nothing was made", () => {
    expect(ledger.parse({ stdout: "", stderr: "", exitCode: 0 }, undefined)).toEqual(new Set());
  });
});
