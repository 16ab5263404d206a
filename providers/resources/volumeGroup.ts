import { z } from "zod";
import { CONVERGED, type Refusal } from "../engine/plan.ts";
import type { ResourceKind } from "../engine/resource.ts";
import { lvm, type VolumeGroupReport } from "../facts/lvm.ts";
import { realPath } from "../facts/realPath.ts";
import { cmd, type Command } from "../host/command.ts";
import { program } from "../programs/program.ts";
import { bytes, hostName, lvmName, onDelete, path } from "./inputs.ts";

const inputs = z.object({
  host: hostName,
  name: lvmName,
  physicalVolumes: z.array(path).min(1),
  extentSizeBytes: bytes.default(4 * 1024 * 1024),
  onDelete,
});
type Inputs = z.infer<typeof inputs>;

interface Seen {
  readonly group: VolumeGroupReport | undefined;
  /** Declared path → the name LVM has for it, undefined where there is no such device. */
  readonly names: ReadonlyMap<string, string | undefined>;
}

/** An LVM volume group, see vgcreate(8). */
export const volumeGroup: ResourceKind<Inputs, Seen> = {
  name: "VolumeGroup",
  inputs,
  identity: ["name"],
  changes: ["lvm"],
  turn: "host",
  id: ({ host, name }) => `${host}:${name}`,
  refuseChange: (olds, news) => [
    ...(olds.extentSizeBytes === news.extentSizeBytes ? [] : [{ property: "extentSizeBytes", reason: "the extent size of a VG can't change in place; see docs/runbooks/move-to-a-new-disk.md" }]),
    ...olds.physicalVolumes
      .filter((one) => !news.physicalVolumes.includes(one))
      .map((one) => ({ property: "physicalVolumes", reason: `${one} can't be taken out of a VG in use; see docs/runbooks/move-to-a-new-disk.md` })),
  ],

  async observe(ask, { name, physicalVolumes }) {
    const [report, ...real] = await Promise.all([ask(lvm, undefined), ...physicalVolumes.map((one) => ask(realPath, one))]);
    const group = report.volumeGroups.find((one) => one.name === name);
    return { group, names: new Map(physicalVolumes.map((one, index) => [one, real[index]])) };
  },
  isAbsent: (_inputs, { group }) => group === undefined,

  plan({ name, physicalVolumes, extentSizeBytes }, { group, names }) {
    if (group === undefined) {
      return { steps: [{ summary: `make the volume group ${name}`, risk: "safe", guard: arePhysicalVolumes(physicalVolumes), command: cmd`vgcreate --physicalextentsize ${extentSizeBytes}b -- ${name} ${physicalVolumes}` }] };
    }
    const refusals: Refusal[] = [];
    if (group.extentBytes !== extentSizeBytes) {
      refusals.push({ found: `${name} has extents of ${group.extentBytes} bytes instead of ${extentSizeBytes}`, next: `declare extentSize: ${group.extentBytes}.` });
    }
    const declared = [...names.values()];
    for (const one of group.physicalVolumes.filter((pv) => !declared.includes(pv))) {
      refusals.push({ found: `${name} also has the physical volume ${one}`, next: "declare it too, or move its extents away by hand: docs/runbooks/move-to-a-new-disk.md." });
    }
    const missing = physicalVolumes.filter((one) => !group.physicalVolumes.includes(names.get(one) ?? ""));
    // A VG that has none of ours is another machine's or another program's of the same name.
    if (missing.length === physicalVolumes.length) {
      refusals.push({ found: `a volume group ${name} exists already, on ${group.physicalVolumes.join(", ")}`, next: "choose another name, or declare its devices." });
    }
    if (refusals.length > 0) return { steps: [], refusals };
    if (missing.length === 0) return CONVERGED;
    return { steps: [{ summary: `add ${missing.join(", ")} to the volume group ${name}`, risk: "safe", guard: arePhysicalVolumes(missing), command: cmd`vgextend -- ${name} ${missing}` }] };
  },

  leaves: ({ onDelete }) => onDelete !== "wipe",
  planDestroy({ name, uuid }, { group }) {
    if (group === undefined) return CONVERGED;
    if (uuid !== group.uuid) {
      return { steps: [], refusals: [{ found: `${name} is the volume group ${group.uuid} instead of ours, ${String(uuid)}`, next: "pulumi refresh, and look whose it is: vgs --options +vg_uuid." }] };
    }
    if (group.logicalVolumes.length > 0) {
      return { steps: [], refusals: [{ found: `${name} still has ${group.logicalVolumes.map((volume) => volume.name).join(", ")}`, next: `lvs ${name} shows them; what this stack doesn't own must be removed by hand.` }] };
    }
    // Without --yes: vgremove asks before it removes volumes, and gets no answer.
    return { steps: [{ summary: `remove the volume group ${name}`, risk: "destroys-data", guard: program("is-uuid", "vg", name, group.uuid), command: cmd`vgremove -- ${name}` }] };
  },

  report: ({ physicalVolumes }, { group, names }) =>
    group === undefined
      ? {}
      : {
          inputs: {
            extentSizeBytes: group.extentBytes,
            physicalVolumes: physicalVolumes.filter((one) => group.physicalVolumes.includes(names.get(one) ?? "")),
          },
          outputs: { uuid: group.uuid },
        },
};

/** vgcreate and vgextend would make PVs of them, without our proof that they are blank. */
function arePhysicalVolumes(devices: readonly string[]): Command {
  return cmd`pvs --noheadings --options pv_name -- ${devices}`;
}
