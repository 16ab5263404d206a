import { describe, expect, it } from "vitest";
import { wrongDevice } from "../../../../providers/resources/device.ts";

describe("wrongDevice", () => {
  const seen = {
    path: "/dev/sda",
    type: "disk",
    sizeBytes: 10,
    serial: "S1",
    number: "8:1",
    isInUse: false,
    logicalBlockBytes: 512,
    multipath: undefined,
  };
  it("compares only what is declared, and reports all that differs", () => {
    expect(wrongDevice({ device: "/dev/a" }, seen)).toEqual([]);
    expect(wrongDevice({ device: "/dev/a", sizeBytes: 10, serial: "S1" }, seen)).toEqual([]);
    expect(wrongDevice({ device: "/dev/a", sizeBytes: 11, serial: "S2" }, seen).map(({ found }) => found)).toEqual([
      "/dev/a (/dev/sda) has 10 bytes instead of 11",
      "/dev/a (/dev/sda) has the serial number S1 instead of S2",
    ]);
  });

  it("takes a logical volume that is rounded up to whole stripes, and none that is smaller", () => {
    const volume = { ...seen, path: "/dev/dm-0", type: "lvm", serial: undefined };
    expect(wrongDevice({ device: "/dev/vg/a", sizeBytes: 9 }, volume)).toEqual([]);
    expect(wrongDevice({ device: "/dev/vg/a", sizeBytes: 11 }, volume)).toHaveLength(1);
    expect(wrongDevice({ device: "/dev/sda", sizeBytes: 9 }, seen)).toHaveLength(1);
  });
});
