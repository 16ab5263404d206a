import * as pulumi from "@pulumi/pulumi";
import { packagesOf } from "../../providers/filesystems/index.ts";
import { NFS_CACHE, refusedCacheSize } from "../../providers/values/nfsCache.ts";
import { formatBytes } from "../../providers/values/size.ts";
import { findOptionProblems, findReadOnlyProblems, withNetworkOptions } from "../mounts.ts";
import { isIn, type FolderTree } from "../places.ts";
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
  const { server, version, options, cache } = own;
  return [
    { ...own, name: "cold", prefix: "", holds: [] },
    ...Object.entries(volumes).map(([name, volume]) => ({
      ...volume,
      server: volume.server ?? server,
      version: volume.version ?? version,
      options: volume.options ?? options,
      // One serves all. Of exports on one filesystem of a server, Linux takes `fsc` from the first mount for all.
      cache,
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

/** The options of the mount, but for the version. With a cache it is mounted after that, and uses it. */
export function coldOptions({ options, cache, keepFstab }: ColdExport): string[] {
  const ofCache = cache === undefined ? [] : ["fsc", `x-systemd.after=${NFS_CACHE.service}`];
  const said = (option: string) => options.some((one) => one === option || one.startsWith(`${option}=`));
  return withNetworkOptions([...options, ...ofCache.filter((option) => !said(option))], keepFstab);
}

/** The file that holds the cache. */
export const cacheFile = ({ folder }: NonNullable<ColdSettings["cache"]>): string => `${folder}/nfs-cache.ext4`;

/** What no host could carry out. */
export function findColdProblems(cold: ColdSettings): Problem[] {
  const all = exportsOf(cold);
  return [
    ...all.flatMap((one) =>
      findExportProblems(one).map(({ key, message }) => ({ key: keyOf(cold, one, key), message })),
    ),
    ...all.flatMap((one, index) => findClashes(one, all.slice(0, index))),
    ...findCacheProblems(cold),
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

function findExportProblems(one: ColdExport): Problem[] {
  const { server, version, options, folders } = one;
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
    ...findUseOfCacheProblems(one),
  ];
}

/** What stands against a cache for one export. */
function findUseOfCacheProblems({ cache, options, keepFstab }: ColdExport): Problem[] {
  if (cache === undefined) return [];
  return [
    ...(options.includes("nofsc")
      ? [{ key: "options", message: "nofsc contradicts fsc, which `cache` stands for; leave out one of them" }]
      : []),
    ...(keepFstab === true
      ? [
          {
            key: "keepFstab",
            message: "adds no option to the line of fstab, and `cold.cache` needs one there; leave out one of them",
          },
        ]
      : []),
  ];
}

function findCacheProblems(cold: ColdSettings): Problem[] {
  const { cache } = cold;
  if (cache === undefined) return [];
  const { size, folder } = cache;
  return [
    ...[refusedCacheSize(size)].flatMap((message) => (message === undefined ? [] : { key: "cache.size", message })),
    ...(exportsOf(cold).some(({ mountPoint }) => isIn(folder, mountPoint))
      ? [{ key: "cache.folder", message: `${folder} is on the cold tier itself; write a folder of the warm tier` }]
      : []),
  ];
}

/** What stands against the place of a cache on a host with this warm tier. */
export function findCachePlaceProblems({ cache }: Pick<ColdSettings, "cache">, warm: WarmPlace | undefined): Problem[] {
  if (cache === undefined) return [];
  const { size, folder } = cache;
  if (warm === undefined)
    return [{ key: "cache", message: "takes room of the warm tier, and this host has none; leave it out" }];
  const { mountPoint, sizeBytes, folders } = warm;
  if (!isIn(folder, mountPoint))
    return [{ key: "cache.folder", message: `${folder} is not on the warm tier; write ${mountPoint}` }];
  const tree = folders.flatMap(({ path, folders: own }) => own.map((one) => `${path}/${one}`));
  const declared = tree.find((one) => isIn(folder, one));
  return [
    ...(declared === undefined
      ? []
      : [
          {
            key: "cache.folder",
            message: `${folder} is in ${declared}, a folder of the warm tier, where files move and are deleted with age; write ${mountPoint}`,
          },
        ]),
    ...(sizeBytes !== undefined && size >= sizeBytes
      ? [
          {
            key: "cache.size",
            message: `${formatBytes(size)} is not less than the warm tier's device has, ${formatBytes(sizeBytes)}; write less`,
          },
        ]
      : []),
  ];
}

/** Of a warm tier what is asked of a cache's place. */
interface WarmPlace {
  readonly mountPoint: string;
  /** Of its device; undefined: not known. */
  readonly sizeBytes: number | undefined;
  readonly folders: readonly FolderTree[];
}

/** Which address family an NFS transport is for: netid in nfs(5). */
function findTransportProblems(server: unknown, options: readonly string[]): Problem[] {
  if (typeof server !== "string" || !server.startsWith("[")) return [];
  const tcp = options.find((option) => /^(proto=(tcp|udp|rdma)|tcp|udp|rdma)$/.test(option));
  if (tcp === undefined) return [];
  return [{ key: "options", message: `${tcp} is for IPv4, and the server is an IPv6 address; write proto=tcp6` }];
}

/** Debian's packages that it needs. */
function coldPackages({ cache }: ColdSettings): readonly string[] {
  return [...packagesOf("nfs"), ...(cache === undefined ? [] : ["cachefilesd", ...packagesOf("ext4")])];
}

export function coldLayout(cold: ColdSettings) {
  const { cache } = cold;
  const all = exportsOf(cold);
  const [own, ...volumes] = all;
  const source = coldSource(cold);
  const script = (one: ColdExport) => ({
    mountPoint: one.mountPoint,
    source: coldSource(one),
    root: coldRoot(one),
  });
  return {
    packages: coldPackages(cold),
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
    script: {
      ...script(own!),
      ...(cache !== undefined && {
        cache: { mountPoint: NFS_CACHE.mountPoint, service: NFS_CACHE.service, sizeBytes: cache.size },
      }),
    },
    /** The same of the volumes, by name. */
    volumeScripts: Object.fromEntries(
      volumes.map((one) => [one.name, { ...script(one), ...(one.holds.length > 0 && { holds: one.holds }) }]),
    ),
    summary: {
      ...summaryOf(own!, source),
      ...(cache !== undefined && { cache: `${formatBytes(cache.size)} in ${cacheFile(cache)}` }),
      ...(volumes.length > 0 && {
        volumes: Object.fromEntries(volumes.map((one) => [one.name, summaryOf(one, coldSource(one))])),
      }),
    },
  } satisfies TierLayout & Record<string, unknown>;
}

function summaryOf(one: ColdExport, source: pulumi.Input<string>) {
  return { source, filesystem: `NFS ${one.version}`, mountPoint: one.mountPoint, folders: coldRoot(one) };
}
