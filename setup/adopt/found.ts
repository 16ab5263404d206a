/** What a host has that could be a tier, read without changing anything. */
import { posix } from "node:path";
import type { Session } from "../../providers/engine/session.ts";
import type { About, Fact } from "../../providers/facts/fact.ts";
import { orError } from "../../providers/facts/fact.ts";
import { fstab } from "../../providers/facts/fstab.ts";
import { blockDevices, type BlockDevice } from "../../providers/facts/lsblk.ts";
import { lvm, type LvmReport } from "../../providers/facts/lvm.ts";
import { mounts, mountsAt, type Mount } from "../../providers/facts/mounts.ts";
import { pathStatus, type PathStatus } from "../../providers/facts/pathStatus.ts";
import { deviceLinks, realPath } from "../../providers/facts/realPath.ts";
import { sourceDevice } from "../../providers/facts/sourceDevice.ts";
import { cmd, type Command } from "../../providers/host/command.ts";
import { allEntries, plainPath, type FstabEntry } from "../../providers/values/fstabText.ts";

/** A line of fstab, and what has come of it. */
export interface FoundLine {
  readonly entry: FstabEntry;
  /** Written by this program. */
  readonly isOurs: boolean;
  /** What its source names now; undefined: nothing, or no device. */
  readonly device: BlockDevice | undefined;
  /** What is seen at its mount point. */
  readonly mount: Mount | undefined;
  /** Who owns the top of what is mounted; undefined: it did not answer, or nothing is mounted. */
  readonly top: PathStatus | undefined;
}

export interface FoundVolume {
  readonly group: string;
  readonly name: string;
  readonly sizeBytes: number;
  /** Of the kernel; undefined: it isn't active. */
  readonly device: BlockDevice | undefined;
  /** Why it is no volume of ordinary data; empty: it may be. */
  readonly oddity: string;
}

export interface Found {
  readonly hostName: string;
  readonly lines: readonly FoundLine[];
  readonly mounts: readonly Mount[];
  readonly devices: ReadonlyMap<string, BlockDevice>;
  readonly volumes: readonly FoundVolume[];
  readonly groups: LvmReport["volumeGroups"];
  /** Filesystems' labels, as they are on the disk, by the kernel's path. */
  readonly labels: ReadonlyMap<string, string>;
  /** Features of ext4, as dumpe2fs(8) has them, by the kernel's path. */
  readonly features: ReadonlyMap<string, readonly string[]>;
  /** The folders right below the mount points, by their paths. */
  readonly folders: ReadonlyMap<string, PathStatus>;
  /** The path of a device that stays the same over boots. */
  stablePath(device: string): string;
  /** Other settings that meet with those of this program, by the file that they are in. */
  readonly settings: ReadonlyMap<string, readonly string[]>;
}

/** What a command prints, within 25 s; nothing where it finds nothing. */
function printed<A>(name: string, about: readonly About[], command: (args: A) => Command): Fact<A, string> {
  return {
    name,
    about,
    command: (args) => ({ ...cmd`timeout --kill-after=5 20 ${command(args).argv}`, okExitCodes: [0, 1] }),
    parse: ({ stdout }) => stdout,
  };
}

const hostNameOf = printed<undefined>("the host's name", [], () => cmd`uname --nodename`);
const labelOf = printed<string>(
  "the label",
  ["contents"],
  (device) => cmd`blkid --probe --match-tag LABEL --output value -- ${device}`,
);
const superblockOf = printed<string>("the superblock", ["contents"], (device) => cmd`dumpe2fs -h -- ${device}`);
const foldersIn = printed<string>(
  "the folders",
  ["files"],
  (folder) => cmd`find ${folder} -mindepth 1 -maxdepth 1 -xdev -type d -printf ${"%u\\t%g\\t%m\\t%p\\n"}`,
);
/** What this program sets too: kernel values, and trims by udev. */
const SETTINGS = "^[^#]*(net\\.core\\.[rw]mem_|fstrim|queue/scheduler)";
const settingsIn = printed<undefined>(
  "other settings",
  ["files"],
  () =>
    cmd`grep --recursive --extended-regexp --no-messages ${SETTINGS} /etc/sysctl.conf /etc/sysctl.d /etc/udev/rules.d`,
);

/** @throws {StorageError} where the host could not be asked */
export async function readHost({ ask }: Session): Promise<Found> {
  const [hostName, text, all, devices, report, links, settings] = await Promise.all([
    ask(hostNameOf, undefined),
    ask(fstab, undefined),
    ask(mounts, undefined),
    ask(blockDevices, undefined),
    orError(ask(lvm, undefined)),
    ask(deviceLinks, undefined),
    ask(settingsIn, undefined),
  ]);
  // Without LVM's tools there is no volume group that could be in use.
  const groups = report instanceof Error ? [] : report.volumeGroups;
  const lines = await Promise.all(
    allEntries(text).map(async ({ entry, isOurs }): Promise<FoundLine> => {
      const isPath = /^\/dev\/|^[A-Z]+=/.test(entry.source);
      const mount = mountsAt(all, plainPath(entry.mountPoint)).at(-1);
      const [device, top] = await Promise.all([
        isPath ? sourceDevice(ask, entry.source) : undefined,
        mount === undefined ? undefined : orError(ask(pathStatus, [mount.target])),
      ]);
      const status = top instanceof Error ? undefined : top?.get(mount?.target ?? "");
      return { entry, isOurs, device, mount, top: status };
    }),
  );
  const volumes = await Promise.all(
    groups.flatMap((group) =>
      group.logicalVolumes.map(async (volume): Promise<FoundVolume> => {
        const path = volume.isActive ? await realPath(ask, `/dev/${group.name}/${volume.name}`) : undefined;
        return {
          group: group.name,
          name: volume.name,
          sizeBytes: volume.sizeBytes,
          device: path === undefined ? undefined : devices.get(path),
          oddity: oddityOf(volume),
        };
      }),
    ),
  );
  const mounted = lines.filter(({ mount }) => mount !== undefined);
  const ofType = (pattern: RegExp) => mounted.filter(({ mount }) => pattern.test(mount?.type ?? ""));
  const ext4 = [
    ...new Set(lines.flatMap(({ entry, device }) => (device && /^(ext4|auto)$/.test(entry.type) ? [device.path] : []))),
  ];
  const btrfs = [...new Set(ofType(/^btrfs$/).flatMap(({ device }) => (device ? [device.path] : [])))];
  const tops = [
    ...new Set(
      ofType(/^(ext4|xfs|btrfs|nfs4?)$/)
        .filter(({ entry }) => entry.mountPoint !== "/")
        .flatMap(({ mount }) => (mount ? [mount.target] : [])),
    ),
  ];
  const [superblocks, labels, folders] = await Promise.all([
    Promise.all(ext4.map(async (device) => [device, featuresIn(await ask(superblockOf, device))] as const)),
    Promise.all(btrfs.map(async (device) => [device, (await ask(labelOf, device)).trim()] as const)),
    Promise.all(tops.map(async (top) => orError(ask(foldersIn, top)))),
  ]);
  return {
    hostName: hostName.trim(),
    lines,
    mounts: all,
    devices,
    volumes,
    groups,
    labels: new Map(labels),
    features: new Map(superblocks),
    folders: new Map(folders.flatMap((one) => (one instanceof Error ? [] : statusesIn(one)))),
    stablePath: (device) => stablePathOf(device, links),
    settings: settingsByFile(settings),
  };
}

function oddityOf({
  origin,
  layout,
  isActive,
  isPartial,
}: LvmReport["volumeGroups"][number]["logicalVolumes"][number]) {
  if (origin !== undefined) return `is a snapshot of ${origin}`;
  if (isPartial) return "is in part on a disk that is missing";
  if (layout.includes("pool")) return "is a pool of other volumes";
  return isActive ? "" : "is not active";
}

function settingsByFile(text: string): Found["settings"] {
  const settings = new Map<string, string[]>();
  for (const line of text.split("\n")) {
    const [, file, setting] = /^([^:]+):(.*)$/.exec(line) ?? [];
    if (file === undefined || setting === undefined) continue;
    settings.set(file, [...(settings.get(file) ?? []), setting.trim()]);
  }
  return settings;
}

function featuresIn(superblock: string): string[] {
  return /^Filesystem features: *(.*)$/m.exec(superblock)?.[1]?.trim().split(/\s+/) ?? [];
}

function statusesIn(text: string): [string, PathStatus][] {
  return text.split("\n").flatMap((line): [string, PathStatus][] => {
    const [owner = "", group = "", mode = "", ...path] = line.split("\t");
    return path.length === 0
      ? []
      : [[path.join("\t"), { type: "directory", owner, group, mode: mode.padStart(3, "0") }]];
  });
}

/** Links that name the hardware first, then those of the device mapper and of the place it is plugged in. */
const LINKS = [
  /^\/dev\/disk\/by-id\/(?!(wwn|dm|md|lvm|scsi-[0-9]|nvme-(eui|nvme|uuid))[-.])(?!.*_[0-9]+(-part[0-9]+)?$)/,
  /^\/dev\/disk\/by-id\/(?!(dm|md|lvm)-)/,
  /^\/dev\/(mapper|md)\//,
  /^\/dev\/disk\/by-path\//,
];

function stablePathOf(device: string, links: ReadonlyMap<string, string>): string {
  const mine = [...links].flatMap(([link, target]) =>
    posix.resolve(posix.dirname(link), target) === device ? [link] : [],
  );
  const best = LINKS.map((pattern) => mine.filter((link) => pattern.test(link)).sort(byLength)[0]);
  return best.find((link) => link !== undefined) ?? device;
}

const byLength = (one: string, other: string) => one.length - other.length || (one < other ? -1 : 1);
