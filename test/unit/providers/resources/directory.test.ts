import { describe, expect, it } from "vitest";
import type { PathStatus } from "../../../../providers/facts/pathStatus.ts";
import { directory } from "../../../../providers/resources/directory.ts";
import { read } from "./steps.ts";

type Inputs = Parameters<typeof directory.plan>[0];
type Seen = Parameters<typeof directory.plan>[1];

const desired: Inputs = {
  host: "h",
  path: "/data/hot",
  owner: "redis",
  group: "redis",
  mode: "750",
  folders: ["redis/logs", "redis/data"],
};
const all = ["/data/hot", "/data/hot/redis", "/data/hot/redis/data", "/data/hot/redis/logs"];
const good: PathStatus = { type: "directory", owner: "redis", group: "redis", mode: "750" };
const seen = (changes: Record<string, Partial<PathStatus> | undefined> = {}, made: string[] = []): Seen => ({
  paths: new Map(
    all.flatMap((path) =>
      path in changes && changes[path] === undefined ? [] : [[path, { ...good, ...changes[path] }] as const],
    ),
  ),
  made: new Set(made),
});
const nothing: Seen = { paths: new Map(), made: new Set() };

describe("the plan of a folder tree", () => {
  it("makes all folders in one step, each after the one that it is in", () => {
    expect(read(directory.plan(desired, nothing))).toEqual([`safe: make-tree redis redis 750 ${all.join(" ")}`]);
  });

  it("has no step where all are as declared", () => {
    expect(read(directory.plan(desired, seen()))).toEqual([]);
  });

  it.each<[string, Partial<PathStatus> | undefined]>([
    ["absent", undefined],
    ["another user's", { owner: "root" }],
    ["another group's", { group: "root" }],
    ["open to others", { mode: "755" }],
  ])("changes only the one that is %s", (_what, change) => {
    expect(read(directory.plan(desired, seen({ "/data/hot/redis/data": change })))).toEqual([
      "safe: make-tree redis redis 750 /data/hot/redis/data",
    ]);
  });

  it.each(["regular file", "symbolic link"])(
    "refuses a %s in a folder's place, and changes no other folder",
    (type) => {
      expect(
        read(directory.plan(desired, seen({ "/data/hot/redis": { type }, "/data/hot": { mode: "700" } }))),
      ).toEqual([`refused: /data/hot/redis is a ${type}`]);
    },
  );
});

describe("the removal of a folder tree", () => {
  it("removes only those that were made here", () => {
    expect(
      read(
        directory.planDestroy(
          desired,
          seen({}, ["directory /data/hot/redis", "directory /data/hot/redis/data", "directory /data"]),
        ),
      ),
    ).toEqual(["safe: remove-tree /data/hot/redis /data/hot/redis/data"]);
    expect(read(directory.planDestroy(desired, seen()))).toEqual([]);
  });

  it("leaves a folder that holds another resource's, to go with the last of them", () => {
    expect(
      read(
        directory.planDestroy(
          { ...desired, folders: [] },
          seen({}, ["directory /data/hot", "directory /data/hot/other"]),
        ),
      ),
    ).toEqual([]);
    expect(
      read(
        directory.planDestroy({ ...desired, folders: [] }, seen({}, ["directory /data/hot", "directory /data/hotter"])),
      ),
    ).toEqual(["safe: remove-tree /data/hot"]);
  });

  it("leaves a mount point to its mount", () => {
    expect(
      read(
        directory.planDestroy({ ...desired, folders: [] }, seen({}, ["directory /data/hot", "immutable /data/hot"])),
      ),
    ).toEqual([]);
  });
});

describe("the report of a folder tree", () => {
  it("has the topmost folder's owner and mode, and the folders below that are as declared", () => {
    const report = directory.report(
      desired,
      seen({ "/data/hot": { owner: "root", mode: "700" }, "/data/hot/redis/logs": { mode: "777" } }),
    );
    expect(report.inputs).toEqual({ owner: "root", group: "redis", mode: "700", folders: ["redis/data"] });
  });
});

describe("the inputs of a folder tree", () => {
  it.each<[string, Record<string, unknown>]>([
    ["a folder above", { folders: [".."] }],
    ["a folder above, on the way", { folders: ["a/../../etc"] }],
    ["an absolute folder", { folders: ["/etc"] }],
    ["an empty name", { folders: ["a//b"] }],
    ["a final slash", { path: "/data/" }],
    ["a mode with letters", { mode: "u+x" }],
    ["an owner with a colon", { owner: "root:root" }],
  ])("refuse %s", (_what, changes) => {
    expect(directory.inputs.safeParse({ ...desired, ...changes }).success).toBe(false);
  });

  it("accept folders that begin with dots, and read a mode without its leading zero", () => {
    expect(directory.inputs.parse({ ...desired, mode: "0750", folders: [".cache", "..a", "a b"] })).toMatchObject({
      mode: "750",
    });
    expect(directory.inputs.parse({ ...desired, mode: "2775" })).toMatchObject({ mode: "2775" });
  });
});
