import { refusedSize } from "../../providers/filesystems/mkfsSize.ts";
import { formatBytes } from "../../providers/values/size.ts";
import { findOptionProblems, findReadOnlyProblems } from "../mounts.ts";
import { below, type Problem } from "../problem.ts";
import {
  accountResource,
  accountsOf,
  capacityOf,
  deviceKey,
  deviceResource,
  devicesOf,
  nameOf,
  serviceFolders,
  sizeOf,
  volumesOf,
} from "./layout.ts";
import { profileOf, VOLUME_PROFILES } from "./profiles.ts";
import type { HotSettings, LvmSettings } from "./settings.ts";

/** What no host could carry out. */
export function findHotProblems(hot: HotSettings): Problem[] {
  if (hot.layout !== "lvm") return [...findSameResources(hot), ...findHomes(hot)];
  const extentProblems = findExtentProblems(hot);
  return [
    ...extentProblems,
    ...findNameProblems(hot),
    ...findSameResources(hot),
    ...findHomes(hot),
    ...findMissing(hot),
    ...volumesOf(hot).flatMap(({ service, filesystem, device, options, pass, mkfsOptions }) =>
      below(`volumes.${service}`, [
        ...findOptionProblems({ type: filesystem, source: device, options, pass, mkfsOptions }),
        ...findReadOnlyProblems(options),
      ]),
    ),
    ...volumesOf(hot).flatMap(({ service, filesystem, sizeBytes, mkfsOptions }) =>
      refusedSize(filesystem, sizeBytes, mkfsOptions).map((reason) => ({
        key: `volumes.${service}.size`,
        message: `${filesystem} of ${formatBytes(sizeBytes)} ${reason}`,
      })),
    ),
    // With such extents there is no sum.
    ...(extentProblems.length > 0 ? [] : findCapacityProblems(hot)),
  ];
}

function findExtentProblems({ volumeGroup: { extentSize, dataAlignment } }: LvmSettings): Problem[] {
  const problems: Problem[] = [];
  if (extentSize < 1024 || !Number.isInteger(Math.log2(extentSize)))
    problems.push({
      key: "volumeGroup.extentSize",
      message: `${formatBytes(extentSize)} is not a valid extent size: a power of 2, at least 1 KiB (vgcreate(8))`,
    });
  if (dataAlignment % 512 !== 0)
    problems.push({
      key: "volumeGroup.dataAlignment",
      message: `${formatBytes(dataAlignment)} is not a valid alignment: a multiple of 512 bytes (pvcreate(8))`,
    });
  return problems;
}

/** Parts of names that LVM keeps for volumes of its own: lvm(8), "VALID NAMES". */
const RESERVED = new RegExp(
  "_(cdata|cmeta|corig|cpool|cvol|iorig|imeta|mimage|mlog|pmspare|rimage|rmeta|tdata|tmeta|vdata|vorigin|wcorig)",
);
/** What is in /dev of a Debian host, where the volume group has a folder of its own. */
const IN_DEV = new RegExp(
  `^(${[
    "autofs|block|bsg|btrfs-control|bus|char|console|core|cpu|cpu_dma_latency|cuse|disk|dri|fd|full|fuse|hpet|hugepages",
    "hwrng|initctl|input|kmsg|kvm|log|loop-control|mapper|mem|mqueue|net|null|nvram|port|ppp|psaux|ptmx|pts|random",
    "rfkill|rtc|shm|snapshot|snd|std(in|out|err)|tty|uhid|uinput|urandom|usb|userfaultfd|vcs[au]?|vfio|vga_arbiter",
    "vhost-(net|vsock)|vsock|watchdog|zero",
    "(dm-|fd|hidraw|hvc|loop|md|nbd|ptp|ram|rtc|sg|sr|tty(S|USB|ACM)?|vcs[au]?|watchdog|zram)\\d+",
    "sd[a-z]{1,2}\\d*|x?vd[a-z]\\d*|nvme\\d+(n\\d+(p\\d+)?)?|mmcblk\\d+(p\\d+)?",
  ].join("|")})$`,
);
/** What the device-mapper takes of `GROUP-VOLUME`, in which a - of a name is written twice. */
export const MOST_LETTERS = 127;

/** How many there are of that. */
export const lettersOf = (group: string, volume: string): number => `${group.replaceAll("-", "--")}-${volume}`.length;

function findNameProblems(hot: LvmSettings): Problem[] {
  const { volumes = {} } = hot;
  const group = hot.volumeGroup.name;
  const problems: Problem[] = [];
  if (IN_DEV.test(group))
    problems.push({
      key: "volumeGroup.name",
      message:
        `/dev/${group} is, or may become, a device or folder of the system's, and LVM makes no group of that name; ` +
        "choose another one, such as vg_jts",
    });
  const ofName = new Map<string, string>();
  for (const service of Object.keys(volumes)) {
    const key = `volumes.${service}`;
    const name = nameOf(hot, service);
    const other = ofName.get(name);
    if (other !== undefined)
      problems.push({ key: `${key}.name`, message: `${name} is already the volume of ${other}` });
    ofName.set(name, key);
    const [reserved] = RESERVED.exec(name) ?? [];
    if (reserved !== undefined)
      problems.push({ key, message: `has ${reserved} in its name, which LVM keeps for itself (lvm(8))` });
    const letters = lettersOf(group, name);
    if (letters > MOST_LETTERS)
      problems.push({
        key,
        message: `is too long a name: with the volume group's, ${letters} letters, and LVM takes ${MOST_LETTERS}`,
      });
  }
  return problems;
}

/** Two accounts, or two devices, whose resources would have one name: `a` of group `b-c`, and `a-b` of group `c`. */
function findSameResources(hot: HotSettings): Problem[] {
  const accounts = serviceFolders(hot).flatMap(({ service, owner, group }) => {
    const account = accountsOf(hot).get(`${owner}:${group}`);
    return account === undefined
      ? []
      : [{ key: `volumes.${service}.group`, what: `${owner}:${group}`, name: accountResource(account) }];
  });
  const devices =
    hot.layout === "lvm"
      ? devicesOf(hot).map(({ path }, index) => ({
          key: `${deviceKey(index)}.path`,
          what: path,
          name: deviceResource(index, path),
        }))
      : [];
  const all = [...accounts, ...devices];
  return all.flatMap(({ key, what, name }, index) => {
    const other = all.slice(0, index).find((earlier) => earlier.name === name && earlier.what !== what);
    if (other === undefined) return [];
    const message = `${what} and ${other.what} of ${other.key} would have one name in the stack, ${name}; change one`;
    return [{ key, message }];
  });
}

/** Accounts whose home SystemUser, as useradd(8), would refuse: a colon ends a field of passwd(5). */
function findHomes(hot: HotSettings): Problem[] {
  const volumes = hot.layout === "lvm" ? Object.entries(hot.volumes ?? {}) : [];
  const problems = [...accountsOf(hot).values()].flatMap(({ user, home = "" }) => {
    if (!home.includes(":")) return [];
    const [service] = volumes.find(([, { mountPoint }]) => mountPoint === home) ?? [];
    const key = service === undefined ? "tree" : `volumes.${service}.mountPoint`;
    const message = `${home} would be the home of ${user}, and useradd(8) takes none with a colon; write it without`;
    return [{ key, message }];
  });
  // Of the accounts in the tree, one says it.
  return problems.filter(({ key }, index) => problems.findIndex((one) => one.key === key) === index);
}

/** What a volume needs that neither it nor a profile has. */
function findMissing(hot: LvmSettings): Problem[] {
  return Object.entries(hot.volumes ?? {}).flatMap(([service, { size, mountPoint }]) => {
    const problems: Problem[] = [];
    const key = `volumes.${service}`;
    const profile = profileOf(service);
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
