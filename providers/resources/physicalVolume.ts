import { z } from "zod";
import { CONVERGED } from "../engine/plan.ts";
import type { ResourceKind } from "../engine/resource.ts";
import { contents } from "../facts/contents.ts";
import { deviceAt } from "../facts/device.ts";
import { orError } from "../facts/fact.ts";
import { lvm, type PhysicalVolumeReport } from "../facts/lvm.ts";
import type { BlockDevice } from "../facts/lsblk.ts";
import { signsOfUse } from "../facts/signsOfUse.ts";
import { cmd } from "../host/command.ts";
import { program, recordsProgram } from "../programs/program.ts";
import { bytes, hostName, lvmName, onDelete, path, serial, wrongDevice } from "./inputs.ts";

const inputs = z.object({
  host: hostName,
  device: path,
  sizeBytes: bytes.optional(),
  serial: serial.optional(),
  volumeGroup: lvmName.optional(),
  dataAlignmentBytes: bytes.default(4 * 1024 * 1024),
  onDelete,
});
type Inputs = z.infer<typeof inputs>;

interface Seen {
  readonly device: BlockDevice | undefined;
  readonly volume: PhysicalVolumeReport | undefined;
  /** Asked only where there is no PV. */
  readonly signs: readonly string[];
}

/** An LVM physical volume on a whole device, see pvcreate(8). */
export const physicalVolume: ResourceKind<Inputs, Seen> = {
  name: "PhysicalVolume",
  inputs,
  identity: [],
  changes: ["lvm", "contents"],
  turn: "host",
  id: ({ host, device }) => `${host}:${device}`,
  refuseChange: (olds, news) =>
    (["device", "dataAlignmentBytes"] as const)
      .filter((property) => olds[property] !== news[property])
      .map((property) => ({
        property,
        reason: `the ${property} of a physical volume can't change from ${olds[property]} to ${news[property]}; see docs/runbooks/move-to-a-new-disk.md`,
      })),

  async observe(ask, { device: path }) {
    const [device, report, found] = await Promise.all([
      deviceAt(ask, path),
      ask(lvm, undefined),
      orError(ask(contents, { device: path, type: undefined })),
    ]);
    const volume = report.physicalVolumes.find(({ name }) => name === device?.path);
    if (device === undefined || volume !== undefined) return { device, volume, signs: [] };
    if (found instanceof Error) throw found;
    const seemsBlank = found.signatures.length === 0 && !device.isInUse;
    return { device, volume, signs: seemsBlank ? [] : await ask(signsOfUse, path) };
  },
  isAbsent: (_inputs, { device, volume, signs }) => device !== undefined && volume === undefined && signs.length === 0,

  isProvedAbsent: async (ask, { device }) => (await ask(signsOfUse, device)).length === 0,

  plan(desired, seen) {
    const { device: path, dataAlignmentBytes, volumeGroup } = desired;
    const { device, volume, signs } = seen;
    if (device === undefined) {
      return {
        steps: [],
        refusals: [
          {
            found: `there is no device ${path}`,
            next: "lsblk --output NAME,SIZE,SERIAL and ls -l /dev/disk/by-id on the host show what is there.",
          },
        ],
      };
    }
    const found = wrongDevice(desired, device);
    if (volume === undefined) found.push(...signs.map((sign) => `${path} is not blank: ${sign}`));
    else if (volume.dataStartBytes % dataAlignmentBytes !== 0)
      found.push(
        `the physical volume's data starts at ${volume.dataStartBytes} bytes, which is not aligned to ${dataAlignmentBytes}`,
      );
    if (
      volume !== undefined &&
      volumeGroup !== undefined &&
      volume.volumeGroup !== "" &&
      volume.volumeGroup !== volumeGroup
    ) {
      found.push(`${path} is a physical volume of the volume group ${volume.volumeGroup}, not of ${volumeGroup}`);
    }
    if (found.length > 0) {
      return {
        steps: [],
        refusals: found.map((what) => ({
          found: what,
          next: "declare the right device, or empty this one by docs/runbooks/clear-a-device.md.",
        })),
      };
    }
    if (volume === undefined) {
      return {
        steps: [
          {
            summary: `make ${path} a physical volume`,
            risk: "safe",
            guard: program("find-signs-of-use", path, String(device.sizeBytes), device.serial ?? ""),
            // Without --yes, and without a terminal, pvcreate itself refuses what it finds in use.
            command: cmd`pvcreate --dataalignment ${dataAlignmentBytes}b -- ${path}`,
          },
        ],
      };
    }
    if (volume.deviceBytes - volume.sizeBytes > volume.dataStartBytes + 64 * 1024 * 1024) {
      return {
        steps: [
          {
            summary: `grow the physical volume ${path} to its device's ${volume.deviceBytes} bytes`,
            risk: "safe",
            command: cmd`pvresize -- ${path}`,
          },
        ],
      };
    }
    return CONVERGED;
  },

  leaves: ({ onDelete }) => onDelete !== "wipe",
  planDestroy({ device: path, uuid }, { volume }) {
    if (volume === undefined) return CONVERGED;
    if (uuid !== volume.uuid) {
      return {
        steps: [],
        refusals: [
          {
            found: `${path} holds the physical volume ${volume.uuid} instead of ours, ${String(uuid)}`,
            next: "pulumi refresh, and look whose it is: pvs --options +pv_uuid.",
          },
        ],
      };
    }
    if (volume.volumeGroup !== "") {
      return {
        steps: [],
        refusals: [
          {
            found: `${path} is in use by the volume group ${volume.volumeGroup}`,
            next: `vgs ${volume.volumeGroup} shows what is in it; what this stack doesn't own must be moved or removed by hand.`,
          },
        ],
      };
    }
    return {
      steps: [
        {
          summary: `remove the physical volume ${path}`,
          risk: "destroys-data",
          guard: recordsProgram("is-uuid", ["pv", path, volume.uuid]),
          command: cmd`pvremove -- ${path}`,
        },
      ],
    };
  },

  report: (_inputs, { volume }) => ({ outputs: { ...(volume === undefined ? {} : { uuid: volume.uuid }) } }),
};
