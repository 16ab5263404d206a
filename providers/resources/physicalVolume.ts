import { CONVERGED, refuseAll, step, toDo, type Refusal } from "../engine/plan.ts";
import type { InputsOf, ResourceKind } from "../engine/resource.ts";
import { contents } from "../facts/contents.ts";
import { deviceAt } from "../facts/device.ts";
import { orError } from "../facts/fact.ts";
import { lvm, type PhysicalVolumeReport, type VolumeGroupReport } from "../facts/lvm.ts";
import { blockDevices, type BlockDevice } from "../facts/lsblk.ts";
import { signsOfUse } from "../facts/signsOfUse.ts";
import { cmd } from "../host/command.ts";
import { program } from "../programs/program.ts";
import { bytes, lvmName, onDelete, path, serial } from "../values/fields.ts";
import { labelled, list, size, word } from "../values/words.ts";
import { dataHolder } from "./dataHolder.ts";
import { notBlank, refuseNoDevice, wrongDevice } from "./device.ts";
import { kindInputs } from "./inputs.ts";
import { blockSizesOf, volumeGroupOf, whyIncomplete, whyNotJoin, whyUnchangeable } from "./volumeGroup.ts";

const inputs = kindInputs({
  /**
   * The device's path, any that leads to it; /dev/disk/by-id/… stays the same over boots. The device must be proved
   * blank, or already hold exactly what is declared. It can't change.
   */
  device: path,
  /** The device's size in bytes, checked on the host. Default: any. */
  sizeBytes: bytes.optional(),
  /** The serial number of the device, or of its disk, checked on the host. Default: any. */
  serial: serial.optional(),
  /** The VG that it may be in; a PV of another one is refused. Default: any. */
  volumeGroup: lvmName.optional(),
  /**
   * Where the first extent starts is a multiple of this, in bytes. Only a new PV gets it: one that is there is taken as
   * it is. Default: 4 MiB. It can't change.
   */
  dataAlignmentBytes: bytes.default(4 * 1024 * 1024),
  /** Default: retain. */
  onDelete,
});
type Inputs = InputsOf<typeof inputs>;

export interface Seen {
  readonly device: BlockDevice | undefined;
  readonly volume: PhysicalVolumeReport | undefined;
  /** Asked only where there is no PV. */
  readonly signs: readonly string[];
  /** The VG that it is in, or else the declared one, where that exists. */
  readonly group: VolumeGroupReport | undefined;
  /** Logical block sizes of the VG's devices, in bytes. */
  readonly blockSizes: ReadonlySet<number>;
}

/** With more than this, and than an extent, unused at its end, a device has grown since it was made a PV. */
const SLACK_BYTES = 64 * 1024 * 1024;

/** An LVM physical volume on a whole device, see pvcreate(8). */
export const physicalVolume: ResourceKind<typeof inputs, Seen> = {
  name: "PhysicalVolume",
  inputs,
  identity: [],
  changes: ["lvm", "contents"],
  turn: "host",
  id: ({ host, device }) => `${host}:${device}`,
  describe: ({ device, sizeBytes, serial }) => list(word(device), size(sizeBytes), labelled("serial", word(serial))),
  refuseChange: (olds, news) =>
    (["device", "dataAlignmentBytes"] as const)
      .filter((property) => olds[property] !== news[property])
      .map((property) => ({
        property,
        reason: `the ${property} of a physical volume can't change from ${olds[property]} to ${news[property]}; see docs/runbooks/move-to-a-new-disk.md`,
      })),

  async observe(ask, { host, device: path, volumeGroup }) {
    const [device, report, all, found] = await Promise.all([
      deviceAt(ask, path),
      ask(lvm, undefined),
      ask(blockDevices, undefined),
      orError(ask(contents, { device: path, type: undefined })),
    ]);
    const volume = device && report.physicalVolumes.find(({ number }) => number === device.number);
    const groupName = volume === undefined || volume.volumeGroup === "" ? volumeGroup : volume.volumeGroup;
    const group = groupName === undefined ? undefined : volumeGroupOf(report, groupName, host);
    const seen = { device, volume, group, blockSizes: blockSizesOf(group, all), signs: [] };
    if (device === undefined || volume !== undefined) return seen;
    if (found instanceof Error) throw found;
    const seemsBlank = found.signatures.length === 0 && !device.isInUse;
    return { ...seen, signs: seemsBlank ? [] : await ask(signsOfUse, path) };
  },
  isAbsent: (_inputs, { device, volume, signs }) => device !== undefined && volume === undefined && signs.length === 0,

  isProvedAbsent: async (ask, { device }) => (await ask(signsOfUse, device)).length === 0,

  plan(desired, { device, volume, signs, group, blockSizes }) {
    const { device: path, dataAlignmentBytes } = desired;
    if (device === undefined) return refuseNoDevice(path);
    const refusals = wrongDevice(desired, device);
    if (volume === undefined) {
      refusals.push(...notBlank(device, path, signs));
      if (group !== undefined) refusals.push(...whyNotJoin(group, blockSizes, path, device));
      if (refusals.length > 0) return refuseAll(refusals);
      return toDo(
        step(
          `make ${path} a physical volume`,
          // Without --yes, and without a terminal, pvcreate itself refuses what it finds in use.
          cmd`pvcreate --dataalignment ${dataAlignmentBytes}b -- ${path}`,
          { guard: program("find-signs-of-use", path, String(device.sizeBytes), device.serial ?? "") },
        ),
      );
    }
    refusals.push(...otherGroup(desired, volume));
    // At its end, less than an extent is left over.
    const slack = volume.dataStartBytes + Math.max(SLACK_BYTES, group?.extentBytes ?? 0);
    const hasGrown = volume.deviceBytes - volume.sizeBytes > slack;
    if (hasGrown && group !== undefined) refusals.push(...whyUnchangeable(group), ...whyIncomplete(group));
    if (refusals.length > 0) return refuseAll(refusals);
    if (!hasGrown) return CONVERGED;
    return toDo(
      step(`grow the physical volume ${path} to its device's ${volume.deviceBytes} bytes`, cmd`pvresize -- ${path}`),
    );
  },

  ...dataHolder<Inputs, Seen>(
    ({ device: path }, { volume }) =>
      volume && {
        type: "pv",
        at: path,
        uuid: volume.uuid,
        is: `${path} holds the physical volume`,
        shownBy: "pvs --options +pv_uuid",
        refusals:
          volume.volumeGroup === ""
            ? []
            : [
                {
                  found: `${path} is in use by the volume group ${volume.volumeGroup}`,
                  next: `vgs ${volume.volumeGroup} shows what is in it; what this stack doesn't own must be moved or removed by hand.`,
                },
              ],
        remove: { summary: `remove the physical volume ${path}`, command: cmd`pvremove -- ${path}` },
      },
  ),

  report: (_inputs, { volume }) => ({ outputs: { ...(volume === undefined ? {} : { uuid: volume.uuid }) } }),
};

function otherGroup({ device, volumeGroup }: Inputs, { volumeGroup: actual }: PhysicalVolumeReport): Refusal[] {
  if (volumeGroup === undefined || actual === "" || actual === volumeGroup) return [];
  return [
    {
      found: `${device} is a physical volume of the volume group ${actual}, not of ${volumeGroup}`,
      next: `declare the volume group ${actual}, which adopts it; or another device.`,
    },
  ];
}
