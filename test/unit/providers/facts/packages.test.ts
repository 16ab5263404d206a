import { describe, expect, it } from "vitest";
import { installedPackages } from "../../../../providers/facts/packages.ts";

const parse = (stdout: string, names: readonly string[], stderr = "") =>
  [...installedPackages.parse({ stdout, stderr, exitCode: stderr === "" ? 0 : 1 }, names).keys()].sort();
const UNKNOWN = "dpkg-query: no packages found matching zstd\n";

describe("the packages", () => {
  it("are those that dpkg has as installed, for whichever architecture, and not what only their configuration is left of", () => {
    expect(
      parse("lvm2\tinstalled\nrsync\tconfig-files\nlibc6\tinstalled\nlibc6\tnot-installed\n", [
        "lvm2",
        "rsync",
        "libc6",
      ]),
    ).toEqual(["libc6", "lvm2"]);
    expect(parse("fio\thalf-configured\nrsync\tunpacked\n", ["fio", "rsync"])).toEqual([]);
  });

  it("are absent where dpkg has never heard of them", () => {
    expect(parse("lvm2\tinstalled\n", ["lvm2", "zstd"], UNKNOWN)).toEqual(["lvm2"]);
    expect(parse("", ["zstd"], UNKNOWN)).toEqual([]);
  });

  it("are not known where dpkg could not say it of each of them", () => {
    expect(() => parse("lvm2\tinstalled\n", ["lvm2", "zstd"])).toThrow("it names other packages");
    const broken = "dpkg-query: error: failed to open package info file '/var/lib/dpkg/status' for reading\n";
    expect(() => parse("", ["lvm2"], broken)).toThrow("failed to open");
  });
});
