import { refuse, refuseAll, step, toDo, type Refusal } from "../engine/plan.ts";
import type { InputsOf, ResourceKind } from "../engine/resource.ts";
import { lvm, type LogicalVolumeReport, type VolumeGroupReport } from "../facts/lvm.ts";
import { cmd } from "../host/command.ts";
import { recordsProgram } from "../programs/program.ts";
import { bytes, lvmName, onDelete } from "../values/fields.ts";
import { formatBytes } from "../values/size.ts";
import { list, size, word } from "../values/words.ts";
import { dataHolder } from "./dataHolder.ts";
import { kindInputs } from "./inputs.ts";
import { volumeGroupOf, whyIncomplete, whyUnchangeable } from "./volumeGroup.ts";

const inputs = kindInputs({
  /** The VG's name. It can't change. */
  volumeGroup: lvmName,
  /** As lvm(8) takes it. It can't change. */
  name: lvmName,
  /** In bytes; LVM rounds up to whole extents. It can grow, online, and never shrink. */
  sizeBytes: bytes,
  /** Default: retain. */
  onDelete,
});
type Inputs = InputsOf<typeof inputs>;

export interface Seen {
  readonly group: VolumeGroupReport | undefined;
  readonly volume: LogicalVolumeReport | undefined;
}

/**
 * An LVM logical volume, see lvcreate(8). What is made is linear; one that was there may have any layout, such as
 * striped, cache, raid or thin.
 */
export const logicalVolume: ResourceKind<typeof inputs, Seen> = {
  name: "LogicalVolume",
  inputs,
  identity: [],
  changes: ["lvm", "block", "contents"],
  turn: "host",
  id: ({ host, volumeGroup, name }) => `${host}:${volumeGroup}/${name}`,
  describe: ({ path, sizeBytes }) => list(word(path), size(sizeBytes)),
  derive: ({ volumeGroup, name }) => ({ path: `/dev/${volumeGroup}/${name}` }),
  refuseChange: (olds, news) => [
    ...(news.sizeBytes < olds.sizeBytes
      ? [
          {
            property: "sizeBytes",
            reason: `${news.name} can't shrink from ${formatBytes(olds.sizeBytes)} to ${formatBytes(news.sizeBytes)}; see docs/runbooks/shrink-a-volume.md`,
          },
        ]
      : []),
    ...(news.name !== olds.name
      ? [
          {
            property: "name",
            reason: `${olds.name} can't become ${news.name}: declare it as a new volume and move the data`,
          },
        ]
      : []),
    ...(news.volumeGroup !== olds.volumeGroup
      ? [
          {
            property: "volumeGroup",
            reason: `${news.name} can't move from ${olds.volumeGroup} to ${news.volumeGroup}; see docs/runbooks/move-to-a-new-disk.md`,
          },
        ]
      : []),
  ],

  async observe(ask, { host, volumeGroup, name }) {
    const group = volumeGroupOf(await ask(lvm, undefined), volumeGroup, host);
    return { group, volume: group?.logicalVolumes.find((one) => one.name === name) };
  },
  isAbsent: (_inputs, { volume }) => volume === undefined,

  plan({ volumeGroup, name, sizeBytes }, { group, volume }) {
    const fullName = `${volumeGroup}/${name}`;
    if (group === undefined || volume === undefined) {
      const refusals =
        group === undefined ? [] : [...whyUnchangeable(group), ...whyIncomplete(group), ...isFull(group)];
      if (refusals.length > 0) return refuseAll(refusals);
      // The extents were free, so what they still hold belongs to nobody; without --yes lvcreate would ask about it.
      return toDo(
        step(
          `make ${fullName} with ${formatBytes(sizeBytes)}`,
          cmd`lvcreate --yes --wipesignatures y --name ${name} --size ${sizeBytes}b -- ${volumeGroup}`,
        ),
      );
    }
    if (volume.origin !== undefined)
      return refuse(`${fullName} is a snapshot of ${volume.origin}`, "choose another name.");
    if (volume.layout.includes("pool")) {
      const kind = volume.layout.filter((one) => one !== "pool").join(" ");
      return refuse(`${fullName} is a ${kind} pool, which holds no filesystem of its own`, "choose another name.");
    }
    if (!volume.isActive && volume.isPartial) {
      return refuse(
        `${fullName} is not active, and a disk of it is missing`,
        `connect that disk again: pvs; lvs --options +devices ${fullName}; then pulumi up --refresh. Only if it is gone for good: docs/runbooks/replace-a-failed-nvme.md.`,
      );
    }
    const wanted = roundUp(sizeBytes, group);
    if (volume.sizeBytes > wanted && !fits(sizeBytes, group, volume)) {
      return refuse(
        `${fullName} has ${formatBytes(volume.sizeBytes)}, more than the declared ${formatBytes(sizeBytes)}`,
        `declare its size, ${volume.sizeBytes} bytes; or follow docs/runbooks/shrink-a-volume.md.`,
      );
    }
    const skipping = volume.skipsActivation ? ["--ignoreactivationskip"] : [];
    const activation = volume.isActive
      ? []
      : [step(`activate ${fullName}`, cmd`lvchange --activate y ${skipping} -- ${fullName}`)];
    if (fits(sizeBytes, group, volume)) {
      const refusals = activation.length === 0 ? [] : whyUnchangeable(group);
      return refusals.length > 0 ? refuseAll(refusals) : toDo(...activation);
    }
    const refusals = [...whyUnchangeable(group), ...whyIncomplete(group), ...hasSnapshots(group, name)];
    if (refusals.length > 0) return refuseAll(refusals);
    return toDo(
      ...activation,
      step(
        `grow ${fullName} from ${formatBytes(volume.sizeBytes)} to ${formatBytes(wanted)}`,
        cmd`lvextend --size ${wanted}b -- ${fullName}`,
      ),
    );
  },

  ...dataHolder<Inputs, Seen>(({ volumeGroup, name }, { group, volume }) => {
    if (volume === undefined) return undefined;
    const fullName = `${volumeGroup}/${name}`;
    const snapshots = snapshotsOf(group, name);
    const snapshotNames = snapshots.map((one) => one.name).join(", ");
    const snapshotPaths = snapshots.map((one) => `${volumeGroup}/${one.name}`).join(" ");
    return {
      type: "lv",
      at: fullName,
      uuid: volume.uuid,
      is: `${fullName} is the volume`,
      shownBy: "lvs --options +lv_uuid",
      refusals:
        snapshots.length === 0
          ? []
          : [
              {
                found: `${fullName} has the snapshots ${snapshotNames}, which would go with it`,
                next: `look whether they are still needed, and remove them: lvremove ${snapshotPaths}.`,
              },
            ],
      // A volume in use is refused by lvremove itself.
      remove: { summary: `remove ${fullName}`, command: recordsProgram("remove-volume", [fullName]) },
    };
  }),

  report: ({ sizeBytes }, { group, volume }) =>
    group === undefined || volume === undefined
      ? {}
      : {
          inputs: { sizeBytes: fits(sizeBytes, group, volume) ? sizeBytes : volume.sizeBytes },
          outputs: { uuid: volume.uuid },
        },
};

function roundUp(bytes: number, { extentBytes }: VolumeGroupReport): number {
  return Math.ceil(bytes / extentBytes) * extentBytes;
}

/** Whether a volume has what its declared size rounds up to: to whole extents, and on several PVs to one on each. */
function fits(bytes: number, group: VolumeGroupReport, { sizeBytes, layout }: LogicalVolumeReport): boolean {
  const excess = sizeBytes - roundUp(bytes, group);
  const isLinear = layout.join() === "linear";
  return excess >= 0 && excess < (isLinear ? 1 : Math.max(1, group.physicalVolumes.length)) * group.extentBytes;
}

function snapshotsOf(group: VolumeGroupReport | undefined, name: string): LogicalVolumeReport[] {
  return group?.logicalVolumes.filter(({ origin }) => origin === name) ?? [];
}

/** Why a volume can't grow while it is in use; snapshots in a thin pool are no reason. */
function hasSnapshots(group: VolumeGroupReport, name: string): Refusal[] {
  const snapshots = snapshotsOf(group, name).filter(({ layout }) => !layout.includes("thin"));
  if (snapshots.length === 0) return [];
  const names = snapshots.map((one) => `${group.name}/${one.name}`);
  return [
    {
      found: `${group.name}/${name} can't grow while it has snapshots: ${names.join(", ")}`,
      next: `wait until lvm-backup.sh has removed them; or, where they are no longer needed: lvremove ${names.join(" ")}`,
    },
  ];
}

function isFull({ name, logicalVolumes, maxLogicalVolumes: most }: VolumeGroupReport): Refusal[] {
  if (most === 0 || logicalVolumes.length < most) return [];
  return [
    {
      found: `${name} has ${logicalVolumes.length} logical volumes, and takes ${most}`,
      next: `vgchange --logicalvolume 0 ${name}, which takes the limit away.`,
    },
  ];
}
