import * as pulumi from "@pulumi/pulumi";
import { packagesOf } from "../../providers/filesystems/index.ts";
import { findOptionProblems, findReadOnlyProblems } from "../mounts.ts";
import { isIn } from "../places.ts";
import type { Problem } from "../problem.ts";
import type { TierLayout } from "../tier.ts";
import type { ArchiveKind, ColdSettings } from "./settings.ts";

/** One export, with what a volume takes from the tier. */
export interface ColdExport extends Omit<ColdSettings, "volumes"> {
  /** The volume's name; of the tier's own export `cold`. */
  readonly name: string;
  /** What stands before its keys, below the tier's section: empty, or `volumes.NAME.`. */
  readonly prefix: string;
  /** Of a volume, what goes there in place of the tier's own export, which holds the rest. */
  readonly holds: readonly ArchiveKind[];
}

/** The tier's own export first, then its volumes. None without a cold tier. */
export function exportsOf(cold: ColdSettings | undefined): ColdExport[] {
  if (cold === undefined) return [];
  const { volumes = {}, ...own } = cold;
  const { server, version, options } = own;
  return [
    { ...own, name: "cold", prefix: "", holds: [] },
    ...Object.entries(volumes).map(([name, volume]) => ({
      ...volume,
      server: volume.server ?? server,
      version: volume.version ?? version,
      options: volume.options ?? options,
      name,
      prefix: `volumes.${name}.`,
    })),
  ];
}

/** The export that archives of a kind go to. */
export function exportFor(cold: ColdSettings, kind: ArchiveKind): ColdExport {
  const [own, ...volumes] = exportsOf(cold);
  return volumes.find(({ holds }) => holds.includes(kind)) ?? own!;
}

/** What is mounted, as `server:/export`. */
export function coldSource({
  server,
  export: exported,
}: Pick<ColdSettings, "server" | "export">): pulumi.Input<string> {
  const isKnown = typeof server === "string" && typeof exported === "string";
  return isKnown ? `${server}:${exported}` : pulumi.interpolate`${server}:${exported}`;
}

/** The folder of the export that is ours, as the host sees it. */
export function coldRoot({ mountPoint, root }: Pick<ColdSettings, "mountPoint" | "root">): string {
  return `${mountPoint}/${root}`;
}

/** Whether a mount option says how many connections to the NAS there are. */
export const isConnections = (option: string): boolean => option.startsWith("nconnect=");

/** The settings with an option for that many connections, unless there is one; undefined: as they are. */
export function withConnections<Settings extends Pick<ColdSettings, "options">>(
  cold: Settings,
  connections: number | undefined,
): Settings {
  if (connections === undefined || cold.options.some(isConnections)) return cold;
  return { ...cold, options: [...cold.options, `nconnect=${connections}`] };
}

/** What no host could carry out. */
export function findColdProblems(cold: ColdSettings): Problem[] {
  const all = exportsOf(cold);
  return [
    ...all.flatMap((one) =>
      findExportProblems(one).map(({ key, message }) => ({ key: keyOf(cold, one, key), message })),
    ),
    ...all.flatMap((one, index) => findClashes(one, all.slice(0, index))),
  ];
}

/** What a volume takes from the tier is declared, and said, there. */
function keyOf({ volumes }: ColdSettings, { name, prefix }: ColdExport, key: string): string {
  const isOwn = (volumes?.[name] as Record<string, unknown> | undefined)?.[key] !== undefined;
  return prefix === "" || isOwn ? `${prefix}${key}` : key;
}

/** What two exports of a host can't both have. Mount points that are the same are told with those of all tiers. */
function findClashes(one: ColdExport, earlier: readonly ColdExport[]): Problem[] {
  const { name, prefix, mountPoint, holds } = one;
  const nested = earlier.find(
    (other) =>
      other.mountPoint !== mountPoint && (isIn(mountPoint, other.mountPoint) || isIn(other.mountPoint, mountPoint)),
  );
  const place = placeOnServer(one);
  const same = earlier.find((other) => sharesFiles(place, placeOnServer(other)));
  const taken = holds.flatMap((kind, index) => {
    const other = earlier.find((each) => each.holds.includes(kind));
    return other === undefined
      ? []
      : [{ key: `${prefix}holds.${index}`, message: `${kind} is already held by ${other.name}; only one can` }];
  });
  return [
    ...(nested === undefined
      ? []
      : [
          {
            key: `${prefix}mountPoint`,
            message:
              `${mountPoint} and ${nested.mountPoint}, that of ${nested.name}, lie in each other: while one NAS is ` +
              `away, the other's files would be, too; choose a mount point beside it, such as /mnt/${name}`,
          },
        ]),
    ...(same === undefined
      ? []
      : [
          {
            key: `${prefix}root`,
            message:
              `${place?.server}:${place?.path} is, or shares files with, the folder of ${same.name}, ` +
              `${placeOnServer(same)?.path}; choose another folder, or another export`,
          },
        ]),
    ...taken,
  ];
}

/** Our folder as its server has it; undefined where only the running program knows it. */
export function placeOnServer(one: ColdExport): { readonly server: string; readonly path: string } | undefined {
  const { server, export: exported, root } = one;
  if (typeof server !== "string" || typeof exported !== "string") return undefined;
  return { server: server.toLowerCase(), path: `${exported === "/" ? "" : exported}/${root}` };
}

/** Whether two folders of servers share files. */
export function sharesFiles(one: ReturnType<typeof placeOnServer>, other: ReturnType<typeof placeOnServer>): boolean {
  if (one === undefined || other === undefined || one.server !== other.server) return false;
  return isIn(one.path, other.path) || isIn(other.path, one.path);
}

function findExportProblems({ server, version, options, folders }: ColdExport): Problem[] {
  const ofVersion = `vers=${version}`;
  return [
    ...findTransportProblems(server, options),
    // No rule is about an export's name.
    ...findOptionProblems(
      { type: "nfs", source: "", options: [ofVersion, ...options], pass: 0 },
      { [ofVersion]: "version" },
    ),
    // The export may have our folder already.
    ...(folders.length === 0 ? [] : findReadOnlyProblems(options, ", or write folders: [] where the export has them")),
  ];
}

/** Which address family an NFS transport is for: netid in nfs(5). */
function findTransportProblems(server: unknown, options: readonly string[]): Problem[] {
  if (typeof server !== "string" || !server.startsWith("[")) return [];
  const tcp = options.find((option) => /^(proto=(tcp|udp|rdma)|tcp|udp|rdma)$/.test(option));
  if (tcp === undefined) return [];
  return [{ key: "options", message: `${tcp} is for IPv4, and the server is an IPv6 address; write proto=tcp6` }];
}

export function coldLayout(cold: ColdSettings) {
  const all = exportsOf(cold);
  const [own, ...volumes] = all;
  const source = coldSource(cold);
  const script = (one: ColdExport) => ({
    mountPoint: one.mountPoint,
    source: coldSource(one),
    root: coldRoot(one),
  });
  return {
    packages: packagesOf("nfs"),
    devices: [],
    mountPoints: all.map(({ prefix, mountPoint }) => ({
      key: `${prefix}mountPoint`,
      path: mountPoint,
      part: `${prefix}mountPoint`,
    })),
    folders: all.map(({ owner, group, mode, folders, ...one }) => ({
      path: coldRoot(one),
      owner,
      group,
      mode,
      folders,
    })),
    probe: { path: coldRoot(cold), mount: cold.mountPoint },
    furtherProbes: volumes.map((one) => ({ tier: one.name, path: coldRoot(one), mount: one.mountPoint })),
    script: script(own!),
    /** The same of the volumes, by name. */
    volumeScripts: Object.fromEntries(
      volumes.map((one) => [one.name, { ...script(one), ...(one.holds.length > 0 && { holds: one.holds }) }]),
    ),
    summary: {
      ...summaryOf(own!, source),
      ...(volumes.length > 0 && {
        volumes: Object.fromEntries(volumes.map((one) => [one.name, summaryOf(one, coldSource(one))])),
      }),
    },
  } satisfies TierLayout & Record<string, unknown>;
}

function summaryOf(one: ColdExport, source: pulumi.Input<string>) {
  return { source, filesystem: `NFS ${one.version}`, mountPoint: one.mountPoint, folders: coldRoot(one) };
}
