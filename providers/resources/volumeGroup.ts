import { z } from "zod";
import { refuseAll, step, toDo, type Refusal, type Step } from "../engine/plan.ts";
import type { InputsOf, ResourceKind } from "../engine/resource.ts";
import { lvm, type PhysicalVolumeReport, type VolumeGroupReport } from "../facts/lvm.ts";
import { realPath } from "../facts/realPath.ts";
import { cmd, type Command } from "../host/command.ts";
import { program, recordsProgram } from "../programs/program.ts";
import { bytes, lvmName, onDelete, path } from "../values/fields.ts";
import { formatBytes } from "../values/size.ts";
import { word, words } from "../values/words.ts";
import { dataHolder } from "./dataHolder.ts";
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
  /** Declared path → the name LVM has for it, undefined where there is no such device. */
  readonly names: ReadonlyMap<string, string | undefined>;
}

/**
 * The tag, see lvm(8), of a PV that this program may take out again: it was declared once, as one of several. One that
 * somebody else added has none.
 */
const OURS = "jts-storage";

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

  async observe(ask, { name, physicalVolumes }) {
    const [report, ...real] = await Promise.all([
      ask(lvm, undefined),
      ...physicalVolumes.map((one) => realPath(ask, one)),
    ]);
    const group = report.volumeGroups.find((one) => one.name === name);
    return { group, names: new Map(physicalVolumes.map((one, index) => [one, real[index]])) };
  },
  isAbsent: (_inputs, { group }) => group === undefined,

  plan({ name, physicalVolumes, extentSizeBytes }, { group, names }) {
    if (group === undefined) {
      return toDo(
        step(
          `make the volume group ${name}`,
          cmd`vgcreate --physicalextentsize ${extentSizeBytes}b -- ${name} ${physicalVolumes}`,
          { guard: arePhysicalVolumes(physicalVolumes) },
        ),
        ...tag(physicalVolumes, physicalVolumes),
      );
    }
    const refusals: Refusal[] = [];
    if (group.extentBytes !== extentSizeBytes) {
      refusals.push({
        found: `${name} has extents of ${group.extentBytes} bytes instead of ${extentSizeBytes}`,
        next: `declare extentSize: ${group.extentBytes}.`,
      });
    }
    const declared = [...names.values()];
    const staying = group.physicalVolumes.filter((pv) => declared.includes(pv.name));
    const leaving = group.physicalVolumes.filter((pv) => !declared.includes(pv.name));
    for (const pv of leaving.filter(({ tags }) => !tags.includes(OURS))) {
      refusals.push({
        found: `${name} also has the physical volume ${pv.name}`,
        next: `declare it too; or, if it was to be this program's to take out: pvchange --addtag ${OURS} ${pv.name}`,
      });
    }
    const missing = physicalVolumes.filter((one) => !staying.some((pv) => pv.name === names.get(one)));
    // A VG that has none of ours is another machine's or another program's of the same name.
    if (staying.length === 0) {
      refusals.push({
        found: `a volume group ${name} exists already, on ${group.physicalVolumes.map((pv) => pv.name).join(", ")}`,
        next: "choose another name, or declare its devices.",
      });
    }
    const sum = (sizes: readonly number[]) => sizes.reduce((total, size) => total + size, 0);
    const used = sum(leaving.map((pv) => pv.usedBytes));
    const free = sum(staying.map((pv) => pv.freeBytes));
    // What is added now has no extents yet that could be counted.
    if (missing.length === 0 && used > free) {
      const who = leaving.map((pv) => pv.name).join(", ");
      const room = `volumes have ${formatBytes(used)} there, and ${formatBytes(free)} is free elsewhere`;
      refusals.push({
        found: `${who} can't leave ${name}: ${room}`,
        next: "make room, or add a device first: docs/runbooks/move-to-a-new-disk.md.",
      });
    }
    if (refusals.length > 0) return refuseAll(refusals);

    const untagged = physicalVolumes.filter(
      (one) => !staying.some((pv) => pv.name === names.get(one) && pv.tags.includes(OURS)),
    );
    return toDo(
      ...(missing.length === 0 ? [] : [add(name, missing)]),
      ...tag(physicalVolumes, untagged),
      ...leaving.map((pv) => takeOut(name, pv)),
    );
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

  report: ({ physicalVolumes }, { group, names }) =>
    group === undefined
      ? {}
      : {
          inputs: {
            extentSizeBytes: group.extentBytes,
            physicalVolumes: physicalVolumes.filter((one) =>
              group.physicalVolumes.some((pv) => pv.name === names.get(one)),
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

function takeOut(name: string, pv: PhysicalVolumeReport): Step {
  return step(
    `move ${formatBytes(pv.usedBytes)} of volumes off ${pv.name}, and take it out of ${name}`,
    program("take-out-physical-volume", name, pv.name),
    { guard: recordsProgram("is-uuid", ["pv", pv.name, pv.uuid]) },
  );
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
