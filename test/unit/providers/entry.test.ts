import { describe, expect, it } from "vitest";
import { v1 } from "../../../providers/entry.ts";

/** A name is added with its first release, and none is ever removed: somebody's state may hold it. */
const EVER = [
  "ConfigFile",
  "Directory",
  "Filesystem",
  "FstabEntry",
  "LogicalVolume",
  "NfsMount",
  "PhysicalVolume",
  "SystemdTimer",
  "SystemUser",
  "VolumeGroup",
];

describe("what the text in a state names", () => {
  it("exists, for each name that a release ever wrote into one", () => {
    expect(Object.keys(v1)).toEqual(expect.arrayContaining(EVER));
  });

  it("is a provider with every method that the engine calls", () => {
    for (const make of Object.values(v1)) {
      expect(Object.keys(make())).toEqual(
        expect.arrayContaining(["configure", "check", "diff", "create", "read", "update", "delete"]),
      );
    }
  });

  it("says what to write where the configuration has no such host any more, as after its key was changed", async () => {
    const directory = v1.Directory();
    const folder = { host: "old-name", path: "/srv/x" };
    await expect(directory.delete!("old-name:/srv/x", folder)).rejects.toThrow(
      /no connection for the host "old-name"[^]*Next: write the host "old-name" with its connection into jts-storage:hosts/,
    );
  });
});
