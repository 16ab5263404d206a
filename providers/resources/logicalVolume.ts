import { CONVERGED, refuse, step, toDo } from "../engine/plan.ts";
import type { InputsOf, ResourceKind } from "../engine/resource.ts";
import { lvm, type LogicalVolumeReport, type VolumeGroupReport } from "../facts/lvm.ts";
import { cmd } from "../host/command.ts";
import { recordsProgram } from "../programs/program.ts";
import { bytes, lvmName, onDelete } from "../values/fields.ts";
import { formatBytes } from "../values/size.ts";
import { list, size, word } from "../values/words.ts";
import { dataHolder } from "./dataHolder.ts";
import { kindInputs } from "./inputs.ts";

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

/** A linear LVM logical volume, see lvcreate(8). */
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

  async observe(ask, { volumeGroup, name }) {
    const group = (await ask(lvm, undefined)).volumeGroups.find((one) => one.name === volumeGroup);
    return { group, volume: group?.logicalVolumes.find((one) => one.name === name) };
  },
  isAbsent: (_inputs, { volume }) => volume === undefined,

  plan({ volumeGroup, name, sizeBytes }, { group, volume }) {
    const fullName = `${volumeGroup}/${name}`;
    if (group === undefined || volume === undefined) {
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
    const wanted = roundUp(sizeBytes, group);
    if (volume.sizeBytes > wanted) {
      return refuse(
        `${fullName} has ${formatBytes(volume.sizeBytes)}, more than the declared ${formatBytes(sizeBytes)}`,
        "declare its size, or follow docs/runbooks/shrink-a-volume.md.",
      );
    }
    if (volume.sizeBytes === wanted) return CONVERGED;
    return toDo(
      step(
        `grow ${fullName} from ${formatBytes(volume.sizeBytes)} to ${formatBytes(wanted)}`,
        cmd`lvextend --size ${wanted}b -- ${fullName}`,
      ),
    );
  },

  ...dataHolder<Inputs, Seen>(({ volumeGroup, name }, { group, volume }) => {
    if (volume === undefined) return undefined;
    const fullName = `${volumeGroup}/${name}`;
    const snapshots = group?.logicalVolumes.filter(({ origin }) => origin === name) ?? [];
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

  // A size that rounds up to the volume's is the declared one.
  report: ({ sizeBytes }, { group, volume }) =>
    group === undefined || volume === undefined
      ? {}
      : {
          inputs: { sizeBytes: roundUp(sizeBytes, group) === volume.sizeBytes ? sizeBytes : volume.sizeBytes },
          outputs: { uuid: volume.uuid },
        },
};

function roundUp(bytes: number, { extentBytes }: VolumeGroupReport): number {
  return Math.ceil(bytes / extentBytes) * extentBytes;
}
