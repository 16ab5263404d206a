/** Where each thing of a host's picture stands, on a wide sheet or on a narrow one for phones. Pure. */
import {
  arrowDown,
  arrowRight,
  drawFill,
  drawPart,
  FACT,
  HEADING,
  heightOf,
  LABEL,
  leading,
  lines,
  NAME,
  paragraph,
  partHeight,
  round,
  TITLE,
  type Box,
  type Drawing,
  type Port,
  type Role,
  type Shape,
} from "./drawing.ts";
import { formatBytes } from "../../providers/values/size.ts";
import type { Chain, Health, HostMap, Part, Pool, Slice, TierMap } from "./hostMap.ts";
import type { Flow } from "./flows.ts";

export type Format = "wide" | "narrow";

/** Of the sheet, the room around panels, and within them. The rail is for arrows that pass a tier by. */
const SHEETS = {
  wide: { width: 1200, margin: 24, inset: 20, rail: 28, columns: 3 },
  narrow: { width: 366, margin: 8, inset: 12, rail: 14, columns: 1 },
} as const;
type Sheet = (typeof SHEETS)[Format];

const GAP = 10;
/** Differences and findings that the heading lists; the page has all. */
const LISTED = 6;

/** Shapes that end at `bottom`. */
interface Drawn {
  readonly shapes: readonly Shape[];
  readonly bottom: number;
}

export function draw(maps: readonly HostMap[], format: Format): Drawing {
  const sheet = SHEETS[format];
  const shapes: Shape[] = [];
  let y: number = sheet.margin;
  for (const map of maps) {
    const drawn = drawHost(map, sheet, y);
    shapes.push(...drawn.shapes);
    y = drawn.bottom + 2 * sheet.margin;
  }
  const height = Math.ceil(y - sheet.margin);
  const paper: Shape = { kind: "box", role: "paper", x: 0, y: 0, width: sheet.width, height };
  return { width: sheet.width, height, shapes: [paper, ...shapes] };
}

function drawHost(map: HostMap, sheet: Sheet, top: number): Drawn {
  const heading = drawHeading(map, sheet, top);
  const shapes: Shape[] = [...heading.shapes];
  const panels = new Map<string, Port>();
  let y = heading.bottom + 14;
  let before: Port | undefined;
  for (const tier of map.tiers) {
    const into = map.flows.filter(({ to }) => to === tier.key);
    const previous = map.tiers[map.tiers.indexOf(tier) - 1];
    const gap = drawFlows(into, previous, tier, sheet, y);
    const id = `${map.name}/${tier.key}`;
    const panel = drawTier(tier, id, sheet, gap.bottom);
    shapes.push(...gap.shapes, ...panel.shapes);
    if (before !== undefined && previous !== undefined && into.some(({ from }) => from === previous.key))
      shapes.push(arrowDown(before, panel.port, `${tier.key}-arrow`, sheet.margin + sheet.inset));
    panels.set(tier.key, panel.port);
    shapes.push(...drawRails(into, previous, panel.port, panels, tier, sheet));
    before = panel.port;
    y = panel.bottom;
  }
  return { shapes, bottom: y };
}

/** Name, address, whether the host was reached, and what differs or is not well there. */
function drawHeading({ name, address, look, differences }: HostMap, sheet: Sheet, top: number): Drawn {
  const width = sheet.width - 2 * sheet.margin;
  const said = (text: string, isBad: boolean) => lines(text, width, LABEL, isBad ? "warning" : "ink", 4);
  const list = (all: readonly string[]) => [
    ...all.slice(0, LISTED).flatMap((one) => lines(`– ${one}`, width, FACT, "ink", 3)),
    ...(all.length > LISTED ? lines(`– and ${all.length - LISTED} more`, width, FACT, "muted") : []),
  ];
  const health = look.outcome === "seen" ? look.seen.health : undefined;
  const all = [
    ...lines(name, width, TITLE, "ink", 2),
    ...lines(address, width, NAME, "muted", 2),
    ...said(stateLine(look, differences.length), look.outcome === "not reached" || differences.length > 0),
    ...list(differences.map(({ subject, found }) => `${subject}: ${found}`)),
    ...(health === undefined ? [] : said(healthLine(health), health.level !== "ok")),
    ...list((health?.findings ?? []).map(({ level, subject, fact }) => `${level}: ${subject}: ${fact}`)),
  ];
  const box = { x: sheet.margin, y: top, width, height: heightOf(all) };
  return { shapes: paragraph(all, box), bottom: top + box.height };
}

/** Whether the host is as declared. */
export function stateLine(look: HostMap["look"], differing: number): string {
  if (look.outcome === "not asked") return "As declared; the host was not asked";
  if (look.outcome === "not reached") return `Not reached, drawn as declared: ${look.reason}`;
  if (differing === 0) return "As declared";
  return `≠ ${differing === 1 ? "1 difference" : `${differing} differences`} from what is declared`;
}

export function healthLine({ level, at }: Health): string {
  if (level === "unreadable")
    return "Health: the report on the host can't be read. Next: storage-health.sh --save there";
  return `Health: ${level}, as reported at ${at}`;
}

function drawTier(tier: TierMap, id: string, sheet: Sheet, top: number): Drawn & { readonly port: Port } {
  const x = sheet.margin;
  const width = sheet.width - 2 * sheet.margin - sheet.rail;
  const inner = { x: x + sheet.inset, width: width - 2 * sheet.inset };
  const heading = lines(tier.title, inner.width, HEADING, tier.key, 2);
  const headed = top + 12 + heightOf(heading);
  const isWide = sheet.columns > 1;
  const body =
    tier.pool === undefined
      ? (isWide ? chainsInColumns : chainsInOneColumn)(tier.chains, id, inner, headed + 6)
      : (isWide ? poolInColumns : poolInOneColumn)(tier.pool, tier.chains, id, inner, headed + 6);
  const notes = tier.notes.flatMap((note) => lines(note, inner.width, FACT, "muted", 3));
  const bottom = body.bottom + (notes.length > 0 ? 8 : 0) + heightOf(notes) + 14;
  const port: Port = { id, x, y: top, width, height: bottom - top };
  return {
    port,
    bottom,
    shapes: [
      { kind: "box", role: "panel", radius: 4, ...port },
      { kind: "box", role: tier.key, x, y: top, width: 4, height: port.height },
      ...paragraph(heading, { ...inner, y: top + 12, height: heightOf(heading) }),
      ...body.shapes,
      ...paragraph(notes, { ...inner, y: bottom - 14 - heightOf(notes), height: heightOf(notes) }),
    ],
  };
}

type Span = Pick<Box, "x" | "width">;

/** Of the wide sheet: device, physical volume, volume group, logical volume, filesystem, mount. */
const POOL_COLUMNS = [
  { heading: "Device", width: 146, gap: 20 },
  { heading: "Physical volume", width: 118, gap: 20 },
  { heading: "Volume group", width: 128, gap: 48 },
  { heading: "Logical volume", width: 152, gap: 20 },
  { heading: "Filesystem", width: 182, gap: 20 },
  { heading: "Mount point", width: 230, gap: 0 },
] as const;

function poolInColumns(pool: Pool, chains: readonly Chain[], id: string, inner: Span, top: number): Drawn {
  const columns: Span[] = [];
  let x: number = inner.x;
  for (const { width, gap } of POOL_COLUMNS) {
    columns.push({ x, width });
    x += width + gap;
  }
  const [ofDevice, ofPhysical, ofGroup, ofVolume] = columns as [Span, Span, Span, Span];
  const headings = POOL_COLUMNS.flatMap(({ heading, width }, column) =>
    paragraph(lines(heading, width, FACT, "muted"), { ...columns[column]!, y: top, height: leading(FACT) }),
  );
  const y = top + leading(FACT) + 6;

  const parts = pool.slices.map((slice, index) => partsOf(slice, chains[index]));
  const heights = parts.map((row) => Math.max(...row.map((part, at) => partHeight(part, columns[3 + at]!.width))));
  const deviceHeights = pool.devices.map(({ device, physicalVolume }) =>
    Math.max(partHeight(device, ofDevice.width), partHeight(physicalVolume, ofPhysical.width)),
  );
  const sum = (all: readonly number[]) => all.reduce((total, one) => total + one + GAP, -GAP);
  const groupHeight = partHeight(pool.group, ofGroup.width);
  const height = Math.max(sum(heights), sum(deviceHeights), groupHeight + 120);

  // Devices share the height by their size, above what their text needs.
  const spare = height - sum(deviceHeights);
  const shares = sharesOf(pool.devices.map(({ bytes }) => bytes ?? 0));
  const group: Port = { id: `${id}/group`, ...ofGroup, y, height };
  let at = y;
  const devices = pool.devices.flatMap(({ device, physicalVolume }, index): Shape[] => {
    const box = { y: at, height: round(deviceHeights[index]! + spare * shares[index]!) };
    at = round(at + box.height + GAP);
    const from: Port = { id: `${id}/device-${index}`, ...ofDevice, ...box };
    const to: Port = { id: `${id}/pv-${index}`, ...ofPhysical, ...box };
    return [
      drawPart(device, from.id, from),
      drawPart(physicalVolume, to.id, to),
      arrowRight(from, to, "line"),
      arrowRight(to, group, "line"),
    ];
  });

  const scale = { x: group.x + 10, y: y + groupHeight, width: group.width - 10, height: height - groupHeight - 8 };
  const segments = segmentsOf(pool.slices, scale.height);
  at = y;
  const rows = parts.flatMap((row, index): Shape[] => {
    const box = { y: at, height: heights[index]! };
    at += box.height + GAP;
    const segment = segments[index]!;
    const [upper, lower] = [round(scale.y + segment.from), round(scale.y + segment.from + segment.length)];
    const [left, right] = [group.x + group.width, ofVolume.x];
    const ports = row.map((_part, column): Port => ({
      id: `${id}/${index}-${column}`,
      ...columns[3 + column]!,
      ...box,
    }));
    return [
      { kind: "area", role: "fan", points: [[left, upper], [right, box.y], [right, box.y + box.height], [left, lower]] }, // prettier-ignore
      ...row.map((part, column) => drawRowPart(part, pool.slices[index]!, ports[column]!, column)),
      ...ports.slice(1).map((port, before) => arrowRight(ports[before]!, port, "line")),
    ];
  });
  return {
    bottom: y + height,
    shapes: [
      ...headings,
      ...devices,
      drawGroup(pool.group, group, groupHeight),
      ...pool.slices.flatMap((slice, index) => {
        const { from, length } = segments[index]!;
        return drawSegment(slice, { ...scale, y: round(scale.y + from), height: round(length) });
      }),
      ...rows,
    ],
  };
}

/** What a piece of the volume group holds: the parts of its chain, or only itself. */
function partsOf(slice: Slice, chain: Chain | undefined): readonly Part[] {
  return slice.kind === "volume" && chain !== undefined ? chain.parts : [sliceAsPart(slice)];
}

function sliceAsPart({ kind, name, bytes, fill }: Slice): Part {
  const what = kind === "other" ? "Volume" : "Room";
  const taken = fill === undefined ? [] : [`${fill.percent} % taken`];
  return { what, name: formatBytes(bytes), facts: [name, ...taken], fill, differences: [] };
}

function drawRowPart(part: Part, { kind }: Slice, port: Port, column: number): Shape {
  const drawn = drawPart(part, port.id, port);
  if (column > 0 || kind === "volume" || kind === "other") return drawn;
  return withBox(drawn, { role: "free" });
}

/** The group's text stands over its scale. */
function drawGroup(group: Part, port: Port, height: number): Shape {
  const drawn = drawPart(group, port.id, { ...port, height });
  return withBox(drawn, port);
}

/** A drawn part whose own box, the one with an id, is changed. */
function withBox(part: Shape, change: Partial<Box> & { readonly role?: Role }): Shape {
  if (part.kind !== "group") return part;
  const shapes = part.shapes.map((shape) => (shape.kind === "box" && shape.id ? { ...shape, ...change } : shape));
  return { ...part, shapes };
}

/** Of each number in their sum; equal ones where it is 0. */
function sharesOf(all: readonly number[]): number[] {
  const sum = all.reduce((total, one) => total + one, 0);
  return all.map((one) => (sum > 0 ? one / sum : 1 / all.length));
}

/** What can still be seen of the smallest piece. */
const LEAST = 3;

/** Where each piece lies on a scale, by its size. */
function segmentsOf(slices: readonly Slice[], length: number): { readonly from: number; readonly length: number }[] {
  const spare = Math.max(0, length - LEAST * slices.length);
  let from = 0;
  return sharesOf(slices.map(({ bytes }) => bytes)).map((share) => {
    const segment = { from, length: LEAST + share * spare };
    from += segment.length;
    return segment;
  });
}

/** A piece of the scale, filled from its left as far as it is used. */
function drawSegment({ kind, name, bytes, fill }: Slice, box: Box): Shape[] {
  const role: Role = kind === "volume" ? "hot-tint" : kind === "other" ? "track" : "free";
  const used = fill === undefined ? [] : drawFill(fill.percent, box).slice(1);
  const title = [`${name}: ${formatBytes(bytes)}`, ...(fill === undefined ? [] : [`${fill.percent} % used`])];
  return [{ kind: "group", title: title.join("\n"), shapes: [{ kind: "box", role, ...box }, ...used] }];
}

function poolInOneColumn(pool: Pool, chains: readonly Chain[], id: string, inner: Span, top: number): Drawn {
  const shapes: Shape[] = [];
  let y = top;
  const place = (part: Part, name: string): Port => {
    const port: Port = { id: `${id}/${name}`, ...inner, y, height: partHeight(part, inner.width) };
    shapes.push(drawPart(part, port.id, port));
    y += port.height;
    return port;
  };
  const last: Port[] = [];
  for (const [index, { device, physicalVolume }] of pool.devices.entries()) {
    if (index > 0) y += GAP;
    const from = place(device, `device-${index}`);
    y += STEP;
    const to = place(physicalVolume, `pv-${index}`);
    shapes.push(arrowDown(from, to, "line"));
    last.push(to);
  }
  y += STEP;
  const groupHeight = partHeight(pool.group, inner.width);
  const group: Port = { id: `${id}/group`, ...inner, y, height: groupHeight + SCALE + 6 };
  shapes.push(drawGroup(pool.group, group, groupHeight));
  const before = last.at(-1);
  if (before !== undefined) shapes.push(arrowDown(before, group, "line"));
  const scale = { x: inner.x + 10, y: y + groupHeight - 4, width: inner.width - 20, height: SCALE };
  for (const [index, { from, length }] of segmentsOf(pool.slices, scale.width).entries())
    shapes.push(...drawSegment(pool.slices[index]!, { ...scale, x: round(scale.x + from), width: round(length) }));
  y += group.height + GAP;

  // Each piece hangs on a line from the group, as in a tree of folders.
  const trunk = inner.x + 8;
  const hung = { x: inner.x + 22, width: inner.width - 22 };
  for (const [index, slice] of pool.slices.entries()) {
    const part = merged(partsOf(slice, chains[index]));
    const port: Port = { id: `${id}/${index}`, ...hung, y, height: partHeight(part, hung.width) };
    const drawn = drawRowPart(part, slice, port, 0);
    const middle = round(port.y + port.height / 2);
    const points = [[trunk, group.y + group.height], [trunk, middle], [port.x, middle]] as const; // prettier-ignore
    shapes.push(drawn, { kind: "arrow", role: "line", from: group.id, to: port.id, points });
    y += port.height + GAP;
  }
  return { shapes, bottom: y - GAP };
}

/** Between two parts below one another: an arrow's length. */
const STEP = 18;
/** The height of a scale that lies. */
const SCALE = 16;

/** The parts of a chain as one, for a narrow sheet. */
function merged(parts: readonly Part[]): Part {
  const [first, ...rest] = parts as [Part, ...Part[]];
  return {
    ...first,
    facts: [
      ...first.facts,
      ...rest.flatMap(({ what, name, facts }) => [what === "Mount point" ? `at ${name}` : name, ...facts]),
    ],
    fill: parts.find(({ fill }) => fill !== undefined)?.fill,
    differences: parts.flatMap(({ differences }) => differences),
  };
}

/** Of the wide sheet: device, filesystem, mount point, folders; and four columns of one width. */
const CHAIN_COLUMNS = [220, 220, 240, 320];
const GRID = [250, 250, 250, 250];

/** A chain a row; where chains have one part each, several side by side. */
function chainsInColumns(chains: readonly Chain[], id: string, inner: Span, top: number): Drawn {
  const isGrid = chains.every(({ parts }) => parts.length === 1);
  const columns: Span[] = [];
  let x: number = inner.x;
  for (const width of isGrid ? GRID : CHAIN_COLUMNS) {
    columns.push({ x, width });
    x += width + 28;
  }
  const parts = chains.map((chain) => chain.parts);
  const rows = isGrid ? chunks(parts.flat(), GRID.length) : parts;
  const shapes: Shape[] = [];
  let y = top;
  for (const [index, row] of rows.entries()) {
    if (!isGrid)
      for (const [column, { what }] of row.entries()) {
        const box = { ...columns[column]!, y, height: leading(FACT) };
        shapes.push(...paragraph(lines(what, box.width, FACT, "muted"), box));
      }
    if (!isGrid) y += leading(FACT) + 6;
    const height = Math.max(...row.map((part, column) => partHeight(part, columns[column]!.width)));
    const ports = row.map((_part, column): Port => ({
      id: `${id}/${index}-${column}`,
      ...columns[column]!,
      y,
      height,
    }));
    shapes.push(...row.map((part, column) => drawPart(part, ports[column]!.id, ports[column]!)));
    if (!isGrid) shapes.push(...ports.slice(1).map((port, before) => arrowRight(ports[before]!, port, "line")));
    y += height + GAP;
  }
  return { shapes, bottom: rows.length === 0 ? top : y - GAP };
}

function chainsInOneColumn(chains: readonly Chain[], id: string, inner: Span, top: number): Drawn {
  const shapes: Shape[] = [];
  let y = top;
  for (const [index, { parts }] of chains.entries()) {
    let before: Port | undefined;
    for (const [row, part] of parts.entries()) {
      if (before !== undefined) y += STEP;
      const port: Port = { id: `${id}/${index}-${row}`, ...inner, y, height: partHeight(part, inner.width) };
      shapes.push(drawPart(part, port.id, port));
      if (before !== undefined) shapes.push(arrowDown(before, port, "line"));
      before = port;
      y += port.height;
    }
    y += GAP;
  }
  return { shapes, bottom: chains.length === 0 ? top : y - GAP };
}

function chunks<T>(all: readonly T[], size: number): (readonly T[])[] {
  return Array.from({ length: Math.ceil(all.length / size) }, (_one, at) => all.slice(at * size, (at + 1) * size));
}

/** What comes to a tier, listed above it: from the one before beside their arrow, from others beside the rail. */
function drawFlows(
  into: readonly Flow[],
  previous: TierMap | undefined,
  tier: TierMap,
  sheet: Sheet,
  top: number,
): Drawn {
  if (previous === undefined) return { shapes: [], bottom: top };
  const direct = into.filter(({ from }) => from === previous.key);
  const passing = into.filter(({ from }) => from !== previous.key);
  const left = sheet.margin + sheet.inset + 18;
  const right = sheet.width - sheet.margin - sheet.rail;
  const gap = 24;
  const width = Math.floor((right - left - (sheet.columns - 1) * gap) / sheet.columns);
  const span = (columns: number) => columns * width + (columns - 1) * gap;
  const isBeside = sheet.columns > 1 && passing.length > 0;
  const columns = isBeside ? sheet.columns - 1 : sheet.columns;
  const first = drawList(direct, tier, { x: left, width: span(columns) }, columns, top + 12);
  const second = drawList(
    passing,
    tier,
    { x: isBeside ? right - width : left, width },
    1,
    isBeside || direct.length === 0 ? top + 12 : first.bottom + 8,
  );
  return { shapes: [...first.shapes, ...second.shapes], bottom: Math.max(first.bottom, second.bottom) + 16 };
}

/** Flows between the same two tiers, under a heading that names these. */
function drawList(flows: readonly Flow[], tier: TierMap, inner: Span, columns: number, top: number): Drawn {
  const [first] = flows;
  if (first === undefined) return { shapes: [], bottom: top };
  const gap = 24;
  const width = Math.floor((inner.width - (columns - 1) * gap) / columns);
  const heading = lines(`From ${first.from} to ${first.to}`, inner.width, { ...FACT, bold: true }, tier.key);
  const shapes = [...paragraph(heading, { ...inner, y: top, height: heightOf(heading) })];
  let y = top + heightOf(heading) + 4;
  for (const row of chunks(flows, columns)) {
    const cells = row.map(({ what, when }) => [
      ...lines(what, width, LABEL, "ink", 3),
      ...lines(when, width, FACT, "muted", 3),
    ]);
    const height = Math.max(...cells.map(heightOf));
    for (const [column, cell] of cells.entries()) {
      const box = { x: inner.x + column * (width + gap), y, width, height: heightOf(cell) };
      const { what, when, from, to } = row[column]!;
      shapes.push({ kind: "group", title: `From ${from} to ${to}: ${what}\n${when}`, shapes: paragraph(cell, box) });
    }
    y += height + 8;
  }
  return { shapes, bottom: y - 8 };
}

/** Arrows past the tier before, along the right edge. */
function drawRails(
  into: readonly Flow[],
  previous: TierMap | undefined,
  port: Port,
  panels: ReadonlyMap<string, Port>,
  tier: TierMap,
  sheet: Sheet,
): Shape[] {
  const sources = new Set(into.map(({ from }) => from).filter((from) => from !== previous?.key));
  return [...sources].flatMap((source): Shape[] => {
    const from = panels.get(source);
    if (from === undefined) return [];
    const right = from.x + from.width;
    const rail = right + Math.round(sheet.rail * 0.7);
    const [leaves, comes] = [round(from.y + from.height / 2), port.y + 22];
    const points = [[right, leaves], [rail, leaves], [rail, comes], [right, comes]] as const; // prettier-ignore
    return [{ kind: "arrow", role: `${tier.key}-arrow`, from: from.id, to: port.id, points }];
  });
}
