/** What a host's storage is planned for: each tier's room, and what takes how much of it. Pure. */
import { coldSource, exportsOf, type ColdExport } from "../../components/cold/layout.ts";
import { capacityOf, devicesOf, serviceFolders, volumesOf } from "../../components/hot/layout.ts";
import { profileOf } from "../../components/hot/profiles.ts";
import type { DirectoriesSettings, HotSettings, LvmSettings } from "../../components/hot/settings.ts";
import { warmMount } from "../../components/warm/layout.ts";
import type { HostSettings } from "../../config.ts";

/**
 * What takes part of a room. `metadata` is LVM's own, and less than an extent; `room` is a whole filesystem, or what a
 * cache leaves of it.
 */
export type Use = "volume" | "snapshots" | "free" | "metadata" | "room" | "cache";

export interface Share {
  readonly use: Use;
  /** The service's name, or what it is, in words. */
  readonly name: string;
  /** Undefined where it can't be known without the host. */
  readonly bytes: number | undefined;
  readonly filesystem?: string;
  readonly mountPoint?: string;
  /** Whose data it is for: a profile of the services, or folders. */
  readonly purpose: string;
}

/** A volume group, a filesystem or an export. */
export interface Room {
  readonly tier: "hot" | "warm" | "cold";
  readonly name: string;
  /** The devices, or the export. */
  readonly on: readonly string[];
  /** Undefined where the configuration doesn't have it. */
  readonly bytes: number | undefined;
  /** Where {@link bytes} is known, they are all of it, to the byte. */
  readonly shares: readonly Share[];
}

/** The room of each tier, in the order in which data moves. */
export function roomsOf({ hot, warm, cold }: Pick<HostSettings, "hot" | "warm" | "cold">): Room[] {
  return [
    ...(hot === undefined ? [] : [hotRoom(hot)]),
    ...(warm === undefined ? [] : [warmRoom(warm, cold?.cache)]),
    ...exportsOf(cold).map(coldRoom),
  ];
}

function hotRoom(hot: HotSettings): Room {
  return hot.layout === "lvm" ? volumeGroupRoom(hot) : foldersRoom(hot);
}

function volumeGroupRoom(hot: LvmSettings): Room {
  const devices = devicesOf(hot);
  const volumes = volumesOf(hot).map(({ service, sizeBytes, filesystem, mountPoint, folders }): Share => ({
    use: "volume",
    name: service,
    bytes: sizeBytes,
    filesystem,
    mountPoint,
    purpose: profileOf(service) === undefined ? `of its own: ${folders.join(", ") || "no folders"}` : "profile",
  }));
  const capacity = capacityOf(hot);
  const room = { tier: "hot", name: hot.volumeGroup.name, on: devices.map(({ path }) => path) } as const;
  if (capacity === undefined) return { ...room, bytes: undefined, shares: volumes };
  const bytes = devices.reduce((sum, { size = 0 }) => sum + size, 0);
  const { volumeGroupBytes, freeBytes, reserveBytes } = capacity;
  return {
    ...room,
    bytes,
    shares: [
      ...volumes,
      {
        use: "snapshots",
        name: "reserve",
        bytes: reserveBytes,
        purpose: "what changes while the backups' snapshots are kept",
      },
      { use: "free", name: "free", bytes: freeBytes - reserveBytes, purpose: "volumes can grow into it" },
      { use: "metadata", name: "LVM", bytes: bytes - volumeGroupBytes, purpose: "metadata, and less than an extent" },
    ],
  };
}

/** Without LVM, nothing limits what a service takes. */
function foldersRoom(hot: DirectoriesSettings): Room {
  return {
    tier: "hot",
    name: hot.tree,
    on: ["the filesystem of that folder"],
    bytes: undefined,
    shares: serviceFolders(hot).map(({ service, treeFolder }) => ({
      use: "volume",
      name: service,
      bytes: undefined,
      mountPoint: `${hot.tree}/${treeFolder}`,
      purpose: "a folder, without a limit of its own",
    })),
  };
}

function warmRoom(warm: NonNullable<HostSettings["warm"]>, cache: NonNullable<HostSettings["cold"]>["cache"]): Room {
  const { size: bytes, path } = warm.device;
  const cached: Share[] =
    cache === undefined
      ? []
      : [{ use: "cache", name: "cache", bytes: cache.size, filesystem: "ext4", purpose: "of what is read from cold" }];
  return {
    tier: "warm",
    name: warm.label,
    on: [String(path)],
    bytes,
    shares: [
      {
        use: "room",
        name: "warm",
        bytes: bytes === undefined ? undefined : bytes - (cache?.size ?? 0),
        filesystem: warmMount(warm).type,
        mountPoint: warm.mountPoint,
        purpose: warm.folders.join(", "),
      },
      ...cached,
    ],
  };
}

function coldRoom(cold: ColdExport): Room {
  // A folder of a folder is a detail.
  const folders = [...new Set([...cold.holds, ...cold.folders.map((folder) => folder.split("/")[0]!)])];
  return {
    tier: "cold",
    name: cold.root,
    // In a stack's file, both are texts.
    on: [coldSource(cold) as string],
    bytes: undefined,
    shares: [
      {
        use: "room",
        name: cold.name,
        bytes: undefined,
        filesystem: `NFS ${cold.version}`,
        mountPoint: cold.mountPoint,
        purpose: folders.join(", "),
      },
    ],
  };
}
