/** What the picture of a host shows: its tiers from device to folder, and what moves between them. Pure. */
import { exportsOf } from "../../components/cold/layout.ts";
import { capacityOf } from "../../components/hot/layout.ts";
import { tiers, type TierKey } from "../../components/tiers.ts";
import type { HostSettings } from "../../config.ts";
import { formatBytes } from "../../providers/values/size.ts";
import { kindOf } from "../preview/describe.ts";
import type { HostResource, StackHost } from "../stackFile.ts";
import { flowsOf, folderFates, timesOf, type Flow } from "./flows.ts";

/** How full something is. */
export interface Fill {
  readonly usedBytes: number;
  readonly wholeBytes: number;
  /** As df(1) reports it: of what users can have. */
  readonly percent: number;
}

/** What was seen of a host. All of it is from one look. */
export interface Seen {
  /** By the resource's subject: what an `up` would do, or refuse; one that is as declared is left out. */
  readonly differences: ReadonlyMap<string, readonly string[]>;
  /** By mount point; one that isn't mounted is left out. */
  readonly fills: ReadonlyMap<string, Fill>;
  /** By name. */
  readonly groups: ReadonlyMap<string, SeenGroup>;
  /** What storage-health.sh left there. */
  readonly health: Health | undefined;
}

export interface SeenGroup {
  readonly wholeBytes: number;
  readonly freeBytes: number;
  readonly volumes: readonly SeenVolume[];
}

export interface SeenVolume {
  readonly name: string;
  readonly bytes: number;
  /** The volume that it is a snapshot of. */
  readonly origin: string | undefined;
  /** Of a snapshot or a thin pool: how much of it is taken. */
  readonly dataPercent: number | undefined;
}

export interface Health {
  readonly level: "ok" | "warning" | "critical" | "unreadable";
  /** As the report has it: ISO 8601; empty where that can't be read. */
  readonly at: string;
  /** Those that aren't ok. */
  readonly findings: readonly { readonly level: string; readonly subject: string; readonly fact: string }[];
}

/** The host as it was seen, or why it was not. */
export type Look =
  | { readonly outcome: "seen"; readonly seen: Seen }
  | { readonly outcome: "not reached"; readonly reason: string }
  | { readonly outcome: "not asked" };

/** One thing of the picture: a device, a volume, a filesystem, a mount. */
export interface Part {
  /** What it is, for who doesn't see in which column it stands. */
  readonly what: string;
  readonly name: string;
  readonly facts: readonly string[];
  readonly fill?: Fill | undefined;
  /** What an `up` would do there; empty: as declared, or not looked at. */
  readonly differences: readonly string[];
}

/** Device or volume, filesystem, mount and folders, in this order; what isn't ours is left out. */
export interface Chain {
  readonly parts: readonly Part[];
  /** Of a volume, as declared. */
  readonly bytes?: number;
}

/** A piece of the volume group. */
export interface Slice {
  readonly kind: "volume" | "other" | "reserve" | "free";
  readonly name: string;
  readonly bytes: number;
  readonly fill?: Fill | undefined;
}

/** A volume group and what it is made of. */
export interface Pool {
  readonly devices: readonly { readonly device: Part; readonly physicalVolume: Part; readonly bytes?: number }[];
  readonly group: Part;
  /** The declared volumes first, in the order of the tier's chains. */
  readonly slices: readonly Slice[];
}

export interface TierMap {
  readonly key: TierKey;
  readonly title: string;
  readonly pool?: Pool;
  readonly chains: readonly Chain[];
  /** What the automation does within the tier. */
  readonly notes: readonly string[];
}

export interface HostMap {
  readonly name: string;
  readonly address: string;
  readonly look: Look;
  readonly tiers: readonly TierMap[];
  readonly flows: readonly Flow[];
  /** Subject and what differs there, of every resource: also of those that have no place in the picture. */
  readonly differences: readonly { readonly subject: string; readonly found: string }[];
}

export function hostMap({ name, settings, resources }: StackHost, look: Look): HostMap {
  const seen = look.outcome === "seen" ? look.seen : undefined;
  const flows = flowsOf(settings);
  const keys = Object.keys(tiers) as TierKey[];
  const own = keys.flatMap((key) => {
    const ofTier = resources.filter(({ parent }) => parent === `${name}-${key}`);
    return settings[key] === undefined ? [] : [tierMap(key, settings, ofTier, seen)];
  });
  const isFromRoot = own[0]?.key !== "hot" && flows.some(({ from }) => from === "hot");
  const { host, port } = settings.connection;
  return {
    name,
    address: port === 22 ? host : `${host}, port ${port}`,
    look,
    tiers: isFromRoot ? [ROOT_DISK, ...own] : own,
    flows,
    differences: resources.flatMap(({ subject }) =>
      (seen?.differences.get(subject) ?? []).map((found) => ({ subject, found })),
    ),
  };
}

const GIB = 2 ** 30;

/** Stands where the hot tier would be. */
const ROOT_DISK: TierMap = { key: "hot", title: "Root disk: not declared here", chains: [], notes: [] };

function tierMap(
  key: TierKey,
  settings: HostSettings,
  resources: readonly HostResource[],
  seen: Seen | undefined,
): TierMap {
  const find = finder(resources, seen);
  const pool = key === "hot" ? poolOf(settings, find, seen) : undefined;
  const scale = `The volume group is to scale${seen === undefined ? "" : "; filled: as far as it is used"}`;
  const notes = [...timesOf(settings)[key], ...(pool === undefined ? [] : [scale]), ...cacheNotes(key, settings)];
  const title = { hot: "Hot tier", warm: "Warm tier", cold: "Cold tier" }[key];
  const chains = pool === undefined ? chainsOf(key, settings, find) : volumeChains(find);
  return { key, title, ...(pool === undefined ? {} : { pool }), chains, notes };
}

/** Where reads of the cold tier are kept. */
function cacheNotes(key: TierKey, { cold }: HostSettings): string[] {
  return key !== "cold" || cold?.cache === undefined
    ? []
    : [`Reads are cached: ${formatBytes(cold.cache.size)} in ${cold.cache.folder}`];
}

interface Found {
  readonly inputs: Record<string, unknown>;
  /** What differs there. */
  readonly differences: readonly string[];
}

type Find = ReturnType<typeof finder>;

function finder(resources: readonly HostResource[], seen: Seen | undefined) {
  return {
    of: (kind: string): readonly Found[] =>
      resources
        .filter(({ type }) => kindOf(type) === kind)
        .map(({ inputs, subject }) => ({ inputs, differences: seen?.differences.get(subject) ?? [] })),
    fill: (mountPoint: string) => seen?.fills.get(mountPoint),
  };
}

const text = (value: unknown) => (typeof value === "string" ? value : "");

function poolOf(settings: HostSettings, find: Find, seen: Seen | undefined): Pool | undefined {
  const { hot } = settings;
  const [group] = find.of("VolumeGroup");
  if (hot?.layout !== "lvm" || group === undefined) return undefined;
  const name = text(group.inputs.name);
  const there = seen?.groups.get(name);
  const declared = capacityOf(hot);
  const wholeBytes = there?.wholeBytes ?? declared?.volumeGroupBytes;
  const freeBytes = there?.freeBytes ?? declared?.freeBytes;
  const volumes = find.of("LogicalVolume").map(({ inputs }): Slice => {
    const entry = entryOf(find, `/dev/${name}/${text(inputs.name)}`);
    const fill = entry && find.fill(text(entry.inputs.mountPoint));
    return { kind: "volume", name: text(inputs.name), bytes: Number(inputs.sizeBytes), fill };
  });
  const others = (there?.volumes ?? [])
    .filter((one) => !volumes.some((volume) => volume.name === one.name))
    .map((one): Slice => ({ kind: "other", name: nameOfOther(one), bytes: one.bytes, fill: fillOfOther(one) }));
  const reserve = Math.min(declared?.reserveBytes ?? hot.snapshotReserve ?? 0, freeBytes ?? 0);
  const rest = (freeBytes ?? 0) - reserve;
  const extent = hot.volumeGroup.extentSize;
  return {
    devices: find.of("PhysicalVolume").map(({ inputs, differences }) => {
      const bytes = inputs.sizeBytes === undefined ? undefined : Number(inputs.sizeBytes);
      return {
        device: {
          what: "Device",
          name: text(inputs.device),
          facts: [
            bytes === undefined ? "any size" : formatBytes(bytes),
            ...(inputs.serial === undefined ? [] : [`serial ${text(inputs.serial)}`]),
          ],
          differences,
        },
        physicalVolume: {
          what: "Physical volume",
          name: "PV",
          facts: [`data aligned to ${formatBytes(Number(inputs.dataAlignmentBytes ?? hot.volumeGroup.dataAlignment))}`],
          differences: [],
        },
        ...(bytes === undefined ? {} : { bytes }),
      };
    }),
    group: {
      what: "Volume group",
      name,
      facts: [
        wholeBytes === undefined ? "size not declared" : formatBytes(wholeBytes),
        `extents of ${formatBytes(extent)}`,
        ...(there === undefined ? [] : [`${formatBytes(there.freeBytes)} free`]),
      ],
      differences: group.differences,
    },
    slices: [
      ...volumes,
      ...others,
      ...(reserve > 0 ? [{ kind: "reserve", name: "reserved for snapshots", bytes: reserve } as const] : []),
      ...(rest > 0 ? [{ kind: "free", name: "free", bytes: rest } as const] : []),
    ],
  };
}

function nameOfOther({ name, origin }: SeenVolume): string {
  return origin === undefined ? `${name}, not declared` : `${name}, snapshot of ${origin}`;
}

function fillOfOther({ bytes, dataPercent }: SeenVolume): Fill | undefined {
  if (dataPercent === undefined) return undefined;
  return { usedBytes: (bytes * dataPercent) / 100, wholeBytes: bytes, percent: Math.round(dataPercent) };
}

const isBind = ({ inputs }: Found) => text(inputs.type) === "none";

/** The line of fstab that mounts a device. */
function entryOf(find: Find, device: string, label?: string): Found | undefined {
  const sources = [device, ...(label === undefined ? [] : [`LABEL=${label}`])];
  return find.of("FstabEntry").find((entry) => !isBind(entry) && sources.includes(text(entry.inputs.source)));
}

function volumeChains(find: Find): Chain[] {
  const filesystems = find.of("Filesystem");
  return find.of("LogicalVolume").map(({ inputs, differences }) => {
    const device = `/dev/${text(inputs.volumeGroup)}/${text(inputs.name)}`;
    const bytes = Number(inputs.sizeBytes);
    const volume = { what: "Logical volume", name: text(inputs.name), facts: [formatBytes(bytes)], differences };
    const made = filesystems.find((one) => one.inputs.device === device);
    const entry = entryOf(find, device);
    const mounted = made && entry ? [filesystemPart(made, entry, find), mountPart(entry, find)] : [];
    return { parts: [volume, ...mounted], bytes };
  });
}

function filesystemPart({ inputs, differences }: Found, entry: Found, find: Find): Part {
  const fill = find.fill(text(entry.inputs.mountPoint));
  const label = inputs.label === undefined ? [] : [`label ${text(inputs.label)}`];
  const compression = optionsOf(entry).find((option) => option.startsWith("compress="));
  return {
    what: "Filesystem",
    name: text(inputs.type),
    facts: [...label, ...(compression === undefined ? [] : [compression]), ...printFill(fill)],
    fill,
    differences,
  };
}

function optionsOf({ inputs }: Found): readonly string[] {
  return Array.isArray(inputs.options) ? inputs.options.map(text) : [];
}

/** `40 % of 787 GiB used`. */
function printFill(fill: Fill | undefined): string[] {
  if (fill === undefined) return [];
  const gib = Math.round(fill.wholeBytes / GIB);
  return [`${fill.percent} % of ${formatBytes(gib >= 100 ? gib * GIB : fill.wholeBytes)} used`];
}

/** A mount, where else it is shown, and whose its folders are. */
function mountPart(entry: Found, find: Find): Part {
  const mountPoint = text(entry.inputs.mountPoint);
  const also = find.of("FstabEntry").filter((one) => isBind(one) && one.inputs.source === mountPoint);
  const trees = find.of("Directory").filter(({ inputs }) => text(inputs.path) === mountPoint);
  return {
    what: "Mount point",
    name: mountPoint,
    facts: [
      ...also.map(({ inputs }) => `also ${text(inputs.mountPoint)}`),
      ...trees.slice(0, 1).map(({ inputs }) => `${text(inputs.owner)}:${text(inputs.group)} ${text(inputs.mode)}`),
    ],
    differences: [entry, ...also, ...trees].flatMap(({ differences }) => differences),
  };
}

/** Those of a tier without a volume group. */
function chainsOf(key: TierKey, settings: HostSettings, find: Find): Chain[] {
  const onDevice = find.of("Filesystem").flatMap((made): Chain[] => {
    const { device, label, sizeBytes } = made.inputs;
    const entry = entryOf(find, text(device), label === undefined ? undefined : text(label));
    if (entry === undefined) return [];
    const size = sizeBytes ?? settings.warm?.device.size;
    const facts = size === undefined ? ["any size"] : [formatBytes(Number(size))];
    const source: Part = { what: "Device", name: text(device), facts, differences: [] };
    const mount = mountPart(entry, find);
    return [{ parts: [source, filesystemPart(made, entry, find), mount, ...folderParts(mount.name, settings, find)] }];
  });
  const overNetwork = find.of("NfsMount").map(({ inputs, differences }): Chain => {
    const mountPoint = text(inputs.mountPoint);
    const fill = find.fill(mountPoint);
    return {
      parts: [
        { what: "Export", name: text(inputs.export), facts: [`of ${text(inputs.server)}`], differences: [] },
        { what: "Filesystem", name: `NFS ${text(inputs.version)}`, facts: printFill(fill), fill, differences: [] },
        { what: "Mount point", name: mountPoint, facts: [], differences },
        ...folderParts(mountPoint, settings, find),
      ],
    };
  });
  if (onDevice.length + overNetwork.length > 0 || key !== "hot") return [...onDevice, ...overNetwork];
  return find.of("Directory").map(({ inputs, differences }) => {
    const owner = `${text(inputs.owner)}:${text(inputs.group)} ${text(inputs.mode)}`;
    const folder: Part = { what: "Folder", name: text(inputs.path), facts: [owner], differences };
    return { parts: [folder] };
  });
}

/** The folders on a mount, those with the same parent in one line, and what becomes of what is in them. */
function folderParts(mountPoint: string, settings: HostSettings, find: Find): Part[] {
  const fates = folderFates(settings);
  const trees = find.of("Directory").filter(({ inputs }) => `${text(inputs.path)}/`.startsWith(`${mountPoint}/`));
  const folders = trees.flatMap(({ inputs }) => {
    const below = text(inputs.path).slice(mountPoint.length + 1);
    const names = Array.isArray(inputs.folders) ? inputs.folders.map(text) : [];
    return names.map((name) => (below === "" ? name : `${below}/${name}`));
  });
  if (folders.length === 0) return [];
  // The first folder is left out where it is the same for all.
  const root = exportsOf(settings.cold).find((one) => one.mountPoint === mountPoint)?.root;
  const shared = root !== undefined && folders.every((one) => one.startsWith(`${root}/`)) ? `${root}/` : "";
  const byParent = Map.groupBy(folders, (folder) => folder.slice(shared.length, folder.lastIndexOf("/") + 1));
  const facts = [...byParent].flatMap(([parent, all]) =>
    parent === ""
      ? all.map((name) =>
          [name.slice(shared.length), fates.get(`${mountPoint}/${name}`)].filter((one) => one !== undefined).join(": "),
        )
      : [`${parent} ${all.map((folder) => folder.slice(shared.length + parent.length)).join(", ")}`],
  );
  const count = folders.length === 1 ? "1 folder" : `${folders.length} folders`;
  const name = shared === "" ? count : `${count} in ${shared}`;
  return [{ what: "Folders", name, facts, differences: [] }];
}
