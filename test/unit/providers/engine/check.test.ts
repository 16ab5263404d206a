import { describe, expect, it } from "vitest";
import { FakeHost } from "../../../support/fakeHost.ts";
import type { Properties } from "../../../../providers/engine/resource.ts";
import type { Kind } from "../../../support/examples.ts";
import { checked, situationOf, situations } from "./situations.ts";

/** What the engine writes for a value that a preview can't know. */
const UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9";

const host = new FakeHost();
interface Checked {
  readonly inputs: Properties;
  readonly failures: { readonly property: string; readonly reason: string }[];
}
async function check(name: Kind, news: Properties, olds: Properties = {}): Promise<Checked> {
  return { failures: [], ...((await situationOf(name).run(host).check(olds, news)) as Partial<Checked>) } as Checked;
}
const declaredOf = (name: Kind, changes: Properties = {}) => ({ ...situationOf(name).declared, ...changes });

describe.each(situations)("checking a $name", (situation) => {
  it("changes nothing the second time", async () => {
    const inputs = await checked(situation, host);
    expect(
      await checked(
        { ...situation, declared: {} },
        host,
        Object.fromEntries(
          Object.entries(inputs).filter(
            ([key]) => !["drift", "path", "fstabLine"].includes(key) || key in situation.declared,
          ),
        ),
      ),
    ).toEqual(inputs);
  });

  it("passes on what a preview can't know yet, and still checks the rest", async () => {
    for (const key of Object.keys(situation.declared)) {
      const { inputs, failures } = await check(situation.name, { ...situation.declared, [key]: UNKNOWN });
      expect(failures).toEqual([]);
      expect(inputs).toMatchObject({ [key]: UNKNOWN, drift: [] });
      const wrong = await check(situation.name, { ...situation.declared, [key]: UNKNOWN, bogus: 1 });
      expect(wrong.failures).toHaveLength(1);
    }
  });

  it("refuses a property that it doesn't know, by name", async () => {
    const { failures } = await check(situation.name, { ...situation.declared, bogus: 1 });
    expect(failures).toEqual([{ property: "", reason: expect.stringContaining("bogus") as string }]);
  });

  it("refuses nothing because of the state of an older version, whatever it holds", async () => {
    expect((await check(situation.name, situation.declared, { host: 7, bogus: true })).failures).toEqual([]);
  });

  it("leaves the provider's name, which every state has, out of the inputs", async () => {
    const { inputs, failures } = await check(situation.name, {
      ...situation.declared,
      __provider: "exports.handler = …",
    });
    expect(failures).toEqual([]);
    expect(inputs).not.toHaveProperty("__provider");
  });
});

describe("checkInputs", () => {
  it("passes on an unknown value inside a list", async () => {
    const { inputs, failures } = await check(
      "VolumeGroup",
      declaredOf("VolumeGroup", { physicalVolumes: ["/dev/sda2", UNKNOWN] }),
    );
    expect(failures).toEqual([]);
    expect(inputs.physicalVolumes).toEqual(["/dev/sda2", UNKNOWN]);
  });

  it("reports everything that is wrong at once, each with its property", async () => {
    const { failures } = await check("LogicalVolume", {
      host: "fake",
      volumeGroup: "-vg",
      name: "..",
      sizeBytes: 1.5,
      onDelete: "erase",
    });
    expect(failures.map(({ property }) => property)).toEqual(["volumeGroup", "name", "sizeBytes", "onDelete"]);
    for (const { property, reason } of failures) expect(reason).toMatch(new RegExp(`^${property}: .`));
  });

  it("reports the place of an error inside a list", async () => {
    const { failures } = await check("Directory", declaredOf("Directory", { folders: ["a", "../b"] }));
    expect(failures).toEqual([{ property: "folders.1", reason: "folders.1: must be a relative path without `..`" }]);
  });

  it("reports every option that doesn't mount, in preview", async () => {
    const { failures } = await check(
      "FstabEntry",
      declaredOf("FstabEntry", { type: "xfs", source: "/dev/sda2", options: ["nobarrier"], pass: 2 }),
    );
    expect(failures.map(({ reason }) => reason)).toEqual([
      expect.stringContaining("nobarrier on xfs"),
      expect.stringContaining("fsck pass 2"),
      expect.stringContaining("/dev/sda2 may name another device"),
    ]);
  });

  it("adds what follows from the inputs, so that a preview knows it", async () => {
    expect((await check("LogicalVolume", declaredOf("LogicalVolume"))).inputs.path).toBe("/dev/vg_jts/lv_redis");
    expect((await check("FstabEntry", declaredOf("FstabEntry"))).inputs.fstabLine).toBe(
      "LABEL=jts-warm-storage /data/warm-storage btrfs noatime,nofail,compress=zstd:3 0 0",
    );
    expect((await check("NfsMount", declaredOf("NfsMount"))).inputs.fstabLine).toBe(
      "192.168.1.101:/volume1/cocodev /mnt/synology nfs vers=3,rsize=1048576,_netdev,nofail 0 0",
    );
  });

  it.each<[Kind, Properties, string]>([
    ["LogicalVolume", { sizeBytes: 1024 ** 3 }, "sizeBytes"],
    ["LogicalVolume", { name: "lv_other" }, "name"],
    ["LogicalVolume", { volumeGroup: "vg_other" }, "volumeGroup"],
    ["Filesystem", { type: "xfs", label: "jts-warm" }, "type"],
    ["Filesystem", { label: "other" }, "label"],
    ["Filesystem", { device: "/dev/sdb1" }, "device"],
    ["PhysicalVolume", { device: "/dev/sdb" }, "device"],
    ["PhysicalVolume", { dataAlignmentBytes: 1024 ** 2 }, "dataAlignmentBytes"],
    ["VolumeGroup", { extentSizeBytes: 8 * 1024 ** 2 }, "extentSizeBytes"],
  ])("refuses in preview that a %s changes to %j, with the way out", async (name, change, property) => {
    const olds = await checked(situationOf(name), host);
    const { failures } = await check(name, declaredOf(name, change), olds);
    expect(failures.map((failure) => failure.property)).toContain(property);
    expect(failures[0]?.reason).toMatch(/docs\/runbooks\/|declare it as a new volume/);
  });

  it.each<[Kind, Properties]>([
    ["LogicalVolume", { sizeBytes: 51 * 1024 ** 3 }],
    ["LogicalVolume", { onDelete: "retain" }],
    ["LogicalVolume", { host: "other", sizeBytes: 1024 ** 3 }],
    ["Filesystem", { mkfsOptions: ["-K"] }],
    ["VolumeGroup", { physicalVolumes: ["/dev/disk/by-id/nvme-1", "/dev/sda2", "/dev/sdb"] }],
    ["VolumeGroup", { physicalVolumes: ["/dev/sda2"] }],
    ["VolumeGroup", { name: "vg_other", extentSizeBytes: 8 * 1024 ** 2 }],
    ["FstabEntry", { mountPoint: "/data/other", options: ["noatime"] }],
  ])("lets a %s change to %j", async (name, change) => {
    expect((await check(name, declaredOf(name, change), await checked(situationOf(name), host))).failures).toEqual([]);
  });

  it("reports what is refused to a program that is only previewed, and lets the preview go on", async () => {
    const olds = await checked(situationOf("LogicalVolume"), host);
    const { inputs, failures } = await check(
      "LogicalVolume",
      declaredOf("LogicalVolume", { sizeBytes: 1024 ** 3, isPreview: true }),
      olds,
    );
    expect(failures).toEqual([]);
    expect(inputs.refused).toEqual([
      { property: "sizeBytes", reason: expect.stringContaining("can't shrink") as string },
    ]);
    expect(await check("LogicalVolume", declaredOf("LogicalVolume", { isPreview: true }), olds)).toEqual(
      await check("LogicalVolume", declaredOf("LogicalVolume"), olds),
    );
  });

  it("asks no host", () => {
    expect(host.calls).toEqual([]);
  });
});
