import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { ledger } from "../../../../providers/facts/ledger.ts";
import { fixture } from "../../../fixtures/fixture.ts";
import { runLocally } from "../runLocally.ts";

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

  it("fails where the file is there and can't be read", () => {
    const folder = mkdtempSync(join(tmpdir(), "jts-ledger-"));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    const { argv } = ledger.command(undefined);
    const at = (path: string) =>
      runLocally({ argv: argv.map((word) => word.replaceAll("/var/lib/jts-storage/made", path)) });
    expect(at(join(folder, "made"))).toEqual({ stdout: "", stderr: "", exitCode: 0 });
    writeFileSync(join(folder, "made"), "directory /data\nuser a\n");
    expect(at(join(folder, "made")).stdout).toBe("directory /data\nuser a\n");
    expect(at(folder).exitCode).not.toBe(0);
  });
});
