/** What of a host's configuration is risky, found without the host. Pure. */
import { exportsOf } from "../../components/cold/layout.ts";
import { capacityOf, snapshotBytesPerDay } from "../../components/hot/layout.ts";
import { profileOf, SNAPSHOT_DAYS, VOLUME_PROFILES } from "../../components/hot/profiles.ts";
import type { HostSettings } from "../../config.ts";
import { formatBytes } from "../../providers/values/size.ts";
import type { PlannedResource } from "./blankHost.ts";

/** Something that an operator should know before an `up`, and what would make it less risky. */
export interface RiskFound {
  readonly risk: "destroys-data" | "interrupts-service" | "caution";
  /** The key of the configuration, below the host's name, or the resource. */
  readonly at: string;
  readonly words: string;
  readonly next: string;
}

/** The gravest first. */
export function risksOf(settings: HostSettings, planned: readonly PlannedResource[]): RiskFound[] {
  return [
    ...stepsAtRisk(planned),
    ...wiping(settings),
    ...devices(settings),
    ...hiding(settings),
    ...reserve(settings),
    ...options(settings),
  ].sort((one, other) => RANK.indexOf(one.risk) - RANK.indexOf(other.risk));
}

const RANK = ["destroys-data", "interrupts-service", "caution"];

/** Steps of an `up` of a blank host that are more than safe. */
function stepsAtRisk(planned: readonly PlannedResource[]): RiskFound[] {
  return planned.flatMap(({ resource, steps }) =>
    steps.flatMap(({ risk, summary }) =>
      risk === "safe"
        ? []
        : [{ risk, at: resource.subject, words: summary, next: "run it when nobody needs the host" }],
    ),
  );
}

function wiping({ onDelete }: HostSettings): RiskFound[] {
  if (onDelete !== "wipe") return [];
  return [
    {
      risk: "destroys-data",
      at: "onDelete",
      words: "wipe: a `destroy`, and a volume that is taken out of the configuration, wipe its data",
      next: "retain keeps it; protect also has Pulumi refuse a destroy",
    },
  ];
}

/** Devices that another one could take the place of. */
function devices({ hot, warm }: HostSettings): RiskFound[] {
  const all = [
    ...(hot?.layout === "lvm"
      ? [
          { at: "hot.device", ...hot.device },
          ...hot.additionalDevices.map((one, index) => ({ at: `hot.additionalDevices.${index}`, ...one })),
        ]
      : []),
    ...(warm === undefined ? [] : [{ at: "warm.device", ...warm.device }]),
  ];
  return all.flatMap(({ at, path, serial, size }): RiskFound[] => {
    const where = String(path);
    const isStable = where.startsWith("/dev/disk/by-") || serial !== undefined;
    return [
      ...(isStable
        ? []
        : [
            {
              risk: "caution" as const,
              at: `${at}.path`,
              words: `${where} may be another device after a boot, and no serial number tells which one is meant`,
              next: "write its /dev/disk/by-id/… path, or its serial",
            },
          ]),
      ...(size === undefined && at.startsWith("hot")
        ? [
            {
              risk: "caution" as const,
              at: `${at}.size`,
              words: "is not declared, so whether the volumes fit is seen only on the host",
              next: "write the bytes that lsblk --bytes prints",
            },
          ]
        : []),
    ];
  });
}

function hiding({ hot, warm, cold }: HostSettings): RiskFound[] {
  const tiers = [
    ...(hot?.layout === "lvm"
      ? Object.entries(hot.volumes ?? {}).map(([service, volume]) => ({ at: `hot.volumes.${service}`, ...volume }))
      : []),
    ...(warm === undefined ? [] : [{ at: "warm", mountOverFiles: warm.mountOverFiles }]),
    ...exportsOf(cold).map(({ prefix, mountOverFiles }) => ({
      at: `cold.${prefix}`.replace(/\.$/, ""),
      mountOverFiles,
    })),
  ];
  return tiers.flatMap(({ at, mountOverFiles }): RiskFound[] =>
    mountOverFiles === true
      ? [
          {
            risk: "caution",
            at: `${at}.mountOverFiles`,
            words: "a service finds an empty filesystem in place of the files at its mount point, which are hidden",
            next: "move the files away, and leave this out",
          },
        ]
      : [],
  );
}

function reserve({ hot, automation }: HostSettings): RiskFound[] {
  if (hot?.layout !== "lvm" || automation === undefined) return [];
  const services = Object.keys(hot.volumes ?? VOLUME_PROFILES);
  const needed = services.reduce((sum, service) => sum + snapshotBytesPerDay(service), 0) * SNAPSHOT_DAYS;
  const reserved = capacityOf(hot)?.reserveBytes ?? hot.snapshotReserve ?? needed;
  if (reserved >= needed) return [];
  return [
    {
      risk: "caution",
      at: "hot.snapshotReserve",
      words: `${formatBytes(reserved)} is kept for snapshots, and the profiles count on ${formatBytes(needed)}; a snapshot that is full is lost, and so is its backup`,
      next: "leave it out, which reserves what the profiles need",
    },
  ];
}

/** Mount options that give up safety for speed. */
function options({ hot }: HostSettings): RiskFound[] {
  if (hot?.layout !== "lvm") return [];
  return Object.keys(hot.volumes ?? VOLUME_PROFILES).flatMap((service): RiskFound[] => {
    const configured = hot.volumes?.[service]?.options ?? profileOf(service)?.options ?? [];
    const loose = configured.filter((option) => LOOSE.test(option));
    return loose.map((option) => ({
      risk: "caution",
      at: `hot.volumes.${service}.options`,
      words: `${option}: after a loss of power, a file that was being written may hold old blocks`,
      next: "fine for a database that writes a log and syncs it; for plain files leave it out",
    }));
  });
}

const LOOSE = /^(data=writeback|nobarrier|barrier=0|nodatasum|nodatacow)$/;
