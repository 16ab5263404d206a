import { describe, expect, it } from "vitest";
import { blockDevices } from "../../../../providers/facts/lsblk.ts";
import { fixture } from "../../../fixtures/fixture.ts";

const sound = { logicalBlockBytes: 512, multipath: undefined };

describe("blockDevices", () => {
  it("reads a blank host's disks and partitions, a partition with its disk's serial number, and which are in use", () => {
    expect([...blockDevices.parse(fixture("lsblk-blank-host.json"), undefined).values()]).toEqual([
      {
        path: "/dev/sda",
        type: "disk",
        sizeBytes: 1_000_204_886_016,
        serial: "JTSSATA0001",
        number: "8:0",
        isInUse: true,
        ...sound,
      },
      {
        path: "/dev/sda1",
        type: "part",
        sizeBytes: 1_073_741_824,
        serial: "JTSSATA0001",
        number: "8:1",
        isInUse: false,
        ...sound,
      },
      {
        path: "/dev/sda2",
        type: "part",
        sizeBytes: 999_129_350_144,
        serial: "JTSSATA0001",
        number: "8:2",
        isInUse: false,
        ...sound,
      },
      {
        path: "/dev/vda",
        type: "disk",
        sizeBytes: 17_179_869_184,
        serial: undefined,
        number: "254:0",
        isInUse: true,
        ...sound,
      },
      {
        path: "/dev/nvme0n1",
        type: "disk",
        sizeBytes: 4_000_787_030_016,
        serial: "JTSNVME0001",
        number: "259:0",
        isInUse: false,
        ...sound,
      },
      {
        path: "/dev/nvme1n1",
        type: "disk",
        sizeBytes: 512_110_190_592,
        serial: "JTSNVME0002",
        number: "259:1",
        isInUse: false,
        ...sound,
      },
    ]);
  });

  it("gives a logical volume no serial number, since its disk may change", () => {
    expect(blockDevices.parse(fixture("lsblk-jts.json"), undefined).get("/dev/dm-5")).toEqual({
      path: "/dev/dm-5",
      type: "lvm",
      sizeBytes: 53_687_091_200,
      serial: undefined,
      number: "252:5",
      isInUse: true,
      ...sound,
    });
  });

  it("sees that each path of a multipath device is held by it, and what the logical blocks are", () => {
    const devices = blockDevices.parse(fixture("lsblk-multipath.json"), undefined);
    expect([...devices.values()].map(({ path, isInUse, multipath }) => [path, isInUse, multipath])).toEqual([
      ["/dev/sda", true, "/dev/mapper/mpatha"],
      ["/dev/dm-0", false, undefined],
      ["/dev/sdb", true, "/dev/mapper/mpatha"],
      ["/dev/sdc", false, undefined],
    ]);
    expect(devices.get("/dev/sdc")?.logicalBlockBytes).toBe(4096);
  });

  it("reads a serial number without the spaces that some disks pad it with", () => {
    const padded = fixture("lsblk-blank-host.json").stdout.replace('"JTSSATA0001"', '"  JTSSATA0001 "');
    const devices = blockDevices.parse({ stdout: padded, stderr: "", exitCode: 0 }, undefined);
    expect([devices.get("/dev/sda")?.serial, devices.get("/dev/sda2")?.serial]).toEqual(["JTSSATA0001", "JTSSATA0001"]);
  });

  it.each([
    "",
    "lsblk: failed",
    '{"blockdevices": [{"kname": "/dev/sda"}]}',
    '{"blockdevices": [{"kname":"/dev/sda","type":"disk","size":"931G","serial":null,"pkname":null}]}',
  ])("fails on the output %j", (stdout) => {
    expect(() => blockDevices.parse({ stdout, stderr: "", exitCode: 0 }, undefined)).toThrow();
  });
});
