import { describe, expect, it } from "vitest";
import { mountAt, mounts } from "../../../../providers/facts/mounts.ts";
import { nfsMount } from "../../../../providers/resources/nfsMount.ts";
import { findEntry } from "../../../../providers/values/fstabText.ts";
import { fixture } from "../../../fixtures/fixture.ts";
import { read } from "./steps.ts";

type Inputs = Parameters<typeof nfsMount.plan>[0];
type Seen = Parameters<typeof nfsMount.plan>[1];

const options = [
  "rw",
  "hard",
  "proto=tcp",
  "rsize=1048576",
  "wsize=1048576",
  "timeo=600",
  "retrans=2",
  "_netdev",
  "nofail",
];
const desired: Inputs = {
  host: "h",
  server: "192.168.1.101",
  export: "/volume1/cocodev",
  mountPoint: "/mnt/synology",
  version: "3",
  options,
};
const text = fixture("fstab-jts.txt").stdout;
const made: Seen = {
  text,
  found: findEntry(text, "/mnt/synology"),
  mount: mountAt(mounts.parse(fixture("findmnt-jts.json"), undefined), "/mnt/synology"),
  isSource: true,
  isSameSource: true,
  made: new Set(),
};

describe("the plan of an NFS mount", () => {
  it("has no step for the captured mount, whose sizes the server made smaller", () => {
    expect(made.mount?.filesystemOptions).toContain("rsize=65536");
    expect(read(nfsMount.plan(desired, made))).toEqual([]);
  });

  it("unmounts and mounts for every changed option, since NFS accepts none by remounting", () => {
    for (const changed of [
      { version: "4.2" as const },
      { options: [...options, "noac"] },
      { options: options.filter((option) => option !== "hard").concat("soft") },
    ]) {
      expect(read(nfsMount.plan({ ...desired, ...changed }, made))[0]).toMatch(
        /^interrupts-service: mount-entry \/mnt\/synology replace /,
      );
    }
  });

  it("refuses a foreign mount of another export", () => {
    expect(
      read(
        nfsMount.plan(desired, {
          ...made,
          found: undefined,
          isSource: false,
          mount: { ...made.mount!, source: "other:/x" },
        }),
      ),
    ).toEqual(["refused: other:/x is mounted at /mnt/synology"]);
  });
});

describe("the look at an NFS mount", () => {
  it("compares the export by name, without asking the server", async () => {
    const asked: string[] = [];
    const look = (source: string) =>
      nfsMount.observe((fact) => {
        asked.push(fact.name);
        return Promise.resolve(
          (fact.name === "the mounts"
            ? [{ ...made.mount!, source }]
            : fact.name === "/etc/fstab"
              ? text
              : new Set()) as never,
        );
      }, desired);
    expect(await look("192.168.1.101:/volume1/cocodev")).toMatchObject({ isSource: true });
    expect(await look("192.168.1.101:/volume1/other")).toMatchObject({ isSource: false });
    expect(new Set(asked)).toEqual(new Set(["/etc/fstab", "the mounts", "the ledger of what was made"]));
  });
});

describe("the report of an NFS mount", () => {
  it("has the inputs as declared where the line is as declared", () => {
    expect({ ...desired, ...nfsMount.report(desired, made).inputs }).toEqual(desired);
  });

  it("has server, export and version of a changed line, even with an IPv6 address", () => {
    const entry = { ...made.found!.entry, source: "[fd00::1]:/other", options: ["vers=4.1", "soft"] };
    expect(nfsMount.report(desired, { ...made, found: { entry, isOurs: true } }).inputs).toEqual({
      server: "[fd00::1]",
      export: "/other",
      version: "4.1",
      options: ["soft"],
    });
  });
});

describe("the checked options of an NFS mount", () => {
  it("refuse in preview what NFS ignores", () => {
    expect(nfsMount.refuse?.({ ...desired, options: ["intr"] })).toEqual([
      { property: "options", reason: expect.stringContaining("intr on nfs is ignored") as string },
    ]);
    expect(nfsMount.refuse?.(desired)).toEqual([]);
  });
});
