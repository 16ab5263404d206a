import { z } from "zod";
import { CONVERGED } from "../engine/plan.ts";
import type { ResourceKind } from "../engine/resource.ts";
import { lvm, type LogicalVolumeReport, type VolumeGroupReport } from "../facts/lvm.ts";
import { cmd } from "../host/command.ts";
import { recordsProgram } from "../programs/program.ts";
import { formatBytes } from "../values/size.ts";
import { bytes, hostName, lvmName, onDelete } from "./inputs.ts";

const inputs = z.object({
  host: hostName,
  volumeGroup: lvmName,
  name: lvmName,
  /** LVM rounds up to whole extents. */
  sizeBytes: bytes,
  onDelete,
});
type Inputs = z.infer<typeof inputs>;

interface Seen {
  readonly group: VolumeGroupReport | undefined;
  readonly volume: LogicalVolumeReport | undefined;
}

/** A linear LVM logical volume, see lvcreate(8). */
export const logicalVolume: ResourceKind<Inputs, Seen> = {
  name: "LogicalVolume",
  inputs,
  identity: [],
  changes: ["lvm", "block", "contents"],
  turn: "host",
  id: ({ host, volumeGroup, name }) => `${host}:${volumeGroup}/${name}`,
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
      return {
        steps: [
          {
            summary: `make ${fullName} with ${formatBytes(sizeBytes)}`,
            risk: "safe",
            command: cmd`lvcreate --yes --wipesignatures y --name ${name} --size ${sizeBytes}b -- ${volumeGroup}`,
          },
        ],
      };
    }
    if (volume.origin !== undefined) {
      return {
        steps: [],
        refusals: [{ found: `${fullName} is a snapshot of ${volume.origin}`, next: "choose another name." }],
      };
    }
    const wanted = roundUp(sizeBytes, group);
    if (volume.sizeBytes > wanted) {
      return {
        steps: [],
        refusals: [
          {
            found: `${fullName} has ${formatBytes(volume.sizeBytes)}, more than the declared ${formatBytes(sizeBytes)}`,
            next: `declare its size, or follow docs/runbooks/shrink-a-volume.md.`,
          },
        ],
      };
    }
    if (volume.sizeBytes === wanted) return CONVERGED;
    return {
      steps: [
        {
          summary: `grow ${fullName} from ${formatBytes(volume.sizeBytes)} to ${formatBytes(wanted)}`,
          risk: "safe",
          command: cmd`lvextend --size ${wanted}b -- ${fullName}`,
        },
      ],
    };
  },

  leaves: ({ onDelete }) => onDelete !== "wipe",
  planDestroy({ volumeGroup, name, uuid }, { group, volume }) {
    if (volume === undefined) return CONVERGED;
    const fullName = `${volumeGroup}/${name}`;
    if (uuid !== volume.uuid) {
      return {
        steps: [],
        refusals: [
          {
            found: `${fullName} is the volume ${volume.uuid} instead of ours, ${String(uuid)}`,
            next: "pulumi refresh, and look whose it is: lvs --options +lv_uuid.",
          },
        ],
      };
    }
    const snapshots = group?.logicalVolumes.filter(({ origin }) => origin === name) ?? [];
    if (snapshots.length > 0) {
      return {
        steps: [],
        refusals: [
          {
            found: `${fullName} has the snapshots ${snapshots.map((one) => one.name).join(", ")}, which would go with it`,
            next: `look whether they are still needed, and remove them: lvremove ${snapshots.map((one) => `${volumeGroup}/${one.name}`).join(" ")}.`,
          },
        ],
      };
    }
    // A volume in use is refused by lvremove itself.
    return {
      steps: [
        {
          summary: `remove ${fullName}`,
          risk: "destroys-data",
          guard: recordsProgram("is-uuid", ["lv", fullName, volume.uuid]),
          command: recordsProgram("remove-volume", [fullName]),
        },
      ],
    };
  },

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
