import { packagesOf } from "../../providers/filesystems/index.ts";
import { refusedSize } from "../../providers/filesystems/mkfsSize.ts";
import { formatBytes } from "../../providers/values/size.ts";
import { findOptionProblems, findReadOnlyProblems, withCommonOptions } from "../mounts.ts";
import type { Problem } from "../problem.ts";
import type { TierLayout } from "../tier.ts";
import type { WarmSettings } from "./settings.ts";

/** The entry of fstab(5) that mounts the warm tier. */
export function warmMount({ label, compression, options, keepFstab }: WarmSettings) {
  const compress = compression === "no" ? [] : [`compress=${compression}`];
  return {
    source: `LABEL=${label}`,
    type: "btrfs",
    options: withCommonOptions([...compress, ...options], keepFstab),
  };
}

/** What no host could carry out. */
export function findWarmProblems(warm: WarmSettings): Problem[] {
  const { source, type, options } = warmMount(warm);
  const size = warm.device.size;
  const byKey = { [`compress=${warm.compression}`]: "compression" };
  return [
    ...findOptionProblems({ type, source, options, pass: 0, mkfsOptions: warm.mkfsOptions }, byKey),
    ...(size === undefined ? [] : refusedSize("btrfs", size, warm.mkfsOptions)).map((reason) => ({
      key: "device.size",
      message: `${type} of ${formatBytes(size ?? 0)} ${reason}`,
    })),
    ...(isAsMade(warm) ? [] : findReadOnlyProblems(options, ", or write folders: [], and no owner, group and mode")),
  ];
}

/** Whether it is as mkfs makes it, so that no folder is to be made or changed. */
function isAsMade({ owner, group, mode, folders }: WarmSettings): boolean {
  return owner === "root" && group === "root" && mode === "755" && folders.length === 0;
}

export function warmLayout(warm: WarmSettings) {
  const { device, label, mountPoint, alsoAt, owner, group, mode, folders } = warm;
  const mount = warmMount(warm);
  const isReadOnly = mount.options.includes("ro");
  return {
    packages: packagesOf("btrfs"),
    devices: typeof device.path === "string" ? [{ key: "device.path", path: device.path }] : [],
    mountPoints: [
      { key: "mountPoint", path: mountPoint, part: "mountPoint", isReadOnly },
      ...(alsoAt === false ? [] : [{ key: "alsoAt", path: alsoAt, part: "mountPoint", isReadOnly }]),
    ],
    folders: [{ path: mountPoint, owner, group, mode, folders }],
    probe: { path: mountPoint, mount: mountPoint },
    script: { mountPoint, label },
    summary: {
      device: device.path,
      filesystem: mount.type,
      label,
      mountPoint,
      options: mount.options.join(","),
    },
  } satisfies TierLayout;
}
