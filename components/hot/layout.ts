/** From the settings of the hot tier to what is made on the host: names, sizes, paths, options. Pure. */
import { refusedSize } from "../../providers/filesystems/mkfsSize.ts";
import { fsckPass, packagesOf, type MadeType } from "../../providers/filesystems/index.ts";
import { formatBytes, parseSize } from "../../providers/values/size.ts";
import { withCommonOptions } from "../mounts.ts";
import type { FolderTree, MountPlace, Place } from "../places.ts";
import type { TierLayout } from "../tier.ts";
import { profileOf, SNAPSHOT_DAYS, VOLUME_PROFILES, type VolumeProfile } from "./profiles.ts";
import type { DirectoriesSettings, HotSettings, LvmSettings, VolumeSettings } from "./settings.ts";

const GIB = 2 ** 30;
const MIB = 2 ** 20;

/** Debian's packages for the hot tier on LVM, besides those of types that no profile has. */
export const LVM_PACKAGES: readonly string[] = ["lvm2", ...packagesOf("xfs"), ...packagesOf("ext4")];

/** The folders of a service, and whose they are. */
export interface ServiceFolder {
  readonly service: string;
  readonly owner: string;
  readonly group: string;
  readonly mode: string;
  readonly folders: readonly string[];
  /** Its name in the hot tree. */
  readonly treeFolder: string;
}

/** A logical volume, the filesystem on it, and where it is mounted. */
export interface VolumeLayout extends ServiceFolder {
  /** The LV's name. */
  readonly name: string;
  readonly device: string;
  readonly sizeBytes: number;
  readonly filesystem: MadeType;
  readonly mkfsOptions: readonly string[];
  readonly mountPoint: string;
  /** Where the hot tree shows it; undefined: there is no tree. */
  readonly treePath: string | undefined;
  readonly mountOverFiles: boolean | undefined;
  readonly options: readonly string[];
  /** fs_passno of fstab(5). */
  readonly pass: number;
}

/** What the volume group holds and what of it is planned, in bytes. */
export interface Capacity {
  readonly volumeGroupBytes: number;
  readonly plannedBytes: number;
  readonly freeBytes: number;
  readonly reserveBytes: number;
}

export interface Account {
  readonly group: string;
  /** Left out: only the group, for root's folders. */
  readonly user?: string;
  readonly home?: string | undefined;
}

export function hotLayout(hot: HotSettings) {
  const trees = treesOf(hot);
  // A folder of root's, where there is one: no service could put something in the way.
  const probe = (trees.findLast(({ owner }) => owner === "root") ?? trees[0])?.path;
  return {
    ...(hot.layout === "lvm" ? lvmLayout(hot) : directoriesLayout(hot)),
    folders: trees,
    accounts: [...accountsOf(hot).values()].flatMap(namesOf),
    ...(probe === undefined ? {} : { probe: { path: probe, mount: probe } }),
    script: {
      mountPoints: hot.layout === "lvm" ? mountPointsOf(hot) : [hot.tree],
      // Automation, which reads this, needs the tree.
      logRoot: hot.tree === false ? "/" : hot.tree,
      // As the hot tree shows them, so that a service's logs keep its name when they move.
      logFolders: serviceFolders(hot).flatMap(({ treeFolder, folders }) =>
        hot.tree !== false && folders.includes("logs") ? [`${hot.tree}/${treeFolder}/logs`] : [],
      ),
      volumeGroup: hot.layout === "lvm" ? hot.volumeGroup.name : null,
      snapshotReserveBytes: hot.layout === "lvm" ? reserveOf(hot) : 0,
    },
  } satisfies TierLayout;
}

function lvmLayout(hot: LvmSettings) {
  const volumes = volumesOf(hot);
  return {
    packages: [...LVM_PACKAGES, ...volumes.flatMap(({ filesystem }) => packagesOf(filesystem))],
    devices: devicesOf(hot).map(({ path }, index): Place => ({ key: `${deviceKey(index)}.path`, path })),
    mountPoints: volumes.flatMap(({ service, mountPoint, treePath }): MountPlace[] => [
      { key: `volumes.${service}.mountPoint`, path: mountPoint, part: `volumes.${service}` },
      ...(treePath === undefined
        ? []
        : [{ key: `volumes.${service} in tree`, path: treePath, part: `volumes.${service}` }]),
    ]),
    summary: summarizeVolumes(hot, volumes),
  };
}

function directoriesLayout(hot: DirectoriesSettings) {
  const services = serviceFolders(hot);
  return {
    packages: [],
    devices: [],
    mountPoints: services.map(({ service, treeFolder }): MountPlace => ({
      key: `volumes.${service}`,
      path: `${hot.tree}/${treeFolder}`,
      part: `volumes.${service}`,
    })),
    summary: {
      tree: hot.tree,
      folders: Object.fromEntries(
        services.map(({ service, treeFolder, owner, group, mode }) => [
          service,
          { path: `${hot.tree}/${treeFolder}`, owner: `${owner}:${group}`, mode },
        ]),
      ),
    },
  };
}

function summarizeVolumes(hot: LvmSettings, volumes: readonly VolumeLayout[]) {
  const capacity = capacityOf(hot);
  const additionalDevices = hot.additionalDevices.map(({ path }) => path);
  return {
    device: hot.device.path,
    ...(additionalDevices.length === 0 ? {} : { additionalDevices }),
    volumeGroup: hot.volumeGroup.name,
    ...(capacity === undefined ? {} : { planned: summarizeCapacity(capacity) }),
    volumes: Object.fromEntries(
      volumes.map(({ name, sizeBytes, filesystem, mountPoint, treePath, owner, group, mode }) => [
        name,
        {
          size: formatBytes(sizeBytes),
          filesystem,
          mountPoint,
          ...(treePath === undefined ? {} : { alsoAt: treePath }),
          owner: `${owner}:${group}`,
          mode,
        },
      ]),
    ),
  };
}

function summarizeCapacity({ plannedBytes, volumeGroupBytes, freeBytes }: Capacity): string {
  const [planned, whole, free] = [plannedBytes, volumeGroupBytes, freeBytes].map(formatBytes);
  return `${planned} of ${whole}, ${free} free for snapshots`;
}

/** Whose the services' folders are, and where the hot tree has them. */
export function serviceFolders(hot: HotSettings): ServiceFolder[] {
  return Object.entries<VolumeSettings>(hot.volumes ?? everyProfile()).map(([service, configured]) => {
    const profile = profileOf(service);
    return {
      service,
      owner: configured.owner ?? profile?.owner ?? "root",
      group: configured.group ?? profile?.group ?? "root",
      mode: configured.mode ?? profile?.mode ?? "750",
      folders: configured.folders ?? profile?.folders ?? [],
      treeFolder: profile?.treeFolder ?? service,
    };
  });
}

/** The services' folders where they lie: on their volumes, or in the tree itself. */
function treesOf(hot: HotSettings): FolderTree[] {
  const located =
    hot.layout === "lvm"
      ? volumesOf(hot).map((volume) => ({ ...volume, path: volume.mountPoint }))
      : serviceFolders(hot).map((service) => ({ ...service, path: `${hot.tree}/${service.treeFolder}` }));
  return located.map(({ path, owner, group, mode, folders }) => ({ path, owner, group, mode, folders }));
}

/** The volumes of the hot tier; without those that have no size or mount point, which are problems. */
export function volumesOf(hot: LvmSettings): VolumeLayout[] {
  return serviceFolders(hot).flatMap((folder) => {
    const { service } = folder;
    const configured: VolumeSettings = hot.volumes?.[service] ?? {};
    const profile = profileOf(service);
    const filesystem = configured.filesystem ?? profile?.filesystem ?? "ext4";
    // The profile's options speak of the profile's filesystem.
    const sameKind = profile?.filesystem === filesystem ? profile : undefined;
    const name = nameOf(hot, service);
    const mountPoint = configured.mountPoint ?? profile?.mountPoint;
    const sizeBytes = sizeOf(hot, service);
    if (mountPoint === undefined || sizeBytes === undefined) return [];
    // As LVM rounds it, so that the filesystem on it knows its device's size.
    const roundedBytes = Math.ceil(sizeBytes / hot.volumeGroup.extentSize) * hot.volumeGroup.extentSize;
    const mkfsOptions = configured.mkfsOptions ?? (sameKind && mkfsOptionsOf(sameKind, roundedBytes)) ?? [];
    return {
      ...folder,
      name,
      device: `/dev/${hot.volumeGroup.name}/${name}`,
      sizeBytes: roundedBytes,
      filesystem,
      mkfsOptions,
      mountPoint,
      treePath: hot.tree === false ? undefined : `${hot.tree}/${folder.treeFolder}`,
      mountOverFiles: configured.mountOverFiles,
      options: withCommonOptions(configured.options ?? sameKind?.options ?? [], hot.keepFstab),
      pass: fsckPass(filesystem),
    };
  });
}

/** The logical volume of a service. */
export function nameOf({ volumes }: LvmSettings, service: string): string {
  return volumes?.[service]?.name ?? `lv_${service}`;
}

/** The profile's arguments of mkfs, for a volume of this size. */
function mkfsOptionsOf({ filesystem, mkfsOptions, smallMkfsOptions }: VolumeProfile, sizeBytes: number) {
  const isSmall = smallMkfsOptions !== undefined && refusedSize(filesystem, sizeBytes, mkfsOptions).length > 0;
  return isSmall ? smallMkfsOptions : mkfsOptions;
}

/** Where the volumes are mounted; folders lie on a filesystem that isn't ours. */
export function mountPointsOf(hot: HotSettings): string[] {
  return hot.layout === "lvm" ? volumesOf(hot).map(({ mountPoint }) => mountPoint) : [];
}

/** The devices of the volume group, the main one first. */
export function devicesOf({ device, additionalDevices }: LvmSettings): readonly LvmSettings["device"][] {
  return [device, ...additionalDevices];
}

/** The key below the section that one of {@link devicesOf} is declared by. */
export function deviceKey(index: number): string {
  return index === 0 ? "device" : `additionalDevices.${index - 1}`;
}

/** What is planned of the volume group; undefined where a device's size isn't declared. */
export function capacityOf(hot: LvmSettings): Capacity | undefined {
  const extents = extentsOf(hot);
  if (extents === undefined) return undefined;
  const extent = hot.volumeGroup.extentSize;
  const planned = volumesOf(hot).reduce((sum, { sizeBytes }) => sum + Math.ceil(sizeBytes / extent), 0);
  return {
    volumeGroupBytes: extents * extent,
    plannedBytes: planned * extent,
    freeBytes: (extents - planned) * extent,
    reserveBytes: reserveOf(hot),
  };
}

/** The accounts that folders belong to, each once, by `owner:group`; root exists. */
export function accountsOf(hot: HotSettings): ReadonlyMap<string, Account> {
  const accounts = new Map<string, Account>();
  for (const { service, owner, group, treeFolder } of serviceFolders(hot)) {
    const home =
      hot.layout === "lvm"
        ? (hot.volumes?.[service]?.mountPoint ?? profileOf(service)?.mountPoint)
        : `${hot.tree}/${treeFolder}`;
    if (group === "root" && owner === "root") continue;
    if (!accounts.has(`${owner}:${group}`))
      accounts.set(`${owner}:${group}`, owner === "root" ? { group } : { user: owner, group, home });
  }
  return accounts;
}

/** What an account's resource is called, after the tier. */
export function accountResource({ user, group }: Account): string {
  if (user === undefined) return `group-${group}`;
  return user === group ? `user-${user}` : `user-${user}-${group}`;
}

/** What a physical volume's resource is called, after the tier: the main device is the tier's. */
export function deviceResource(index: number, path: string): string {
  return index === 0 ? "pv" : `pv-${path.slice("/dev/".length).replaceAll("/", "-")}`;
}

/** What an account is made of, as `user NAME` and `group NAME`. */
export function namesOf({ user, group }: Account): string[] {
  return [...(user === undefined ? [] : [`user ${user}`]), `group ${group}`];
}

/** Room for what changes in a day while a snapshot of the service's volume is kept, in bytes, as its profile has it. */
export function snapshotBytesPerDay(service: string): number {
  return (profileOf(service)?.snapshotGibPerDay ?? 0) * GIB;
}

/** In bytes; undefined without a profile, and where it is a share of a volume group whose size isn't declared. */
export function sizeOf(hot: LvmSettings, service: string): number | undefined {
  const declared = hot.volumes?.[service]?.size;
  if (declared === undefined) {
    const profile = profileOf(service);
    return profile && profile.sizeGib * GIB;
  }
  const size = parseSize(declared);
  if ("bytes" in size) return size.bytes;
  const extents = extentsOf(hot);
  return extents === undefined
    ? undefined
    : Math.floor((extents * size.percentOfVg) / 100) * hot.volumeGroup.extentSize;
}

/**
 * Extents of the volume group, if LVM's metadata ends where the data is aligned to; undefined where a device's size
 * isn't declared.
 */
function extentsOf(hot: LvmSettings): number | undefined {
  const { extentSize, dataAlignment } = hot.volumeGroup;
  const dataStart = Math.ceil(MIB / dataAlignment) * dataAlignment;
  let extents = 0;
  for (const { size } of devicesOf(hot)) {
    if (size === undefined) return undefined;
    extents += Math.max(0, Math.floor((size - dataStart) / extentSize));
  }
  return extents;
}

function reserveOf(hot: LvmSettings): number {
  if (hot.snapshotReserve !== undefined) return hot.snapshotReserve;
  const services = Object.keys(hot.volumes ?? VOLUME_PROFILES);
  return services.reduce((sum, service) => sum + snapshotBytesPerDay(service), 0) * SNAPSHOT_DAYS;
}

function everyProfile(): Record<string, VolumeSettings> {
  return Object.fromEntries(Object.keys(VOLUME_PROFILES).map((service) => [service, {}]));
}
