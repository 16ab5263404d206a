import { describe, expect, it } from "vitest";
import { countOperations, groupByTier, isViolation, readPlan } from "../../../setup/preview/plan.ts";
import { printPlan } from "../../../setup/preview/text.ts";
import { diagnosticEvent, outputsEvent, policyEvent, stepEvent } from "./events.ts";

const GIB = 2 ** 30;

/** The description of one step. */
function whatOf(...step: Parameters<typeof stepEvent>): string | undefined {
  return readPlan("prod", [stepEvent(...step)]).changes[0]?.what;
}

describe("a plan", () => {
  it("shows resources by host and tier, and neither components nor providers", () => {
    const { changes, unchanged } = readPlan("prod", [
      stepEvent("b-hot", "pv", "PhysicalVolume", { new: { device: "/dev/b" } }),
      stepEvent("a-cold", "mount", "NfsMount", { new: { fstabLine: "nas:/v /mnt nfs ro 0 0" } }),
      stepEvent("a-hot", "pv", "PhysicalVolume", { new: { device: "/dev/a" } }),
      stepEvent("a-hot", "vg", "VolumeGroup", { op: "same", old: {}, new: {} }),
      stepEvent("jts-storage", "prod", "jts-storage:HotTier", { new: {} }),
      stepEvent("jts-storage", "prod", "pulumi:providers:command", { new: {} }),
    ]);
    expect([...groupByTier(changes).keys()]).toEqual(["a: hot", "a: cold", "b: hot"]);
    expect(changes.map(({ name, kind, what }) => [name, kind, what])).toEqual([
      ["pv", "PhysicalVolume", "/dev/a"],
      ["mount", "NfsMount", "nas:/v /mnt nfs ro 0 0"],
      ["pv", "PhysicalVolume", "/dev/b"],
    ]);
    expect(unchanged).toBe(1);
  });

  it("marks what interrupts services: a mount that must be made anew, and one that goes; not one that is remounted", () => {
    const mount = (options: string[]) => ({ host: "a", source: "/dev/vg/lv", mountPoint: "/m", type: "ext4", options });
    const update = (before: string[], after: string[]) =>
      readPlan("prod", [stepEvent("a-hot", "m", "FstabEntry", { op: "update", old: mount(before), new: mount(after) })])
        .changes[0];
    expect(update(["data=ordered"], ["data=writeback"])).toMatchObject({
      interruptsService: true,
      what: expect.stringMatching(/^INTERRUPTS SERVICES/) as string,
    });
    expect(update(["commit=30"], ["commit=5"])).toMatchObject({ interruptsService: false });
    const gone = readPlan("prod", [stepEvent("a-hot", "m", "FstabEntry", { op: "delete", old: mount(["noatime"]) })]);
    expect(gone.changes).toMatchObject([{ interruptsService: true, destroysData: false }]);
    expect(printPlan(gone)).toContain("Services would be interrupted: 1 change stops or unmounts what is in use.");
  });

  it("has the same order whatever ran first: shared resources, then each service's volume, filesystem, mount, folders", () => {
    const events = [
      stepEvent("a-hot", "redis-folders", "Directory", { new: {} }),
      stepEvent("a-hot", "kafka-mount", "FstabEntry", { new: {} }),
      stepEvent("a-hot", "redis-fs", "Filesystem", { new: {} }),
      stepEvent("a-hot", "kafka-lv", "LogicalVolume", { new: {} }),
      stepEvent("a-hot", "user-redis", "SystemUser", { new: {} }),
      stepEvent("a-hot", "redis-lv", "LogicalVolume", { new: {} }),
      stepEvent("a-hot", "pv", "PhysicalVolume", { new: {} }),
    ];
    const names = (list: typeof events) => readPlan("prod", list).changes.map(({ name }) => name);
    expect(names(events)).toEqual([
      "pv",
      "user-redis",
      "kafka-lv",
      "kafka-mount",
      "redis-lv",
      "redis-fs",
      "redis-folders",
    ]);
    expect(names(events.toReversed())).toEqual(names(events));
  });

  it("fails where a volume's key was changed, so that an empty volume would take the place of a full one", () => {
    const at = (mountPoint: string, host = "a") => ({ host, mountPoint });
    const renamed = [
      stepEvent("a-hot", "pg16-mount", "FstabEntry", { new: at("/var/lib/postgresql") }),
      stepEvent("a-hot", "postgres-mount", "FstabEntry", { op: "delete", old: at("/var/lib/postgresql") }),
    ];
    expect(readPlan("prod", renamed).errors).toEqual([
      expect.stringMatching(
        /^a: \/var\/lib\/postgresql is the mount point of a-hot-postgres-mount, which goes, .*old one/,
      ),
    ]);
    const others = [
      stepEvent("a-hot", "kafka-mount", "FstabEntry", { op: "delete", old: at("/var/lib/kafka") }),
      stepEvent("b-hot", "kafka-mount", "FstabEntry", { new: at("/var/lib/kafka", "b") }),
      stepEvent("a-hot", "redis-mount", "FstabEntry", { op: "same", old: at("/r"), new: at("/r") }),
    ];
    expect(readPlan("prod", [...renamed.slice(0, 1), ...others]).errors).toEqual([]);
  });

  it("has violations of mandatory policies as errors, and of advisory ones as warnings", () => {
    const events = [
      policyEvent("mandatory", "b", "What is wanted.\nWhat is wrong.  Next: this.\n", "a-warm-fs"),
      policyEvent("mandatory", "a", "What is wanted.\nWhat is wrong.\n"),
      policyEvent("advisory", "c", "What is wanted.\nWhat could be better.\n"),
    ];
    const plan = readPlan("prod", [...events, diagnosticEvent("error", "preview failed")]);
    expect(plan.errors).toEqual([
      "policy a: What is wanted. What is wrong.",
      "policy b, a-warm-fs: What is wanted. What is wrong.  Next: this.",
    ]);
    expect(plan.errors.every(isViolation)).toBe(true);
    expect(plan.warnings).toEqual(["policy c: What is wanted. What could be better."]);
    expect(printPlan(plan).split("\n").at(-1)).toBe(`error: ${plan.errors[1]}`);
    const failed = readPlan("prod", [...events, diagnosticEvent("error", "the program failed")]);
    expect(failed.errors.every(isViolation)).toBe(false);
    expect(readPlan("prod", [diagnosticEvent("error", "preview failed")]).errors).toEqual(["preview failed"]);
  });

  it("counts a replacement once", () => {
    const timer = { old: { name: "a" }, new: { name: "b" } };
    const { changes } = readPlan(
      "prod",
      ["create-replacement", "replace", "delete-replaced"].map((op) =>
        stepEvent("a-tuning", "fstrim", "SystemdTimer", { op, ...timer }),
      ),
    );
    expect(countOperations(changes)).toEqual([["replace", 1]]);
  });

  it("shortens the engine's message about a refused property", () => {
    const urn = "urn:pulumi:prod::jts-storage::jts-storage:HotTier$x::a-hot-redis-lv";
    const resource = "pulumi-nodejs:dynamic/jts-storage:LogicalVolume resource 'a-hot-redis-lv'";
    const said = (reason: string) => {
      const message = `${resource}: property sizeBytes value {5.3e+10} has a problem: ${reason}\n`;
      return readPlan("prod", [diagnosticEvent("error", message, urn)]).errors;
    };
    expect(said("lv_redis can't shrink")).toEqual(["a-hot-redis-lv: sizeBytes: lv_redis can't shrink"]);
    expect(said("sizeBytes: must be positive")).toEqual(["a-hot-redis-lv: sizeBytes: must be positive"]);
  });

  it("has each error once, with its resource's name, and no messages for debugging", () => {
    const stack = "urn:pulumi:prod::jts-storage::pulumi:pulumi:Stack::jts-storage-prod";
    const mount = "urn:pulumi:prod::jts-storage::jts-storage:HotTier$x::a-hot-redis-mount";
    const { errors, warnings } = readPlan("prod", [
      diagnosticEvent("debug", "registering"),
      diagnosticEvent("error", "The configuration can't be carried out:\n  a.hot: x\n", stack),
      diagnosticEvent("error", "options: nobarrier is gone\n", mount),
      diagnosticEvent("error", "options: nobarrier is gone\n", mount),
      diagnosticEvent("warning", "old\n"),
    ]);
    expect(errors).toEqual([
      "The configuration can't be carried out:\n  a.hot: x",
      "a-hot-redis-mount: options: nobarrier is gone",
    ]);
    expect(warnings).toEqual(["old"]);
  });
});

describe("the description of a change", () => {
  it("is one line with the main properties of what is made", () => {
    expect(
      whatOf("a-hot", "redis-lv", "LogicalVolume", { new: { path: "/dev/vg/lv_redis", sizeBytes: 50 * GIB } }),
    ).toBe("/dev/vg/lv_redis, 50 GiB");
    expect(
      whatOf("a-hot", "redis-folders", "Directory", {
        new: { path: "/r", owner: "redis", group: "redis", mode: "750", folders: ["data", "logs"] },
      }),
    ).toBe("/r redis:redis 750, with data logs");
    expect(
      whatOf("a-packages", "install", "command:remote:Command", {
        new: { create: `sudo -- bash -c 'echo '\\''x'\\''\n' install-packages lvm2 xfsprogs` },
      }),
    ).toBe("install-packages lvm2 xfsprogs");
    expect(
      whatOf("a-verification", "run", "command:remote:Command", {
        new: { create: "sudo --non-interactive -- bash -s -- verify /usr/local/lib/jts-storage" },
      }),
    ).toBe("verify /usr/local/lib/jts-storage");
    expect(
      whatOf("a-automation", "written", "command:remote:Command", { new: { delete: "bash -s -- remove-written /a" } }),
    ).toBe("remove-written /a");
    expect(whatOf("a-hot", "x", "Unheard", { new: { __provider: "code", size: 3 } })).toBe("size: 3");
  });

  it("shows what differs: sizes with their unit; the items of lists; the lines of texts", () => {
    const differs = (path: string) => ({ detailedDiff: { [path]: { diffKind: "update", inputDiff: true } } });
    const update = (before: Record<string, unknown>, after: Record<string, unknown>, path: string) =>
      whatOf("a-hot", "x", "FstabEntry", { op: "update", old: before, new: after, ...differs(path) });
    expect(update({ sizeBytes: 50 * GIB }, { sizeBytes: 60 * GIB }, "sizeBytes")).toBe("sizeBytes: 50 GiB → 60 GiB");
    expect(update({ options: ["ro", "hard"] }, { options: ["hard", "rw", "nofail"] }, "options[0]")).toBe(
      "options: -ro +rw +nofail",
    );
    expect(update({ options: ["a", "b"] }, { options: ["b", "a"] }, "options[0]")).toBe("options: other order");
    expect(update({ content: "a\nb\nc\n" }, { content: "a\nB\nc\n" }, "content")).toBe("content: b → B");
    expect(update({ service: { Nice: 1 } }, { service: {} }, "service.Nice")).toBe("service.Nice: 1 → none");
    const long = "x".repeat(200);
    expect(update({ line: `${long}1${long}` }, { line: `${long}2${long}` }, "line")).toBe(
      `line: …${"x".repeat(20)}1${"x".repeat(20)}… → …${"x".repeat(20)}2${"x".repeat(20)}…`,
    );
  });

  it("hides secrets, and says that they differ", () => {
    const connection = {
      "4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270",
      ciphertext: "[secret]",
    };
    expect(
      whatOf("a-packages", "install", "command:remote:Command", {
        op: "update",
        old: { connection },
        new: { connection },
        detailedDiff: { connection: { diffKind: "update", inputDiff: true } },
      }),
    ).toBe("connection: differs");
  });

  it("shows drift from what the host has, where the state was refreshed", () => {
    const detailedDiff = { mode: { diffKind: "update", inputDiff: false } };
    expect(
      whatOf("a-hot", "x", "Directory", {
        op: "update",
        old: { mode: "750" },
        oldOutputs: { mode: "777" },
        new: { mode: "750" },
        detailedDiff,
      }),
    ).toBe("mode: 777 → 750");
  });

  it("says whether data stays, according to the state and not the program", () => {
    const change = (op: string, onDelete: string, kind = "LogicalVolume") =>
      readPlan("prod", [
        stepEvent("a-hot", "x", kind, {
          op,
          old: { path: "/dev/vg/x", onDelete },
          ...(op === "delete" ? {} : { new: { path: "/dev/vg/x", onDelete: "retain" } }),
        }),
      ]).changes[0];
    expect(change("delete", "wipe")).toMatchObject({ what: "DATA IS WIPED, /dev/vg/x", destroysData: true });
    expect(change("replace", "wipe")).toMatchObject({ destroysData: true });
    expect(change("delete", "retain")).toMatchObject({ what: "data stays, /dev/vg/x", destroysData: false });
    expect(change("update", "wipe")).toMatchObject({ destroysData: false });
    expect(change("delete", "wipe", "SystemUser")).toMatchObject({ destroysData: false });
  });
});

describe("a plan for a terminal", () => {
  it("has a heading, the resources of each tier in columns, the outputs, and the errors last", () => {
    const plan = readPlan("prod", [
      stepEvent("trading-hot", "redis-lv", "LogicalVolume", { new: { path: "/dev/vg/lv_redis", sizeBytes: GIB } }),
      stepEvent("trading-hot", "vg", "VolumeGroup", {
        op: "delete",
        old: { name: "vg", physicalVolumes: ["/dev/a"], onDelete: "wipe" },
      }),
      outputsEvent({ hosts: { trading: { timers: { a: "daily" } } } }),
      diagnosticEvent("error", "no"),
    ]);
    expect(printPlan(plan).split("\n")).toEqual([
      "── prod: FAILED, 1 to create, 1 to delete",
      "Data would be wiped: 1 resource with onDelete: wipe would be deleted.",
      "",
      "trading: hot",
      "  -  vg        VolumeGroup    DATA IS WIPED, vg on /dev/a",
      "  +  redis-lv  LogicalVolume  /dev/vg/lv_redis, 1 GiB",
      "",
      "outputs",
      "  hosts",
      "    trading",
      "      timers",
      "        a: daily",
      "",
      "error: no",
    ]);
  });
});
