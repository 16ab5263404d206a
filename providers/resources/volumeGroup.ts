import { z } from "zod";
import { refuseAll, step, toDo, type Refusal, type Step } from "../engine/plan.ts";
import { ambiguous } from "../engine/remedies.ts";
import type { InputsOf, ResourceKind } from "../engine/resource.ts";
import { deviceAt } from "../facts/device.ts";
import { blockDevices, type BlockDevice } from "../facts/lsblk.ts";
import { lvm, type LvmReport, type PhysicalVolumeReport, type VolumeGroupReport } from "../facts/lvm.ts";
import { cmd, type Command } from "../host/command.ts";
import { program, recordsProgram } from "../programs/program.ts";
import { bytes, lvmName, onDelete, path } from "../values/fields.ts";
import { formatBytes } from "../values/size.ts";
import { word, words } from "../values/words.ts";
import { dataHolder } from "./dataHolder.ts";
import { refuseNoDevice } from "./device.ts";
import { kindInputs } from "./inputs.ts";

const inputs = kindInputs({
  /** As lvm(8) takes it. A change makes another resource. */
  name: lvmName,
  /**
   * Paths of devices that are PVs. One that is added joins by vgextend(8); one that is left out is emptied by
   * pvmove(8), while its volumes are in use, where the others have room, and then leaves by vgreduce(8).
   */
  physicalVolumes: z.array(path).min(1),
  /** In bytes, a power of 2. Default: 4 MiB. It can't change. */
  extentSizeBytes: bytes.default(4 * 1024 * 1024),
  /** Default: retain. */
  onDelete,
});
type Inputs = InputsOf<typeof inputs>;

export interface Seen {
  readonly group: VolumeGroupReport | undefined;
  /** By the declared path; undefined where there is no such device. */
  readonly devices: ReadonlyMap<string, BlockDevice | undefined>;
  /** Of the devices that are in the group. */
  readonly blockSizes: BlockSizes;
}

/**
 * The tag, see lvm(8), of a PV that this program may take out again: it was declared once, as one of several. One that
 * somebody else added has none.
 */
const OURS = "jts-storage";

/** The logical block sizes of devices, in bytes. */
type BlockSizes = ReadonlySet<number>;

/** An LVM volume group, see vgcreate(8). */
export const volumeGroup: ResourceKind<typeof inputs, Seen> = {
  name: "VolumeGroup",
  inputs,
  identity: ["name"],
  changes: ["lvm"],
  turn: "host",
  id: ({ host, name }) => `${host}:${name}`,
  describe: ({ name, physicalVolumes }) => `${word(name)} on ${words(physicalVolumes)}`,
  refuseChange: (olds, news) =>
    olds.extentSizeBytes === news.extentSizeBytes
      ? []
      : [
          {
            property: "extentSizeBytes",
            reason: "the extent size of a VG can't change in place; see docs/runbooks/move-to-a-new-disk.md",
          },
        ],

  async observe(ask, { host, name, physicalVolumes }) {
    const [report, all, ...devices] = await Promise.all([
      ask(lvm, undefined),
      ask(blockDevices, undefined),
      ...physicalVolumes.map((one) => deviceAt(ask, one)),
    ]);
    const group = volumeGroupOf(report, name, host);
    return {
      group,
      devices: new Map(physicalVolumes.map((one, index) => [one, devices[index]])),
      blockSizes: blockSizesOf(group, all),
    };
  },
  isAbsent: (_inputs, { group }) => group === undefined,

  plan({ name, physicalVolumes, extentSizeBytes }, { group, devices, blockSizes }) {
    if (group === undefined) {
      const refusals = whyNotTogether(name, devices, extentSizeBytes);
      if (refusals.length > 0) return refuseAll(refusals);
      return toDo(
        step(
          `make the volume group ${name}`,
          cmd`vgcreate --physicalextentsize ${extentSizeBytes}b -- ${name} ${physicalVolumes}`,
          { guard: arePhysicalVolumes(physicalVolumes) },
        ),
        ...tag(physicalVolumes, physicalVolumes),
      );
    }
    if (group.isExported) return refuseAll(whyUnchangeable(group));
    const refusals: Refusal[] = [];
    if (group.extentBytes !== extentSizeBytes) {
      refusals.push({
        found: `${name} has extents of ${group.extentBytes} bytes instead of ${extentSizeBytes}`,
        next: `declare extentSize: ${group.extentBytes}.`,
      });
    }
    const isIn = (path: string, pv: PhysicalVolumeReport) =>
      pv.number !== undefined && pv.number === devices.get(path)?.number;
    const staying = group.physicalVolumes.filter((pv) => physicalVolumes.some((path) => isIn(path, pv)));
    const gone = group.physicalVolumes.filter((pv) => pv.isMissing);
    const leaving = group.physicalVolumes.filter((pv) => !staying.includes(pv) && !gone.includes(pv));
    refusals.push(...gone.filter((pv) => !mayBeForgotten(pv)).map((pv) => lacks(group, pv)));
    for (const pv of leaving.filter(({ tags }) => !tags.includes(OURS))) {
      refusals.push({
        found: `${name} also has the physical volume ${pv.name}`,
        next: `declare it too; or, if it was to be this program's to take out: pvchange --addtag ${OURS} ${pv.name}`,
      });
    }
    const joining = physicalVolumes.filter((path) => !staying.some((pv) => isIn(path, pv)));
    // A VG that has none of ours is another machine's or another program's of the same name.
    if (staying.length === 0) {
      refusals.push({
        found: `a volume group ${name} exists already, on ${group.physicalVolumes.map((pv) => pv.name).join(", ")}`,
        next: "choose another name, or declare its devices.",
      });
    }
    for (const path of joining) {
      const device = devices.get(path);
      refusals.push(
        ...(device === undefined
          ? (refuseNoDevice(path).refusals ?? [])
          : whyNotJoin(group, blockSizes, path, device, staying.length + leaving.length)),
      );
    }
    const sum = (sizes: readonly number[]) => sizes.reduce((total, size) => total + size, 0);
    const used = sum(leaving.map((pv) => pv.usedBytes));
    const free = sum(staying.map((pv) => pv.freeBytes));
    // What is added now has no extents yet that could be counted.
    if (joining.length === 0 && used > free) {
      const who = leaving.map((pv) => pv.name).join(", ");
      const room = `volumes have ${formatBytes(used)} there, and ${formatBytes(free)} is free elsewhere`;
      refusals.push({
        found: `${who} can't leave ${name}: ${room}`,
        next: "make room, or add a device first: docs/runbooks/move-to-a-new-disk.md.",
      });
    }
    const untagged = physicalVolumes.filter((path) => !staying.some((pv) => isIn(path, pv) && pv.tags.includes(OURS)));
    const steps = [
      // First, since LVM changes no group that lacks a PV.
      ...(gone.length === 0 ? [] : [forget(name, gone)]),
      ...(joining.length === 0 ? [] : [add(name, joining)]),
      ...tag(physicalVolumes, untagged),
      ...leaving.map((pv) => takeOut(name, pv)),
    ];
    if (steps.length > 0) refusals.push(...whyUnchangeable(group));
    if (gone.length + leaving.length > 0 && !group.isResizeable) refusals.push(notResizeable(group));
    return refusals.length > 0 ? refuseAll(unique(refusals)) : toDo(...steps);
  },

  ...dataHolder<Inputs, Seen>(
    ({ name }, { group }) =>
      group && {
        type: "vg",
        at: name,
        uuid: group.uuid,
        is: `${name} is the volume group`,
        shownBy: "vgs --options +vg_uuid",
        refusals:
          group.logicalVolumes.length === 0
            ? []
            : [
                {
                  found: `${name} still has ${group.logicalVolumes.map((volume) => volume.name).join(", ")}`,
                  next: `lvs ${name} shows them; what this stack doesn't own must be removed by hand.`,
                },
              ],
        // Without --yes: vgremove asks before it removes volumes, and gets no answer.
        remove: { summary: `remove the volume group ${name}`, command: cmd`vgremove -- ${name}` },
      },
  ),

  report: ({ physicalVolumes }, { group, devices }) =>
    group === undefined
      ? {}
      : {
          inputs: {
            extentSizeBytes: group.extentBytes,
            physicalVolumes: physicalVolumes.filter((one) =>
              group.physicalVolumes.some(({ number }) => number !== undefined && number === devices.get(one)?.number),
            ),
          },
          outputs: { uuid: group.uuid },
        },
};

function add(name: string, devices: readonly string[]): Step {
  return step(`add ${devices.join(", ")} to the volume group ${name}`, cmd`vgextend -- ${name} ${devices}`, {
    guard: arePhysicalVolumes(devices),
  });
}

/** Takes out those whose disks are gone, and which held nothing. */
function forget(name: string, gone: readonly PhysicalVolumeReport[]): Step {
  const uuids = gone.map(({ uuid }) => uuid);
  return step(
    `take ${uuids.join(", ")} out of ${name}, whose disk is missing and had no volumes`,
    // Without --force it takes out none that a volume is on.
    cmd`vgreduce --removemissing -- ${name}`,
    { guard: program("are-missing-and-unused", name, ...uuids) },
  );
}

function takeOut(name: string, pv: PhysicalVolumeReport): Step {
  return step(
    `move ${formatBytes(pv.usedBytes)} of volumes off ${pv.name}, and take it out of ${name}`,
    program("take-out-physical-volume", name, pv.name),
    { guard: recordsProgram("is-uuid", ["pv", pv.name, pv.uuid]), readProgress: readMoved },
  );
}

/** As pvmove(8) prints it: `  /dev/sdb: Moved: 12.50%`. */
function readMoved(line: string): string | undefined {
  const [, percent] = /: Moved: ([0-9.]+)%/.exec(line) ?? [];
  return percent === undefined ? undefined : `${Math.round(Number(percent))} %`;
}

/** The only one stays as long as the group, and needs no tag. */
function tag(all: readonly string[], untagged: readonly string[]): Step[] {
  if (all.length === 1 || untagged.length === 0) return [];
  return [step(`tag ${untagged.join(", ")} as this program's`, cmd`pvchange --quiet --addtag ${OURS} -- ${untagged}`)];
}

/** vgcreate and vgextend would make PVs of them, without our proof that they are blank. */
function arePhysicalVolumes(devices: readonly string[]): Command {
  return cmd`pvs --noheadings --options pv_name -- ${devices}`;
}

/** @param all every device of the host */
export function blockSizesOf(group: VolumeGroupReport | undefined, all: ReadonlyMap<string, BlockDevice>): BlockSizes {
  const numbers = new Set(group?.physicalVolumes.map(({ number }) => number));
  return new Set(
    [...all.values()].filter(({ number }) => numbers.has(number)).map(({ logicalBlockBytes }) => logicalBlockBytes),
  );
}

/** Why LVM would change nothing in a group. */
export function whyUnchangeable({ name, isExported, isReadOnly, isShared }: VolumeGroupReport): Refusal[] {
  if (isExported) {
    return [
      {
        found: `${name} is exported, to be moved to another host`,
        next: `if it is to stay on this host: vgimport ${name}`,
      },
    ];
  }
  return [
    ...(isShared
      ? [{ found: `${name} is shared by several hosts`, next: "declare a volume group that only this host uses." }]
      : []),
    ...(isReadOnly
      ? [{ found: `${name} is read-only`, next: `look who made it so: vgs --options +vg_permissions ${name}` }]
      : []),
  ];
}

/** Why a group that lacks PVs can't be changed; none, where all is there, or what is missing can be forgotten. */
export function whyIncomplete(group: VolumeGroupReport): Refusal[] {
  return group.physicalVolumes.filter((pv) => pv.isMissing && !mayBeForgotten(pv)).map((pv) => lacks(group, pv));
}

/**
 * Why a device can't join a group as a PV, found before it is made one.
 * @param count of PVs that the group has without it
 */
export function whyNotJoin(
  group: VolumeGroupReport,
  blockSizes: BlockSizes,
  path: string,
  device: BlockDevice,
  count = group.physicalVolumes.length,
): Refusal[] {
  const { name, maxPhysicalVolumes: most } = group;
  const [blockBytes = device.logicalBlockBytes, ...others] = blockSizes;
  return [
    ...whyUnchangeable(group),
    ...whyIncomplete(group),
    ...(group.isResizeable ? [] : [notResizeable(group)]),
    ...(most === 0 || count < most
      ? []
      : [
          {
            found: `${name} has ${count} physical volumes, and takes ${most}`,
            next: `vgchange --maxphysicalvolumes 0 ${name}, which takes the limit away.`,
          },
        ]),
    // As LVM: a group that has both already takes both.
    ...(others.length > 0 || blockBytes === device.logicalBlockBytes
      ? []
      : [
          {
            found: `${path} has logical blocks of ${device.logicalBlockBytes} bytes, and the devices of ${name} of ${blockBytes}`,
            next: `use a device with blocks of ${blockBytes} bytes: lsblk --output NAME,LOG-SEC; some NVMe disks can be formatted so, while they are empty.`,
          },
        ]),
    ...tooSmall(path, device, group.extentBytes),
  ];
}

/** Why a new group can't have these devices. */
function whyNotTogether(name: string, devices: Seen["devices"], extentBytes: number): Refusal[] {
  const there = [...devices].flatMap(([path, device]) => (device === undefined ? [] : [{ path, device }]));
  const sizes = Map.groupBy(there, ({ device }) => device.logicalBlockBytes);
  const inWords = [...sizes].map(([size, some]) => `${some.map(({ path }) => path).join(", ")} of ${size} bytes`);
  return [
    ...[...devices].flatMap(([path, device]) => (device === undefined ? (refuseNoDevice(path).refusals ?? []) : [])),
    ...(sizes.size < 2
      ? []
      : [
          {
            found: `the devices of ${name} have different logical blocks: ${inWords.join("; ")}`,
            next: "declare only devices of one of these sizes; what is left out is an empty physical volume then, which pvremove DEVICE takes away.",
          },
        ]),
    ...there.flatMap(({ path, device }) => tooSmall(path, device, extentBytes)),
  ];
}

function tooSmall(path: string, { sizeBytes }: BlockDevice, extentBytes: number): Refusal[] {
  if (sizeBytes > extentBytes) return [];
  return [
    {
      found: `${path} has ${formatBytes(sizeBytes)}, too little for one extent of ${formatBytes(extentBytes)}`,
      next: "declare a larger device.",
    },
  ];
}

function notResizeable({ name }: VolumeGroupReport): Refusal {
  return {
    found: `${name} is set to neither get nor lose physical volumes`,
    next: `if that may change: vgchange --resizeable y ${name}`,
  };
}

/** A PV whose disk is gone, that was this program's to take out, and held nothing. */
function mayBeForgotten({ number, usedBytes, tags }: PhysicalVolumeReport): boolean {
  return number === undefined && usedBytes === 0 && tags.includes(OURS);
}

function lacks({ name }: VolumeGroupReport, { name: device, uuid, number, usedBytes }: PhysicalVolumeReport): Refusal {
  if (number !== undefined) {
    return {
      found: `${name} counts ${device} as missing, though it is there`,
      next: `if its data is good: vgextend --restoremissing ${name} ${device}`,
    };
  }
  const found = `${name} lacks the physical volume ${uuid}`;
  const back = "connect its disk again, and look by pvs whether it is back";
  return usedBytes === 0
    ? {
        found: `${found}; no volume is on it`,
        next: `${back}; or, if it is gone for good: vgreduce --removemissing ${name}, which takes out only what no volume is on.`,
      }
    : {
        found: `${found}, which has ${formatBytes(usedBytes)} of volumes`,
        next: `${back}; only if it is gone for good: docs/runbooks/replace-a-failed-nvme.md.`,
      };
}

/** What several devices have in common is said once. */
function unique(refusals: readonly Refusal[]): Refusal[] {
  return [...new Map(refusals.map((one) => [one.found, one])).values()];
}

/**
 * The volume group of this name; undefined: there is none.
 * @throws {DataLossRefused} where there are two: LVM itself won't say which one is meant
 */
export function volumeGroupOf({ volumeGroups }: LvmReport, name: string, host: string): VolumeGroupReport | undefined {
  const [group, ...others] = volumeGroups.filter((one) => one.name === name);
  if (others.length === 0) return group;
  const all = [group!, ...others].map(
    ({ uuid, physicalVolumes }) => `${uuid} on ${physicalVolumes.map((pv) => pv.name).join(", ")}`,
  );
  throw ambiguous(
    host,
    `${all.length} volume groups are called ${name}: ${all.join("; ")}`,
    "look which one doesn't belong here, and take its disks out; or rename it, which keeps its data: vgrename UUID NEWNAME; then: pulumi up --refresh",
  );
}
