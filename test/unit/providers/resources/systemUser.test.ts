import { describe, expect, it } from "vitest";
import { systemUser } from "../../../../providers/resources/systemUser.ts";
import { read } from "./steps.ts";

type Inputs = Parameters<typeof systemUser.plan>[0];

const desired: Inputs = { host: "h", group: "redis", user: "redis", home: "/var/lib/redis", onDelete: "wipe" };
const groupOnly: Inputs = { ...desired, user: undefined };
const nobody = { owners: new Set<string>(), primaryGroups: new Map([["redis", "redis"]]) };
const nothing = { ...nobody, group: false, user: false, made: new Set<string>() };
const there = { ...nobody, group: true, user: true, made: new Set(["group redis", "user redis"]) };

describe("the plan of an account", () => {
  it("makes group and user, or only the group", () => {
    expect(read(systemUser.plan(desired, nothing))).toEqual(["safe: make-account redis redis /var/lib/redis"]);
    expect(read(systemUser.plan(groupOnly, { ...nothing, user: true }))).toEqual(["safe: make-account redis"]);
  });

  it("has no step for those that exist, and makes the one that is missing", () => {
    expect(read(systemUser.plan(desired, there))).toEqual([]);
    expect(read(systemUser.plan(groupOnly, there))).toEqual([]);
    expect(read(systemUser.plan(desired, { ...there, user: false }))).toEqual([
      "safe: make-account redis redis /var/lib/redis",
    ]);
  });
});

describe("what is absent", () => {
  it("is an account of which neither user nor group exists", () => {
    const absent = (inputs: Inputs, group: boolean, user: boolean) =>
      systemUser.isAbsent(inputs, { ...nothing, group, user });
    expect([absent(desired, false, false), absent(desired, true, false), absent(desired, false, true)]).toEqual([
      true,
      false,
      false,
    ]);
    expect([absent(groupOnly, false, true), absent(groupOnly, true, true)]).toEqual([true, false]);
  });
});

describe("the removal of an account", () => {
  it("removes what was made here, and leaves what was there before", () => {
    expect(read(systemUser.planDestroy(desired, there))).toEqual(["safe: remove-account redis redis"]);
    const left = (made: string, primaryGroups = new Map<string, string>()) =>
      read(systemUser.planDestroy(desired, { ...there, made: new Set([made]), primaryGroups }));
    expect(left("user redis")).toEqual(["safe: remove-account '' redis"]);
    expect(left("group redis")).toEqual(["safe: remove-account redis"]);
    // A user of others' keeps its group.
    expect(left("group redis", new Map([["redis", "redis"]]))).toEqual([]);
    expect(read(systemUser.planDestroy(desired, { ...there, made: new Set(["user other"]) }))).toEqual([]);
    expect(read(systemUser.planDestroy(groupOnly, { ...there, made: new Set(["user redis"]) }))).toEqual([]);
  });

  it("leaves the user and the group that a folder of this program still belongs to, each by itself", () => {
    const owned = (...owners: string[]) =>
      read(systemUser.planDestroy({ ...desired, group: "www" }, { ...other, owners: new Set(owners) }));
    const other = {
      ...there,
      made: new Set(["user redis", "group www"]),
      primaryGroups: new Map([["redis", "redis"]]),
    };
    expect(owned()).toEqual(["safe: remove-account www redis"]);
    expect(owned("user redis", "group redis")).toEqual(["safe: remove-account www"]);
    expect(owned("group www", "user root")).toEqual(["safe: remove-account '' redis"]);
    expect(owned("user redis", "group www")).toEqual([]);
  });

  it("leaves a group that is a remaining user's primary one, which groupdel would refuse", () => {
    const primaryGroups = new Map([["app", "redis"]]);
    expect(read(systemUser.planDestroy(groupOnly, { ...there, primaryGroups }))).toEqual([]);
    expect(read(systemUser.planDestroy(desired, { ...there, primaryGroups }))).toEqual([
      "safe: remove-account '' redis",
    ]);
  });

  it("leaves accounts whose files are kept, since a later account could get their numbers", () => {
    expect(
      (["retain", "protect", "wipe"] as const).map((onDelete) => systemUser.leaves?.({ ...desired, onDelete })),
    ).toEqual([true, true, false]);
  });
});
