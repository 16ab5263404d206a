import { describe, expect, it } from "vitest";
import { packages } from "../../../../providers/resources/packages.ts";
import { isOlder, LEAST_VERSIONS } from "../../../../providers/values/versions.ts";

const plan = (installed: Record<string, string>, kernel = "6.1.0-39-cloud-amd64") =>
  packages.plan({ host: "h", names: ["zstd"] }, { installed: new Map(Object.entries(installed)), kernel });

describe("tools of a host", () => {
  const DEBIAN_12 = {
    lvm2: "2.03.16-2",
    "nfs-common": "1:2.6.2-4+deb12u1",
    systemd: "252.39-1~deb12u1",
    zstd: "1.5.4+dfsg2-5",
  };
  const DEBIAN_13 = { lvm2: "2.03.31-2", "nfs-common": "1:2.8.3-1", systemd: "257.13-1~deb13u1", zstd: "1.5.7+dfsg-1" };

  it("are taken in the versions of Debian 12 and 13", () => {
    expect(plan(DEBIAN_12)).toEqual({ steps: [] });
    expect(plan(DEBIAN_13, "6.12.117+deb13-cloud-amd64")).toEqual({ steps: [] });
  });

  it("that are older are refused by their names, with what is needed, before anything is installed", () => {
    const { refusals, steps } = plan({ lvm2: "2.03.11-2.1", systemd: "247.3-7+deb11u7" }, "5.10.0-35-amd64");
    expect(steps).toEqual([]);
    expect(refusals?.map(({ found }) => found)).toEqual([
      "linux on this host is 5.10.0-35-amd64, and 6.1 or newer is needed",
      "lvm2 on this host is 2.03.11-2.1, and 2.03.16 or newer is needed",
      "systemd on this host is 247.3-7+deb11u7, and 252 or newer is needed",
    ]);
  });

  it("that are needed and absent are installed, and not judged", () => {
    expect(plan({}).steps.map(({ summary }) => summary)).toEqual(["install zstd"]);
  });

  it("say how far apt is, by its own lines", () => {
    const [install] = plan({}).steps;
    expect(
      [
        "dlstatus:1:33.3333:Retrieving file 1 of 3 (2s remaining)",
        "pmstatus:zstd:50.0000:Unpacking zstd (amd64)",
        "pmstatus:libc6:i386:62.5000:Configuring libc6 (i386)",
        "pmerror:zstd:50.0000:it failed",
        "else",
      ].map((line) => install?.readProgress?.(line)),
    ).toEqual([
      "Retrieving file 1 of 3 (2s remaining), 33 %",
      "Unpacking zstd (amd64), 50 %",
      "Configuring libc6 (i386), 63 %",
      undefined,
      undefined,
    ]);
  });
});

describe("a version", () => {
  it.each([
    ["2.03.9", "2.03.16", true],
    ["2.4", "2.38", true],
    ["2.38.1-5+deb12u3", "2.38", false],
    ["1:2.6.2-4", "2.6", false],
    ["10", "9.1", false],
    ["9", "9.1", true],
    ["6.12-rc3", "6.1", false],
    ["252~rc1-1", "252", false],
  ])("%s, where %s is needed: older is %s", (version, least, older) => {
    expect(isOlder(version, least)).toBe(older);
  });

  it("is listed for nothing that reads as no version", () => {
    for (const least of Object.values(LEAST_VERSIONS)) expect(isOlder("0", least)).toBe(true);
  });
});
