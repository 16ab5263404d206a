import fc from "fast-check";
import { beforeAll, describe, expect, it } from "vitest";
import { parseHosts } from "../../../../config.ts";
import { COLOURS } from "../../../../setup/map/colours.ts";
import { flatten, type Box, type Drawing, type Point, type Role, type Shape } from "../../../../setup/map/drawing.ts";
import { hostMap, type HostMap, type Part, type TierMap } from "../../../../setup/map/hostMap.ts";
import { draw, type Format } from "../../../../setup/map/layout.ts";
import { printPage } from "../../../../setup/map/page.ts";
import { escape, widthOf, wrap } from "../../../../setup/map/text.ts";
import { bytes, optional, path, word } from "../../../support/generators.ts";
import { CONNECTION, hostsOf, LOOKS } from "../../../support/mapOf.ts";

const FORMATS: readonly Format[] = ["wide", "narrow"];
/** Numbers have one decimal. */
const ABOUT = 0.11;

const onlyDefined = (one: object): object =>
  Object.fromEntries(Object.entries(one).filter(([, value]) => value !== undefined));

type Text = Extract<Shape, { kind: "text" }>;
const spaceOf = (text: Text): Box => ({
  x: text.x,
  y: text.y - text.style.size * 0.8,
  width: widthOf(text.text, text.style),
  height: text.style.size,
});
const isInside = (inner: Box, outer: Box) =>
  inner.x >= outer.x - ABOUT &&
  inner.y >= outer.y - ABOUT &&
  inner.x + inner.width <= outer.x + outer.width + ABOUT &&
  inner.y + inner.height <= outer.y + outer.height + ABOUT;
const overlap = (one: Box, other: Box) =>
  one.x + ABOUT < other.x + other.width &&
  other.x + ABOUT < one.x + one.width &&
  one.y + ABOUT < other.y + other.height &&
  other.y + ABOUT < one.y + one.height;
const isOnEdge = ([x, y]: Point, box: Box) =>
  isInside({ x, y, width: 0, height: 0 }, box) &&
  [x - box.x, x - box.x - box.width, y - box.y, y - box.y - box.height].some((one) => Math.abs(one) <= ABOUT);
const isPanel = (id: string) => id.split("/").length === 2;

/** What no drawing may have. */
function faultsOf({ width, height, shapes }: Drawing): string[] {
  const all = flatten(shapes);
  const texts = all.flatMap((one) => (one.kind === "text" ? [{ ...one, space: spaceOf(one) }] : []));
  const rectangles = all.filter((shape) => shape.kind === "box");
  const boxes = rectangles.flatMap((box) => (box.id === undefined ? [] : [{ ...box, id: box.id }]));
  const byId = new Map(boxes.map((box) => [box.id, box]));
  const sheet = { x: 0, y: 0, width, height };
  const faults: string[] = [];
  const require = (isSo: boolean, fault: string) => void (isSo || faults.push(fault));
  require(byId.size === boxes.length, "two boxes have one id");
  for (const box of rectangles) {
    require(isInside(box, sheet), `${box.id ?? box.role} is on the sheet`);
    require(box.width >= 0 && box.height >= 0, `${box.id ?? box.role} has a size`);
  }
  for (const [index, box] of boxes.entries()) {
    const panel = byId.get(box.id.split("/").slice(0, 2).join("/"));
    require(panel !== undefined && isInside(box, panel), `${box.id} is in its panel`);
    for (const other of boxes.slice(index + 1))
      if (isPanel(box.id) === isPanel(other.id)) require(!overlap(box, other), `${box.id} is over ${other.id}`);
  }
  for (const [index, text] of texts.entries()) {
    const { space } = text;
    require(isInside(space, text.within), `"${text.text}" doesn't fit`);
    require(isInside(space, sheet), `"${text.text}" is off the sheet`);
    for (const box of boxes)
      require(isInside(space, box) || !overlap(space, box), `"${text.text}" is over the edge of ${box.id}`);
    for (const other of texts.slice(index + 1))
      require(!overlap(space, other.space), `"${text.text}" is over "${other.text}"`);
  }
  for (const arrow of all.filter((shape) => shape.kind === "arrow")) {
    const [from, to] = [byId.get(arrow.from), byId.get(arrow.to)];
    require(from !== undefined && isOnEdge(arrow.points[0]!, from), `an arrow leaves ${arrow.from}`);
    require(to !== undefined && isOnEdge(arrow.points.at(-1)!, to), `an arrow comes to ${arrow.to}`);
    for (const [index, [x, y]] of arrow.points.slice(1).entries()) {
      const [fromX, fromY] = arrow.points[index]!;
      const [left, top] = [Math.min(x, fromX), Math.min(y, fromY)];
      const line = { x: left, y: top, width: Math.abs(x - fromX) + 0.5, height: Math.abs(y - fromY) + 0.5 };
      for (const text of texts) require(!overlap(line, text.space), `an arrow is over "${text.text}"`);
    }
  }
  return faults;
}

describe("the picture of a stack's hosts", () => {
  const tiers = {
    hot: { device: { path: "/dev/nvme0n1", size: 4000787030016 } },
    warm: { device: { path: "/dev/sda2" } },
    cold: { server: "192.0.2.2", export: "/volume1/data" },
  };
  const volume = fc.record(
    { size: fc.constantFrom("1GiB", "800GiB", "20%VG"), mountPoint: path.map((one) => `/srv${one}`) },
    { requiredKeys: ["size", "mountPoint"] },
  );
  const section = fc.record({
    hot: fc.oneof(
      fc.constant(tiers.hot),
      fc.constant(undefined),
      fc.constant({ layout: "directories" }),
      fc.uniqueArray(fc.tuple(word, volume), { selector: ([name]) => name, minLength: 1, maxLength: 4 }).map((all) => ({
        device: {
          path: "/dev/disk/by-id/nvme-A_Very_Long_Name_Of_A_Disk_2000GB_S1234567890",
          size: "2000GB",
          serial: "S1",
        },
        additionalDevices: [{ path: "/dev/sdb", size: "500GB" }],
        snapshotReserve: 0,
        volumes: Object.fromEntries(
          all.map(([name, one], at) => [name, { ...one, mountPoint: `${one.mountPoint}${at}` }]),
        ),
      })),
    ),
    cold: optional(fc.constant(tiers.cold)),
    automation: optional(
      fc.record({
        logsToWarmAfterDays: fc.integer({ min: 1, max: 999 }),
        rules: fc.array(
          fc.record({
            name: word,
            source: path,
            pattern: fc.constantFrom("*", "*.parquet", "<&\"'>*"),
            olderThanDays: fc.integer({ min: 1, max: 9 }),
            to: fc.constant("warm" as const),
            destination: word,
          }),
          { maxLength: 7 },
        ),
      }),
    ),
  });
  const seed = Number(process.env.JTS_STORAGE_SEED ?? Date.now());
  let maps: readonly HostMap[] = [];
  /** With all that the JTS values have. */
  let full: HostMap;
  beforeAll(async () => {
    const sections = fc.sample(section, { numRuns: 12, seed }).map((one, index): [string, object] => [
      `h${index}`,
      {
        ...onlyDefined(one),
        connection: { ...CONNECTION, host: `h${index}.example` },
        warm: tiers.warm,
        ...(one.cold === undefined ? {} : { cold: { ...one.cold, root: `h${index}` } }),
      },
    ]);
    const { problems } = parseHosts(Object.fromEntries(sections));
    const bad = new Set(problems.map(({ key }) => key.split(".")[0]));
    const good = sections.filter(([name]) => !bad.has(name));
    const [jts, ...hosts] = await hostsOf({
      a: { connection: CONNECTION, ...tiers, automation: {} },
      ...Object.fromEntries(good),
    });
    full = hostMap(jts!, { outcome: "not asked" });
    maps = hosts.flatMap((host) => LOOKS.map((look) => hostMap(host, look)));
  }, 600_000);

  it.each(FORMATS)("has no text that doesn't fit, no box over another, and no arrow from nowhere (%s)", (format) => {
    expect(maps.length).toBeGreaterThan(8);
    for (const map of maps) expect(faultsOf(draw([map], format)), `seed ${seed}, ${map.name}`).toEqual([]);
  });

  it("has every declared volume, device and mount point", () => {
    for (const format of FORMATS) {
      const drawn = flatten(draw([full], format).shapes);
      const said = drawn.flatMap((shape) => (shape.kind === "text" ? [shape.text] : [])).join("");
      const names = [
        "/dev/nvme0n1",
        "vg_jts",
        "lv_postgres",
        "lv_local_backup",
        "/var/lib/kafka",
        "/data/jts/hot/kafka",
      ];
      for (const name of [...names, "/dev/sda2", "/data/warm-storage", "/volume1/data", "/mnt/synology"])
        expect(said).toContain(name);
      const days = ["after 7 days", "after 30 days", "daily at 02:00", "deleted after 3 days", "119 GiB", "7.02 GiB"];
      for (const words of days) expect(said).toContain(words);
    }
  });

  it("divides the volume group by the sizes of its volumes", () => {
    const scale = flatten(draw([full], "wide").shapes).flatMap((shape) =>
      shape.kind === "box" && shape.role === "hot-tint" ? [shape.height] : [],
    );
    expect(scale).toHaveLength(7);
    // postgres has 800 GiB, clickhouse 1500; each piece has three pixels more than its share.
    expect((scale[1]! - 3) / (scale[0]! - 3)).toBeCloseTo(1500 / 800, 1);
  });

  it("says that a host was not reached, and why, and marks what differs by words", () => {
    const words = (look: HostMap["look"]) => printPage(maps.filter((map) => map.look === look).slice(0, 1), "stack");
    expect(words(LOOKS[1]!)).toMatch(/Not reached, drawn as declared: ssh: connect to host 192\.0\.2\.1/);
    const differing = maps.find((map) => map.look === LOOKS[2] && map.differences.length > 0)!;
    expect(printPage([differing], "stack")).toMatch(/≠ \d differences? from what is declared/);
    expect(printPage([differing], "stack")).toContain("Health: warning, as reported at 2026-03-01T10:07:12Z");
  });

  it("is the same for the same input", () => {
    expect(printPage(structuredClone(maps.slice(0, 8)), "stack")).toBe(printPage(maps.slice(0, 8), "stack"));
  });
});

describe("any picture", () => {
  const name = fc.oneof(word, path, fc.string({ unit: "grapheme", maxLength: 60 }), fc.constant("W".repeat(200)));
  const fill = fc.integer({ min: 0, max: 100 }).map((percent) => ({ usedBytes: percent, wholeBytes: 100, percent }));
  const part: fc.Arbitrary<Part> = fc.record({
    what: fc.constant("Thing"),
    name,
    facts: fc.array(name, { maxLength: 3 }),
    fill: optional(fill),
    differences: fc.array(name, { maxLength: 2 }),
  });
  const chain = fc.record({ parts: fc.array(part, { minLength: 1, maxLength: 4 }), bytes });
  const notes = fc.array(name, { maxLength: 2 });
  const pool = fc
    .array(fc.tuple(fc.tuple(part, part, part), bytes, optional(fill)), { maxLength: 12 })
    .chain((volumes) =>
      fc.record({
        key: fc.constant("hot" as const),
        title: name,
        notes,
        chains: fc.constant(volumes.map(([parts, size]) => ({ parts, bytes: size }))),
        pool: fc.record({
          devices: fc.array(fc.record({ device: part, physicalVolume: part, bytes }), { minLength: 1, maxLength: 4 }),
          group: part,
          slices: fc.constant([
            ...volumes.map(([, size, full]) => ({ kind: "volume" as const, name: "v", bytes: size, fill: full })),
            { kind: "other" as const, name: "snapshot", bytes: 7 },
            { kind: "free" as const, name: "free", bytes: 0 },
          ]),
        }),
      }),
    );
  const tier = <Key extends TierMap["key"]>(key: Key) =>
    fc.record({ key: fc.constant(key), title: name, chains: fc.array(chain, { maxLength: 4 }), notes });
  const flow = fc.record({
    from: fc.constantFrom("hot" as const, "warm" as const),
    to: fc.constantFrom("warm" as const, "cold" as const),
    what: name,
    when: name,
  });
  const map: fc.Arbitrary<HostMap> = fc.record({
    name: word,
    address: name,
    look: fc.constantFrom(...LOOKS),
    tiers: fc.tuple(fc.oneof(pool, tier("hot")), tier("warm"), tier("cold")),
    flows: fc.array(flow, { maxLength: 9 }).map((all) => all.filter(({ from, to }) => from !== to)),
    differences: fc.array(fc.record({ subject: name, found: name }), { maxLength: 9 }),
  });

  it.each(FORMATS)("has no faults, whatever its texts and sizes (%s)", (format) => {
    fc.assert(
      fc.property(map, (one) => {
        expect(faultsOf(draw([one], format))).toEqual([]);
      }),
      { numRuns: 60 },
    );
  });

  it("escapes every text, so that a page has only the elements that are its own", () => {
    const hostile = `</text><script>alert(1)</script>&"'\u0000\u202e`;
    const bad: Part = { what: hostile, name: hostile, facts: [hostile], differences: [hostile] };
    const one: HostMap = {
      name: hostile,
      address: hostile,
      look: { outcome: "not reached", reason: hostile },
      tiers: [{ key: "warm", title: hostile, chains: [{ parts: [bad, bad] }], notes: [hostile] }],
      flows: [{ from: "hot", to: "warm", what: hostile, when: hostile }],
      differences: [{ subject: hostile, found: hostile }],
    };
    const page = printPage([one], hostile);
    for (const bad of ["<script", "\u0000", "\u202e"]) expect(page).not.toContain(bad);
    const tags = new Set([...page.matchAll(/<\/?([a-z0-9]+)/g)].map(([, tag]) => tag));
    const own = ["html", "head", "meta", "title", "style", "body", "main", "p", "section", "div", "details", "summary"];
    expect(
      [...tags].filter((tag) => ![...own, "h2", "ul", "li", "svg", "desc", "rect", "text", "path", "g"].includes(tag!)),
    ).toEqual([]);
  });

  it("keeps all of a text's letters when it breaks it, and ends with … what it cuts", () => {
    fc.assert(
      fc.property(name, fc.integer({ min: 40, max: 300 }), (text, width) => {
        const style = { size: 12, mono: true };
        const all = wrap(text, width, style);
        expect(all.join("").replaceAll(/\s/g, "")).toBe(text.replaceAll(/\s/g, ""));
        for (const line of all) expect([...line].length === 1 || widthOf(line, style) <= width).toBe(true);
        expect(wrap(text, width, style, 1)).toEqual(all.length === 1 ? all : [expect.stringMatching(/…$/)]);
      }),
    );
    expect(escape("<a b='c' \"d\">&")).toBe("&lt;a b=&#39;c&#39; &quot;d&quot;&gt;&amp;");
  });
});

describe("the colours", () => {
  const luminance = (colour: string) => {
    const [red = 0, green = 0, blue = 0] = [1, 3, 5]
      .map((at) => Number.parseInt(colour.slice(at, at + 2), 16) / 255)
      .map((value) => (value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4));
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  };
  const contrast = (one: string, other: string) => {
    const [dark = 0, light = 0] = [luminance(one), luminance(other)].sort((a, b) => a - b);
    return (light + 0.05) / (dark + 0.05);
  };
  const on: readonly (readonly [text: Role, grounds: readonly Role[]])[] = [
    ["ink", ["paper", "panel", "part", "differing", "free"]],
    ["muted", ["paper", "panel", "part", "differing", "free"]],
    ["warning", ["paper", "part", "differing"]],
    ...(["hot", "warm", "cold"] as const).map((tier) => [tier, ["paper", "panel"]] as const),
  ];

  it.each(["light", "dark"] as const)(
    "of text have a contrast of 4.5 and more, and of bars and arrows 3 (%s)",
    (theme) => {
      for (const [text, grounds] of on)
        for (const ground of grounds)
          expect(contrast(COLOURS[text][theme], COLOURS[ground][theme]), `${text} on ${ground}`).toBeGreaterThanOrEqual(
            4.5,
          );
      for (const [one, other] of [
        ["used", "track"],
        ["used", "hot-tint"],
        ["hot-arrow", "paper"],
        ["warm-arrow", "paper"],
        ["cold-arrow", "paper"],
      ] as const)
        expect(contrast(COLOURS[one][theme], COLOURS[other][theme]), `${one} on ${other}`).toBeGreaterThanOrEqual(3);
    },
  );
});
