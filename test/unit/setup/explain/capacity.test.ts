import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { capacityOf } from "../../../../components/hot/layout.ts";
import { parseHosts } from "../../../../config.ts";
import { drawBar, drawRooms, marksOf } from "../../../../setup/explain/bar.ts";
import { roomsOf, type Room } from "../../../../setup/explain/capacity.ts";

const GIB = 2 ** 30;
const connection = {
  host: "192.0.2.1",
  hostKey: "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
};

/** The settings of a host with these sections. */
function settingsOf(sections: object) {
  const { hosts, problems } = parseHosts({ a: { connection, ...sections } });
  expect(problems).toEqual([]);
  return hosts.a!;
}

const bytesOf = ({ shares }: Room, use: string) =>
  shares.filter((share) => share.use === use).reduce((sum, { bytes = 0 }) => sum + bytes, 0);

describe("the capacity of the hot tier", () => {
  const services = fc.dictionary(fc.constantFrom("postgres", "redis", "a", "b_1"), fc.integer({ min: 64, max: 9000 }), {
    minKeys: 1,
  });
  const extents = fc.constantFrom(1, 4, 32);

  it("is all of its devices to the byte, of which volumes, reserve and rest are what the tier's own check counts", () => {
    fc.assert(
      fc.property(
        services,
        extents,
        fc.integer({ min: 0, max: 500 }),
        fc.nat({ max: 1_000_000 }),
        (sizes, extent, reserve, odd) => {
          const volumes = Object.fromEntries(
            Object.entries(sizes).map(([name, mib]) => [name, { size: `${mib}MiB`, mountPoint: `/srv/${name}` }]),
          );
          const { hot } = settingsOf({
            hot: {
              device: { path: "/dev/disk/by-id/a", size: 40 * GIB + odd },
              additionalDevices: [{ path: "/dev/disk/by-id/b", size: 3 * GIB + odd }],
              volumeGroup: { extentSize: `${extent}MiB` },
              snapshotReserve: reserve === 0 ? 0 : `${reserve}MiB`,
              volumes,
            },
          });
          const [room] = roomsOf({ hot, warm: undefined, cold: undefined }) as [Room];
          expect(room.bytes).toBe(43 * GIB + 2 * odd);
          expect(room.shares.reduce((sum, { bytes = 0 }) => sum + bytes, 0)).toBe(room.bytes);
          expect(room.shares.every(({ bytes = 0 }) => bytes >= 0)).toBe(true);
          const capacity = capacityOf(hot as Parameters<typeof capacityOf>[0])!;
          expect(bytesOf(room, "volume")).toBe(capacity.plannedBytes);
          expect(bytesOf(room, "snapshots")).toBe(capacity.reserveBytes);
          expect(bytesOf(room, "free")).toBe(capacity.freeBytes - capacity.reserveBytes);
        },
      ),
      { numRuns: 50 },
    );
  });

  it("has no sum where a device's size isn't declared, nor where the tier is folders", () => {
    const unknown = settingsOf({
      hot: { device: { path: "/dev/disk/by-id/a" }, volumes: { redis: { size: "5GiB" } } },
    });
    const [room] = roomsOf(unknown) as [Room];
    expect([room.bytes, room.shares.map(({ name, bytes }) => [name, bytes])]).toEqual([
      undefined,
      [["redis", 5 * GIB]],
    ]);
    const folders = settingsOf({ hot: { layout: "directories", volumes: { redis: {} } } });
    expect(roomsOf(folders)).toMatchObject([{ bytes: undefined, shares: [{ name: "redis", bytes: undefined }] }]);
  });
});

describe("a bar", () => {
  const amounts = fc.array(fc.integer({ min: 0, max: 10_000 }), { minLength: 1, maxLength: 12 });

  it("is as wide as asked for, shows all that is there, and no part is off by a mark or more for another reason", () => {
    fc.assert(
      fc.property(amounts, fc.integer({ min: 12, max: 120 }), (sizes, width) => {
        const segments = sizes.map((amount, index) => ({ mark: String.fromCharCode(65 + index), amount }));
        const bar = drawBar(segments, width);
        const total = sizes.reduce((sum, size) => sum + size, 0);
        expect(bar).toHaveLength(total === 0 ? 0 : width);
        expect([...new Set(bar)]).toEqual(segments.filter(({ amount }) => amount > 0).map(({ mark }) => mark));
        const small = segments.filter(({ amount }) => amount > 0 && (amount / total) * width < 1).length;
        for (const { mark, amount } of segments) {
          const count = [...bar].filter((one) => one === mark).length;
          expect(Math.abs(count - (amount / total) * width || 0)).toBeLessThan(1 + small);
        }
      }),
    );
  });

  it("has the same scale for all tiers, a letter of its own for each volume, and question marks for what isn't known", () => {
    const volume = (name: string, bytes: number) => ({ use: "volume", name, bytes, purpose: "" }) as const;
    const rooms: Room[] = [
      {
        tier: "hot",
        name: "vg",
        on: [],
        bytes: 8,
        shares: [volume("redis", 4), volume("rocks", 2), { use: "free", name: "free", bytes: 2, purpose: "" }],
      },
      { tier: "warm", name: "w", on: [], bytes: 4, shares: [{ use: "room", name: "warm", bytes: 4, purpose: "" }] },
      { tier: "cold", name: "c", on: [], bytes: undefined, shares: [] },
    ];
    expect(marksOf(rooms[0]!)).toEqual(["R", "O", "."]);
    expect(drawRooms(rooms, 8)).toEqual(["RRRROO..", "WWWW", "???"]);
  });
});

describe("the capacity of the warm tier", () => {
  it("is what the cache of cold takes, and the rest", () => {
    const warm = { device: { path: "/dev/sda2", size: "1TiB" } };
    const settings = settingsOf({ warm, cold: { server: "nas", export: "/v", cache: { size: "100GiB" } } });
    const room = roomsOf(settings).find(({ tier }) => tier === "warm")!;
    expect([bytesOf(room, "room"), bytesOf(room, "cache"), room.bytes]).toEqual([924 * GIB, 100 * GIB, 1024 * GIB]);
    expect(marksOf(room)).toEqual(["W", "~"]);
  });
});
