import { describe, expect, it } from "vitest";
import { lvm } from "../../../../providers/facts/lvm.ts";
import { fixture } from "../../../fixtures/fixture.ts";

describe("lvm", () => {
  it("reads a host without LVM as one without PVs and VGs", () => {
    expect(lvm.parse(fixture("lvm-fullreport-no-volume-group.json"), undefined)).toEqual({
      physicalVolumes: [],
      volumeGroups: [],
    });
  });

  it("reads a PV that is in no volume group", () => {
    expect(lvm.parse(fixture("lvm-fullreport-unused-physical-volume.json"), undefined)).toEqual({
      physicalVolumes: [
        {
          name: "/dev/nvme0n1",
          uuid: "xp5Ogg-QUJw-P497-jehP-sjo0-V07j-ejGXpA",
          volumeGroup: "",
          deviceBytes: 4_000_787_030_016,
          sizeBytes: 4_000_787_030_016,
          dataStartBytes: 4_194_304,
          usedBytes: 0,
          freeBytes: 4_000_787_030_016,
          tags: [],
        },
      ],
      volumeGroups: [],
    });
  });

  it("reads the PV, the VG and the seven volumes of the hot tier", () => {
    const report = lvm.parse(fixture("lvm-fullreport-jts.json"), undefined);
    expect(report.physicalVolumes).toMatchObject([
      { name: "/dev/nvme0n1", volumeGroup: "vg_jts", sizeBytes: 4_000_778_813_440 },
    ]);
    expect(report.volumeGroups).toHaveLength(1);
    expect(report.volumeGroups[0]).toMatchObject({
      name: "vg_jts",
      extentBytes: 4_194_304,
      extents: 953_860,
      freeExtents: 32_260,
      physicalVolumes: report.physicalVolumes,
    });
    expect(report.physicalVolumes).toMatchObject([
      { usedBytes: 3_865_470_566_400, freeBytes: 135_308_247_040, tags: [] },
    ]);
    const gib = 1024 ** 3;
    expect(report.volumeGroups[0]?.logicalVolumes.map(({ name, sizeBytes }) => [name, sizeBytes / gib])).toEqual([
      ["lv_clickhouse", 1500],
      ["lv_docker", 300],
      ["lv_kafka", 600],
      ["lv_local_backup", 150],
      ["lv_mongodb", 200],
      ["lv_postgres", 800],
      ["lv_redis", 50],
    ]);
    expect(report.volumeGroups[0]?.logicalVolumes.at(-1)).toMatchObject({
      uuid: "u1rfMB-tsgh-iXzS-4uDJ-vJyH-ToIi-dd7YHD",
      origin: undefined,
    });
  });

  it("recognizes a snapshot by its origin", () => {
    const stdout = fixture("lvm-fullreport-jts.json").stdout.replace('"origin":""', '"origin":"lv_postgres"');
    const [group] = lvm.parse({ stdout, stderr: "", exitCode: 0 }, undefined).volumeGroups;
    expect(group?.logicalVolumes.map(({ origin }) => origin).filter((origin) => origin !== undefined)).toEqual([
      "lv_postgres",
    ]);
  });

  it("fails on sizes that aren't in bytes", () => {
    const stdout = fixture("lvm-fullreport-jts.json").stdout.replace('"lv_size":"1610612736000"', '"lv_size":"1.46t"');
    expect(() => lvm.parse({ stdout, stderr: "", exitCode: 0 }, undefined)).toThrow("lv_size");
  });
});
