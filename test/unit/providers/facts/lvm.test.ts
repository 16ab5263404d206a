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
          number: "259:0",
          isMissing: false,
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

  it("reads past what LVM prints among the JSON, as where the metadata of some disk is damaged", () => {
    const { stdout, ...rest } = fixture("lvm-fullreport-jts.json");
    const disturbed = stdout.replace('"report": [', '"report": [\n  Retrying metadata scan.');
    expect(disturbed).toContain("Retrying");
    expect(lvm.parse({ ...rest, stdout: disturbed }, undefined)).toEqual(lvm.parse({ ...rest, stdout }, undefined));
  });

  it("asks for the form that it reads, whatever lvm.conf sets for reports", () => {
    const { argv } = lvm.command(undefined);
    expect(argv[argv.indexOf("--config") + 1]).toMatch(
      /^report \{ binary_values_as_numeric=0 compact_output=0 .*list_item_separator="," prefixes=0 .*\} log \{ report_command_log=0 verbose=0 \}$/,
    );
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

  it("takes for snapshots what LVM calls so, and no volume with a cache in front of it", () => {
    const [group] = lvm.parse(fixture("lvm-fullreport-layouts.json"), undefined).volumeGroups;
    const volumes = group?.logicalVolumes ?? [];
    expect(volumes.flatMap(({ name, origin }) => (origin === undefined ? [] : [[name, origin]]))).toEqual([
      ["linear_snapshot", "lv_linear"],
      ["thin_snapshot", "lv_thin"],
    ]);
    expect(Object.fromEntries(volumes.map(({ name, layout }) => [name, layout.join()]))).toEqual({
      linear_snapshot: "linear",
      lv_cached: "cache",
      lv_linear: "linear",
      lv_mirror: "mirror",
      lv_noauto: "linear",
      lv_raid1: "raid,raid1",
      lv_skipped: "linear",
      lv_striped: "striped",
      lv_thin: "thin,sparse",
      lv_writecached: "writecache",
      pool: "thin,pool",
      thin_snapshot: "thin,sparse",
    });
    expect(volumes.flatMap(({ name, skipsActivation }) => (skipsActivation ? [name] : []))).toEqual(["lv_skipped"]);
  });

  it("reads a volume as inactive only where LVM says so", () => {
    const { stdout } = fixture("lvm-fullreport-jts.json");
    const isActive = (printed: string) =>
      lvm.parse({ stdout: printed, stderr: "", exitCode: 0 }, undefined).volumeGroups[0]?.logicalVolumes[0]?.isActive;
    expect(isActive(stdout)).toBe(true);
    expect(isActive(stdout.replace('"lv_active":"active"', '"lv_active":""'))).toBe(false);
  });

  it("reads a PV whose disk is gone as one without a device, and the volumes that are partly on it", () => {
    const [unused, used] = ["unused", "used"].map((what) => {
      const { physicalVolumes, volumeGroups } = lvm.parse(fixture(`lvm-fullreport-missing-${what}.json`), undefined);
      return { physicalVolumes, volumes: volumeGroups[0]?.logicalVolumes ?? [] };
    });
    expect(unused?.physicalVolumes).toMatchObject([
      { name: "/dev/loop2", number: "7:2", isMissing: false },
      { name: "[unknown]", number: undefined, isMissing: true, usedBytes: 0, tags: ["jts-storage"] },
    ]);
    expect(used?.physicalVolumes).toMatchObject([{}, { isMissing: true, usedBytes: 20_971_520 }]);
    expect(used?.volumes.map(({ name, isPartial }) => [name, isPartial])).toEqual([
      ["lv_redis", false],
      ["lv_striped", true],
    ]);
  });

  it.each<[string, RegExp, string, object]>([
    ["exported", /"vg_exported":""/, '"vg_exported":"exported"', { isExported: true }],
    ["read-only", /"vg_permissions":"writeable"/, '"vg_permissions":"read-only"', { isReadOnly: true }],
    ["shared", /"vg_shared":""/, '"vg_shared":"shared"', { isShared: true }],
    ["set to stay as it is", /"vg_extendable":"extendable"/, '"vg_extendable":""', { isResizeable: false }],
    [
      "limited",
      /"max_lv":"0", "max_pv":"0"/,
      '"max_lv":"9", "max_pv":"1"',
      { maxLogicalVolumes: 9, maxPhysicalVolumes: 1 },
    ],
  ])("reads a group that is %s", (_what, from, to, expected) => {
    const { stdout } = fixture("lvm-fullreport-jts.json");
    const [before] = lvm.parse({ stdout, stderr: "", exitCode: 0 }, undefined).volumeGroups;
    const [after] = lvm.parse({ stdout: stdout.replace(from, to), stderr: "", exitCode: 0 }, undefined).volumeGroups;
    expect(after).toEqual({ ...before, ...expected });
  });

  it("fails on sizes that aren't in bytes", () => {
    const stdout = fixture("lvm-fullreport-jts.json").stdout.replace('"lv_size":"1610612736000"', '"lv_size":"1.46t"');
    expect(() => lvm.parse({ stdout, stderr: "", exitCode: 0 }, undefined)).toThrow("lv_size");
  });
});
