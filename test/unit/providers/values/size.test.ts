import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { formatBytes, parseSize } from "../../../../providers/values/size.ts";

describe("parseSize", () => {
  it.each([
    ["1048576", 1_048_576],
    [1_048_576, 1_048_576],
    ["4000787030016", 4_000_787_030_016],
    ["800GiB", 800 * 1024 ** 3],
    ["800GB", 800 * 1000 ** 3],
    ["800G", 800 * 1024 ** 3],
    ["800g", 800 * 1024 ** 3],
    ["800 GiB", 800 * 1024 ** 3],
    [" 4MiB ", 4 * 1024 ** 2],
    ["64k", 65_536],
    ["512B", 512],
    ["1.5TiB", 1.5 * 1024 ** 4],
    ["1PiB", 1024 ** 5],
    ["0.1GB", 100_000_000],
  ])("reads %j as %d bytes", (text, bytes) => {
    expect(parseSize(text)).toEqual({ bytes });
  });

  it.each([
    ["50%VG", 50],
    ["0.5%vg", 0.5],
    ["100%VG", 100],
  ])("reads %j as a share of the volume group", (text, percentOfVg) => {
    expect(parseSize(text)).toEqual({ percentOfVg });
  });

  it.each([
    "",
    "GiB",
    "800 G i B",
    "800GiBs",
    "-5G",
    "1e3",
    "1,5T",
    "50%",
    "50%FREE",
    "800EiB",
    "0",
    "0G",
    "1.G",
    "0x10",
    "5iB",
    "٣G",
  ])("refuses %j with examples of what is right", (text) => {
    expect(() => parseSize(text)).toThrow(`"${text}" is not a size; write for example 800GiB`);
  });

  it.each(["0%VG", "101%VG"])("refuses the share %j", (text) => {
    expect(() => parseSize(text)).toThrow("not between 0 and 100 %");
  });

  it("refuses more bytes than can be counted exactly", () => {
    expect(() => parseSize("9000PiB")).toThrow("more than can be counted");
  });
});

describe("formatBytes", () => {
  it.each([
    [1, "1 bytes"],
    [1023, "1023 bytes"],
    [4 * 1024 ** 2, "4 MiB"],
    [800 * 1024 ** 3, "800 GiB"],
    [4_000_787_030_016, "3726.02 GiB"],
    [2 * 1024 ** 4, "2048 GiB"],
  ])("prints %d as %j", (bytes, text) => {
    expect(formatBytes(bytes)).toBe(text);
  });

  it("prints what parseSize reads back, to two decimals of the unit", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1024, max: 2 ** 50 }), (bytes) => {
        const text = formatBytes(bytes);
        const unit = bytesOf(`1${text.split(" ")[1]}`);
        expect(Math.abs(bytesOf(text) - bytes)).toBeLessThanOrEqual(unit / 200 + 1);
      }),
    );
  });
});

function bytesOf(text: string): number {
  const size = parseSize(text);
  return "bytes" in size ? size.bytes : Number.NaN;
}
