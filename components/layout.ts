/** From a host's settings to what is made on it: names, sizes, paths, options. Pure, and all that can be refused without a host is refused here. */
import type {
  AutomationSettings,
  ColdSettings,
  HostSettings,
  HotSettings,
  LvmSettings,
  Problem,
  RuleSettings,
  VolumeSettings,
  WarmSettings,
} from "../config.ts";
import { refusedOptions, type MountRequest } from "../providers/filesystems/mountOptions.ts";
import { formatBytes } from "../providers/values/size.ts";
import { COMMON_OPTIONS, SNAPSHOT_DAYS, VOLUME_PROFILES, WARM } from "./profiles.ts";

const GIB = 2 ** 30;
const MIB = 2 ** 20;

/** A folder tree of the hot tier and whose it is. */
export interface ServiceFolder {
  readonly service: string;
  readonly owner: string;
  readonly group: string;
  readonly mode: string;
  readonly folders: readonly string[];
  /** Where the hot tree shows it. */
  readonly treePath: string;
}

/** A logical volume, the filesystem on it, and where it is mounted. */
export interface VolumeLayout extends ServiceFolder {
  /** The LV's name. */
  readonly name: string;
  readonly device: string;
  readonly sizeBytes: number;
  readonly filesystem: "ext4" | "xfs" | "btrfs";
  readonly mkfsOptions: readonly string[];
  readonly mountPoint: string;
  readonly mountOverFiles: boolean | undefined;
  readonly options: readonly string[];
  /** fs_passno of fstab(5). */
  readonly pass: number;
}

/** What the volume group holds and what of it is planned, in bytes; undefined where the device's size isn't configured. */
export interface Capacity {
  readonly volumeGroupBytes: number;
  readonly plannedBytes: number;
  readonly freeBytes: number;
  readonly reserveBytes: number;
}

/** Whose the services' folders are, and where the hot tree has them. */
export function serviceFolders(hot: HotSettings): ServiceFolder[] {
  return Object.entries(hot.volumes ?? everyProfile()).map(([service, configured]) => {
    const profile = VOLUME_PROFILES[service];
    return {
      service,
      owner: configured.owner ?? profile?.owner ?? "root",
      group: configured.group ?? profile?.group ?? "root",
      mode: configured.mode ?? profile?.mode ?? "750",
      folders: configured.folders ?? profile?.folders ?? [],
      treePath: `${hot.tree}/${profile?.treeFolder ?? service}`,
    };
  });
}

/** The volumes of the hot tier. @throws {Error} on settings with problems. */
export function volumesOf(hot: LvmSettings): VolumeLayout[] {
  return serviceFolders(hot).map((folder) => {
    const { service } = folder;
    const configured: VolumeSettings = hot.volumes?.[service] ?? {};
    const profile = VOLUME_PROFILES[service];
    const filesystem = configured.filesystem ?? profile?.filesystem ?? "ext4";
    // The profile's options speak of the profile's filesystem.
    const sameKind = profile?.filesystem === filesystem ? profile : undefined;
    const name = `lv_${service}`;
    const mountPoint = configured.mountPoint ?? profile?.mountPoint;
    const sizeBytes = sizeOf(hot, service);
    if (mountPoint === undefined || sizeBytes === undefined) throw new Error(`${service} has no mount point or size`);
    return {
      ...folder,
      name,
      device: `/dev/${hot.volumeGroup.name}/${name}`,
      // As LVM rounds it, so that the filesystem on it knows its device's size.
      sizeBytes: Math.ceil(sizeBytes / hot.volumeGroup.extentSize) * hot.volumeGroup.extentSize,
      filesystem,
      mkfsOptions: configured.mkfsOptions ?? sameKind?.mkfsOptions ?? [],
      mountPoint,
      mountOverFiles: configured.mountOverFiles,
      options: withCommonOptions(configured.options ?? sameKind?.options ?? []),
      // A check at boot does nothing for XFS and btrfs: fsck.xfs(8), fsck.btrfs(8).
      pass: filesystem === "ext4" ? 2 : 0,
    };
  });
}

/** The devices of the volume group, the main one first. */
export function devicesOf({ device, additionalDevices }: LvmSettings): readonly LvmSettings["device"][] {
  return [device, ...additionalDevices];
}

/** The volume group's ledger. */
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

export function warmMount(warm: WarmSettings): { readonly source: string; readonly options: readonly string[] } {
  const compress = warm.compression === "no" ? [] : [`compress=${warm.compression}`];
  return { source: `LABEL=${warm.label}`, options: withCommonOptions([...compress, ...warm.options]) };
}

/** Where else the warm tier is seen. */
export function warmAlsoAt(warm: WarmSettings): string {
  return warm.alsoAt ?? WARM.alsoAt;
}

/** The folder of the export that is ours, as the host sees it. */
export function coldRoot(cold: ColdSettings): string {
  return `${cold.mountPoint}/${cold.root}`;
}

/** The options of a bind mount: systemd mounts its source first by itself (systemd.mount(5)). */
export const BIND_OPTIONS = ["bind", "nofail"] as const;

/** Everything in a host's settings that no host could carry out; sections that could not be read are left out. */
export function findProblems({ connection, hot, warm, cold, automation }: Partial<HostSettings>): Problem[] {
  const problems: Problem[] = [];
  if (connection?.proxyJump !== undefined && connection.proxyHostKey === undefined) {
    problems.push({
      key: "connection.proxyHostKey",
      message: "is missing: @pulumi/command, which goes by the same jump host, doesn't read known_hosts",
    });
  }
  if (hot?.layout === "lvm") problems.push(...findHotProblems(hot));
  if (warm !== undefined) {
    const { source, options } = warmMount(warm);
    problems.push(
      ...findOptionProblems("warm", { type: "btrfs", source, options, pass: 0, mkfsOptions: warm.mkfsOptions }),
    );
    const disk =
      hot?.layout === "lvm"
        ? devicesOf(hot).find(
            ({ path }) =>
              warm.device.path.startsWith(path) && /^((-part|p)?[0-9]+)?$/.test(warm.device.path.slice(path.length)),
          )
        : undefined;
    if (disk !== undefined)
      problems.push({
        key: "warm.device.path",
        message: `${warm.device.path} is already the hot tier's device${disk.path === warm.device.path ? "" : `, ${disk.path}, or a part of it`}`,
      });
  }
  if (cold !== undefined)
    problems.push(
      ...findOptionProblems("cold", {
        type: "nfs",
        source: `${cold.server}:${cold.export}`,
        options: cold.options,
        pass: 0,
      }),
    );
  if (automation !== undefined) {
    if (warm === undefined)
      problems.push({ key: "automation", message: "needs the warm tier, where data of the hot tier moves to" });
    problems.push(...findBackupProblems(hot, automation));
    if (automation.usageWarningPercent >= automation.usageCriticalPercent) {
      problems.push({
        key: "automation.usageWarningPercent",
        message: `${automation.usageWarningPercent} must be below usageCriticalPercent, ${automation.usageCriticalPercent}`,
      });
    }
    if (automation.coldRetention !== undefined && cold === undefined)
      problems.push({ key: "automation.coldRetention", message: "is about the cold tier, and there is none" });
    const hidden = HIDDEN.find((folder) => isBelow(automation.notify ?? "", folder));
    if (hidden !== undefined)
      problems.push({
        key: "automation.notify",
        message: `${automation.notify!} is in ${hidden}, which the sandbox of storage-health.service hides from it; put it for example in /usr/local/sbin`,
      });
    if (automation.warmLowPercent >= automation.warmHighPercent) {
      problems.push({
        key: "automation.warmLowPercent",
        message: `${automation.warmLowPercent} must be below warmHighPercent, ${automation.warmHighPercent}`,
      });
    }
    problems.push(
      ...automation.rules.flatMap((rule, index) =>
        findRuleProblems(rule, `automation.rules.${index}`, { hot, warm, cold }),
      ),
    );
  }
  const isResolved = hot?.layout !== "lvm" || findUnresolved(hot).length === 0;
  problems.push(...findSharedMountPoints({ ...(isResolved ? { hot } : {}), warm, cold }));
  return problems;
}

/** What the services' sandbox shows empty, or nobody may write to: systemd.exec(5), ProtectHome, PrivateTmp, ProtectSystem. */
const PRIVATE = ["/tmp", "/var/tmp"];
const HIDDEN = [...PRIVATE, "/home", "/root", "/run/user"];
const CLOSED = [...HIDDEN, "/usr", "/boot", "/efi", "/etc"];

const isBelow = (path: string, folder: string | undefined): boolean =>
  folder !== undefined && `${path}/`.startsWith(`${folder}/`);

/** Data goes one way, towards cold, and a rule of no other tier's folder is no rule that a host could follow. */
function findRuleProblems(
  { source, to, destination }: RuleSettings,
  key: string,
  { warm, cold }: Partial<HostSettings>,
): Problem[] {
  if (to === "cold" && cold === undefined) return [{ key: `${key}.to`, message: "is cold, and there is no cold tier" }];
  const closed = CLOSED.find((folder) => isBelow(source, folder));
  if (closed !== undefined)
    return [
      {
        key: `${key}.source`,
        message: `${source} is in ${closed}, which the sandbox of tiered-storage.service closes to it`,
      },
    ];
  if (isBelow(source, cold?.mountPoint))
    return [{ key: `${key}.source`, message: `${source} is on the cold tier, which nothing leaves` }];
  if (warm === undefined) return [];
  if (isBelow(source, warmAlsoAt(warm)))
    return [
      {
        key: `${key}.source`,
        message: `${source} is on the warm tier; write it below its mount point, ${warm.mountPoint}`,
      },
    ];
  if (source === warm.mountPoint)
    return [{ key: `${key}.source`, message: `${source} is all of the warm tier; name a folder of it` }];
  if (isBelow(source, warm.mountPoint) && to === "warm")
    return [{ key: `${key}.to`, message: `is warm, where ${source} is already; write cold` }];
  const target = `${to === "warm" ? warm.mountPoint : coldRoot(cold!)}/${destination}`;
  return isBelow(target, source)
    ? [{ key: `${key}.source`, message: `${source} has the destination in it, ${target}` }]
    : [];
}

function findHotProblems(hot: LvmSettings): Problem[] {
  const problems: Problem[] = [];
  const { extentSize } = hot.volumeGroup;
  if (extentSize < 1024 || !Number.isInteger(Math.log2(extentSize))) {
    problems.push({
      key: "hot.volumeGroup.extentSize",
      message: `${formatBytes(extentSize)} is no extent size: a power of 2, at least 1 KiB (vgcreate(8))`,
    });
  }
  hot.additionalDevices.forEach(({ path }, index) => {
    if (
      devicesOf(hot)
        .slice(0, index + 1)
        .some((other) => other.path === path)
    )
      problems.push({
        key: `hot.additionalDevices.${index}.path`,
        message: `${path} is already a device of the hot tier`,
      });
  });
  const unresolved = findUnresolved(hot);
  if (unresolved.length > 0) return [...problems, ...unresolved];
  for (const { service, filesystem, device, options, pass, mkfsOptions } of volumesOf(hot)) {
    problems.push(
      ...findOptionProblems(`hot.volumes.${service}`, { type: filesystem, source: device, options, pass, mkfsOptions }),
    );
  }
  // With such extents there is no sum.
  const capacity = problems.some(({ key }) => key === "hot.volumeGroup.extentSize") ? undefined : capacityOf(hot);
  if (capacity !== undefined && capacity.freeBytes < capacity.reserveBytes) {
    problems.push({
      key: "hot.volumes",
      message: `${formatBytes(capacity.plannedBytes)} of volumes and ${formatBytes(capacity.reserveBytes)} for snapshots don't fit the ${formatBytes(capacity.volumeGroupBytes)} of ${hot.volumeGroup.name}; make them ${formatBytes(capacity.reserveBytes - capacity.freeBytes)} smaller, or set hot.snapshotReserve; those that are there already by docs/runbooks/shrink-a-volume.md`,
    });
  }
  return problems;
}

/** What must be there before anything can be said of the volumes. */
function findUnresolved(hot: LvmSettings): Problem[] {
  return Object.entries(hot.volumes ?? {}).flatMap(([service, { size, mountPoint }]) => {
    const problems: Problem[] = [];
    const key = `hot.volumes.${service}`;
    const profile = VOLUME_PROFILES[service];
    if (size === undefined && profile === undefined)
      problems.push({
        key: `${key}.size`,
        message: `is missing: there is no profile of that name (${Object.keys(VOLUME_PROFILES).join(", ")}) to take it from`,
      });
    else if (sizeOf(hot, service) === undefined)
      problems.push({
        key: `${key}.size`,
        message: "is a share of the volume group, so hot.device.size must be there to know how much that is",
      });
    if (mountPoint === undefined && profile === undefined)
      problems.push({
        key: `${key}.mountPoint`,
        message: "is missing: there is no profile of that name to take it from",
      });
    return problems;
  });
}

function findBackupProblems(
  hot: HotSettings | undefined,
  { backupVolumes: chosen = {}, developmentFolders }: AutomationSettings,
): Problem[] {
  const problems: Problem[] = [];
  const services = hot?.layout === "lvm" ? Object.keys(hot.volumes ?? VOLUME_PROFILES) : [];
  for (const service of Object.keys(chosen)) {
    const key = `automation.backupVolumes.${service}`;
    if (!services.includes(service))
      problems.push({ key, message: `is no volume of the hot tier (${services.join(", ") || "it has none"})` });
    // The kernel takes a copy of its device for the device itself.
    else if (hot?.layout === "lvm" && hot.volumes?.[service]?.filesystem === "btrfs")
      problems.push({
        key,
        message: "is btrfs, of which no snapshot by LVM is safe; leave it out, and use btrfs's own",
      });
  }
  const name = (folder: string) => folder.slice(folder.lastIndexOf("/") + 1);
  developmentFolders.forEach((folder, index) => {
    const hidden = PRIVATE.find((one) => isBelow(folder, one));
    if (hidden !== undefined)
      problems.push({
        key: `automation.developmentFolders.${index}`,
        message: `${folder} is in ${hidden}, of which nas-archival.service has its own`,
      });
    const first = developmentFolders.findIndex((other) => name(other) === name(folder));
    if (first < index)
      problems.push({
        key: `automation.developmentFolders.${index}`,
        message: `${folder} has the same last name as ${developmentFolders[first]!}, which names the copy`,
      });
  });
  return problems;
}

/** Options that no kernel takes, and flags that mkfs must not have: see mountOptions.ts for each. */
function findOptionProblems(key: string, request: MountRequest): Problem[] {
  return refusedOptions(request).map(({ option, reason }) => ({
    key: `${key}.${request.mkfsOptions?.some((argument) => argument.includes(option)) === true ? "mkfsOptions" : "options"}`,
    message: reason,
  }));
}

function findSharedMountPoints({ hot, warm, cold }: Partial<HostSettings>): Problem[] {
  const claims: { readonly key: string; readonly mountPoint: string }[] = [];
  if (hot?.layout === "lvm") {
    for (const { service, mountPoint, treePath } of volumesOf(hot))
      claims.push(
        { key: `hot.volumes.${service}.mountPoint`, mountPoint },
        { key: `hot.volumes.${service} in hot.tree`, mountPoint: treePath },
      );
  } else if (hot !== undefined) {
    for (const { service, treePath } of serviceFolders(hot))
      claims.push({ key: `hot.volumes.${service}`, mountPoint: treePath });
  }
  if (warm !== undefined)
    claims.push(
      { key: "warm.mountPoint", mountPoint: warm.mountPoint },
      { key: "warm.alsoAt", mountPoint: warmAlsoAt(warm) },
    );
  if (cold !== undefined) claims.push({ key: "cold.mountPoint", mountPoint: cold.mountPoint });
  return claims.flatMap(({ key, mountPoint }, index) => {
    const first = claims.findIndex((other) => other.mountPoint === mountPoint);
    return first < index ? [{ key, message: `${mountPoint} is already the mount point of ${claims[first]!.key}` }] : [];
  });
}

/** What an operator wants to see of a host's tiers: nothing that changes by itself. */
export function summarize({ hot, warm, cold }: HostSettings, timers: Readonly<Record<string, string>>) {
  return {
    ...(hot === undefined ? {} : { hot: hot.layout === "lvm" ? summarizeLvm(hot) : summarizeDirectories(hot) }),
    ...(warm === undefined
      ? {}
      : {
          warm: {
            device: warm.device.path,
            filesystem: "btrfs",
            label: warm.label,
            mountPoint: warm.mountPoint,
            options: warmMount(warm).options.join(","),
          },
        }),
    ...(cold === undefined
      ? {}
      : {
          cold: {
            source: `${cold.server}:${cold.export}`,
            filesystem: `NFS ${cold.version}`,
            mountPoint: cold.mountPoint,
            folders: coldRoot(cold),
          },
        }),
    ...(Object.keys(timers).length === 0 ? {} : { timers }),
  };
}

function summarizeLvm(hot: LvmSettings) {
  const capacity = capacityOf(hot);
  return {
    device: hot.device.path,
    ...(hot.additionalDevices.length === 0 ? {} : { additionalDevices: hot.additionalDevices.map(({ path }) => path) }),
    volumeGroup: hot.volumeGroup.name,
    ...(capacity === undefined
      ? {}
      : {
          planned: `${formatBytes(capacity.plannedBytes)} of ${formatBytes(capacity.volumeGroupBytes)}, ${formatBytes(capacity.freeBytes)} free for snapshots`,
        }),
    volumes: Object.fromEntries(
      volumesOf(hot).map(({ name, sizeBytes, filesystem, mountPoint, treePath, owner, group, mode }) => [
        name,
        { size: formatBytes(sizeBytes), filesystem, mountPoint, alsoAt: treePath, owner: `${owner}:${group}`, mode },
      ]),
    ),
  };
}

function summarizeDirectories(hot: Exclude<HotSettings, LvmSettings>) {
  return {
    tree: hot.tree,
    folders: Object.fromEntries(
      serviceFolders(hot).map(({ service, treePath, owner, group, mode }) => [
        service,
        { path: treePath, owner: `${owner}:${group}`, mode },
      ]),
    ),
  };
}

/** The mount points of all tiers that a host has. */
function tierMountPoints({ hot, warm, cold }: HostSettings): string[] {
  const hotPoints =
    hot === undefined ? [] : hot.layout === "lvm" ? volumesOf(hot).map(({ mountPoint }) => mountPoint) : [hot.tree];
  return [
    ...hotPoints,
    ...(warm === undefined ? [] : [warm.mountPoint]),
    ...(cold === undefined ? [] : [cold.mountPoint]),
  ];
}

/** Where the scripts keep what they must remember. */
const STATE_FOLDER = "/var/lib/jts-storage";
/** Which file went from where to where, on the host: one line of JSON for each. */
export const MOVES_JOURNAL = `${STATE_FOLDER}/moves.jsonl`;

/** How long a filesystem may take to answer the scripts, and all looks of a health report together, in seconds. */
const PROBE_SECONDS = 5;
const LOOKS_SECONDS = 180;

/** What the scripts on the host read: scripts/jts_storage/settings.py has the same keys. A tier that isn't there is null. */
export function scriptSettings(settings: HostSettings, automation: AutomationSettings, timers: readonly string[]) {
  const { hot, warm, cold } = settings;
  // When is the timers' affair; whether to verify, the program's.
  const {
    onCalendar: _on,
    healthOnCalendar: _health,
    backupOnCalendar: _backup,
    archivalOnCalendar: _archival,
    snapshotOnCalendar: _snapshot,
    verifyOnCalendar: _verifyOn,
    scrubOnCalendar: _scrub,
    verify: _verify,
    ...values
  } = automation;
  return {
    hot:
      hot === undefined
        ? null
        : {
            mountPoints: tierMountPoints({ ...settings, warm: undefined, cold: undefined }),
            logRoot: hot.tree,
            // As the hot tree shows them, so that a service's logs keep its name when they move.
            logFolders: serviceFolders(hot).flatMap(({ treePath, folders }) =>
              folders.includes("logs") ? [`${treePath}/logs`] : [],
            ),
            volumeGroup: hot.layout === "lvm" ? hot.volumeGroup.name : null,
            snapshotReserveBytes: hot.layout === "lvm" ? reserveOf(hot) : 0,
          },
    warm: warm === undefined ? null : { mountPoint: warm.mountPoint, label: warm.label },
    cold:
      cold === undefined
        ? null
        : { mountPoint: cold.mountPoint, source: `${cold.server}:${cold.export}`, root: coldRoot(cold) },
    automation: {
      ...values,
      systemLogs: automation.systemLogs ? "/var/log" : null,
      notify: automation.notify ?? null,
      coldRetention: automation.coldRetention ?? null,
      backupVolumes: Object.fromEntries(
        backupVolumes(settings, automation).map(({ name, snapshotBytes }) => [name, snapshotBytes]),
      ),
    },
    timers,
    movesJournal: MOVES_JOURNAL,
    stateFolder: STATE_FOLDER,
    probeSeconds: PROBE_SECONDS,
    budgetSeconds: LOOKS_SECONDS,
  };
}

export type ScriptSettings = ReturnType<typeof scriptSettings>;

/** The volumes that are archived from snapshots, with the size of those. */
export function backupVolumes(
  { hot }: HostSettings,
  { backupVolumes: chosen }: AutomationSettings,
): { readonly name: string; readonly snapshotBytes: number }[] {
  if (hot?.layout !== "lvm") return [];
  return volumesOf(hot).flatMap(({ service, name }) => {
    const bytes =
      chosen === undefined ? (VOLUME_PROFILES[service]?.snapshotGibPerDay ?? 0) * GIB : (chosen[service] ?? 0);
    // LVM takes whole sectors.
    return bytes === 0 ? [] : [{ name, snapshotBytes: Math.ceil(bytes / 512) * 512 }];
  });
}

export interface Account {
  readonly group: string;
  /** Left out: the group alone, for root's folders. */
  readonly user?: string;
  readonly home?: string;
}

/** The accounts that folders belong to, each once, by `owner:group`; root exists. */
export function accountsOf(hot: HotSettings): ReadonlyMap<string, Account> {
  const accounts = new Map<string, Account>();
  for (const { service, owner, group, treePath } of serviceFolders(hot)) {
    const home =
      hot.layout === "lvm"
        ? (hot.volumes?.[service]?.mountPoint ?? VOLUME_PROFILES[service]?.mountPoint ?? treePath)
        : treePath;
    if (group === "root" && owner === "root") continue;
    if (!accounts.has(`${owner}:${group}`))
      accounts.set(`${owner}:${group}`, owner === "root" ? { group } : { user: owner, group, home });
  }
  return accounts;
}

/** Where a weekly trim makes sense: folders lie on a filesystem that isn't ours. */
export function trimmedMountPoints(hot: HotSettings): string[] {
  return hot.layout === "lvm" ? volumesOf(hot).map(({ mountPoint }) => mountPoint) : [];
}

/** In bytes; undefined where it is a share of a volume group whose size isn't configured. */
function sizeOf(hot: LvmSettings, service: string): number | undefined {
  const size = hot.volumes?.[service]?.size;
  if (size === undefined)
    return VOLUME_PROFILES[service]?.sizeGib === undefined ? undefined : VOLUME_PROFILES[service].sizeGib * GIB;
  if ("bytes" in size) return size.bytes;
  const extents = extentsOf(hot);
  return extents === undefined
    ? undefined
    : Math.floor((extents * size.percentOfVg) / 100) * hot.volumeGroup.extentSize;
}

/** Extents of the volume group, if LVM's metadata ends where the data is aligned to; undefined where a device's size isn't configured. */
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
  return (
    services.reduce((sum, service) => sum + (VOLUME_PROFILES[service]?.snapshotGibPerDay ?? 0), 0) * SNAPSHOT_DAYS * GIB
  );
}

/** Each of the common options, unless the list has its own word on the same. */
function withCommonOptions(options: readonly string[]): string[] {
  const says = (pattern: RegExp) => options.some((option) => pattern.test(option));
  const common = COMMON_OPTIONS.filter(
    (option) =>
      !options.includes(option) &&
      !(option === "noatime" && says(/^(relatime|strictatime|atime)$/)) &&
      !(option.startsWith("x-systemd.device-timeout") && says(/^x-systemd\.device-timeout=/)),
  );
  return [...common, ...options];
}

function everyProfile(): Record<string, VolumeSettings> {
  return Object.fromEntries(Object.keys(VOLUME_PROFILES).map((service) => [service, {}]));
}
