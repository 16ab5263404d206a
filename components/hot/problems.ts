import { formatBytes } from "../../providers/values/size.ts";
import { findOptionProblems } from "../mounts.ts";
import { below, type Problem } from "../problem.ts";
import { capacityOf, sizeOf, volumesOf } from "./layout.ts";
import { VOLUME_PROFILES } from "./profiles.ts";
import type { HotSettings, LvmSettings } from "./settings.ts";

/** What no host could carry out. */
export function findHotProblems(hot: HotSettings): Problem[] {
  if (hot.layout !== "lvm") return [];
  const extentProblems = findExtentProblems(hot);
  return [
    ...extentProblems,
    ...findMissing(hot),
    ...volumesOf(hot).flatMap(({ service, filesystem, device, options, pass, mkfsOptions }) =>
      below(`volumes.${service}`, findOptionProblems({ type: filesystem, source: device, options, pass, mkfsOptions })),
    ),
    // With such extents there is no sum.
    ...(extentProblems.length > 0 ? [] : findCapacityProblems(hot)),
  ];
}

function findExtentProblems({ volumeGroup: { extentSize } }: LvmSettings): Problem[] {
  if (extentSize >= 1024 && Number.isInteger(Math.log2(extentSize))) return [];
  const size = formatBytes(extentSize);
  return [
    {
      key: "volumeGroup.extentSize",
      message: `${size} is not a valid extent size: a power of 2, at least 1 KiB (vgcreate(8))`,
    },
  ];
}

/** What a volume needs that neither it nor a profile has. */
function findMissing(hot: LvmSettings): Problem[] {
  return Object.entries(hot.volumes ?? {}).flatMap(([service, { size, mountPoint }]) => {
    const problems: Problem[] = [];
    const key = `volumes.${service}`;
    const profile = VOLUME_PROFILES[service];
    if (size === undefined && profile === undefined)
      problems.push({
        key: `${key}.size`,
        message: `is missing: no profile has that name to take it from (${Object.keys(VOLUME_PROFILES).join(", ")})`,
      });
    else if (sizeOf(hot, service) === undefined)
      problems.push({
        key: `${key}.size`,
        message: "is a share of the volume group, so device.size must be there to know how much that is",
      });
    if (mountPoint === undefined && profile === undefined)
      problems.push({
        key: `${key}.mountPoint`,
        message: "is missing: no profile has that name to take it from",
      });
    return problems;
  });
}

function findCapacityProblems(hot: LvmSettings): Problem[] {
  const capacity = capacityOf(hot);
  if (capacity === undefined || capacity.freeBytes >= capacity.reserveBytes) return [];
  const { plannedBytes, reserveBytes, volumeGroupBytes, freeBytes } = capacity;
  const [planned, reserve, whole, excess] = [
    ...[plannedBytes, reserveBytes, volumeGroupBytes],
    reserveBytes - freeBytes,
  ].map(formatBytes);
  return [
    {
      key: "volumes",
      message:
        `${planned} of volumes and ${reserve} for snapshots don't fit the ${whole} of ${hot.volumeGroup.name}; ` +
        `make them ${excess} smaller, or set snapshotReserve; ` +
        "volumes that exist shrink by docs/runbooks/shrink-a-volume.md",
    },
  ];
}
