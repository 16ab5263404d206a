import { z } from "zod";
import { cmd } from "../host/command.ts";
import type { Fact } from "./fact.ts";

export interface PhysicalVolumeReport {
  /** As LVM says it, for people: it may be /dev/mapper/crypt where the kernel says /dev/dm-0. */
  readonly name: string;
  readonly uuid: string;
  /** MAJOR:MINOR of its device, by which devices are compared; undefined: no device has this PV now. */
  readonly number: string | undefined;
  /** LVM counts it as missing; until it is told otherwise, also after its device has come back. */
  readonly isMissing: boolean;
  /** Empty: in no volume group. */
  readonly volumeGroup: string;
  readonly deviceBytes: number;
  /** What LVM takes as the device's size; smaller than the device when that has grown. */
  readonly sizeBytes: number;
  /** Where the first extent starts. */
  readonly dataStartBytes: number;
  /** In extents of volumes. */
  readonly usedBytes: number;
  readonly freeBytes: number;
  readonly tags: readonly string[];
}

export interface VolumeGroupReport {
  readonly name: string;
  readonly uuid: string;
  readonly extentBytes: number;
  readonly extents: number;
  readonly freeExtents: number;
  /** 0: any number. */
  readonly maxPhysicalVolumes: number;
  /** 0: any number. */
  readonly maxLogicalVolumes: number;
  /** Made ready to move to another host: nothing in it can be used. */
  readonly isExported: boolean;
  readonly isReadOnly: boolean;
  /** Whether PVs may join and leave. */
  readonly isResizeable: boolean;
  /** Other hosts use it too. */
  readonly isShared: boolean;
  readonly physicalVolumes: readonly PhysicalVolumeReport[];
  readonly logicalVolumes: readonly LogicalVolumeReport[];
}

export interface LogicalVolumeReport {
  readonly name: string;
  readonly uuid: string;
  readonly sizeBytes: number;
  /** The volume that this one is a snapshot of; what a cache is in front of is no such volume. */
  readonly origin: string | undefined;
  /** As lvs(8) has it: linear, striped, cache, or several, such as raid and raid1, thin and pool. */
  readonly layout: readonly string[];
  /** Whether its device is there. */
  readonly isActive: boolean;
  /** Not activated unless that is asked for expressly. */
  readonly skipsActivation: boolean;
  /** Part of it is on a PV that is missing. */
  readonly isPartial: boolean;
}

export interface LvmReport {
  readonly physicalVolumes: readonly PhysicalVolumeReport[];
  readonly volumeGroups: readonly VolumeGroupReport[];
}

const count = z.coerce.number().int().nonnegative();
/** The section of PVs in no volume group has no `vg` and no `lv`. */
const report = z.object({
  report: z.array(
    z.object({
      vg: z
        .array(
          z.object({
            vg_name: z.string(),
            vg_uuid: z.string(),
            vg_extent_size: count,
            vg_extent_count: count,
            vg_free_count: count,
            max_pv: count,
            max_lv: count,
            vg_exported: z.string(),
            vg_permissions: z.string(),
            vg_extendable: z.string(),
            vg_shared: z.string(),
            vg_clustered: z.string(),
          }),
        )
        .default([]),
      pv: z
        .array(
          z.object({
            pv_name: z.string(),
            pv_uuid: z.string(),
            pv_major: z.coerce.number().int(),
            pv_minor: z.coerce.number().int(),
            pv_missing: z.string(),
            dev_size: count,
            pv_size: count,
            pe_start: count,
            pv_used: count,
            pv_free: count,
            pv_tags: z.string(),
          }),
        )
        .default([]),
      lv: z
        .array(
          z.object({
            lv_name: z.string(),
            lv_uuid: z.string(),
            lv_size: count,
            lv_layout: z.string(),
            lv_role: z.string(),
            lv_active: z.string(),
            lv_skip_activation: z.string(),
            lv_health_status: z.string(),
            origin: z.string(),
          }),
        )
        .default([]),
    }),
  ),
});

/** What lvm.conf(5) may set for reports, as it is where nothing is set. */
const REPORT = `report { ${[
  "binary_values_as_numeric=0",
  "compact_output=0",
  'compact_output_cols=""',
  "headings=1",
  'list_item_separator=","',
  "prefixes=0",
  'vgs_cols_full="vg_all"',
  'pvs_cols_full="pv_all"',
  'lvs_cols_full="lv_all"',
].join(" ")} } log { report_command_log=0 verbose=0 }`;

/** All of LVM at once, see lvmreport(7). */
export const lvm: Fact<undefined, LvmReport> = {
  name: "LVM's report",
  about: ["lvm"],
  command: () => cmd`lvm fullreport --config ${REPORT} --reportformat json --units b --nosuffix`,
  parse({ stdout }) {
    const sections = report.parse(JSON.parse(withoutMessages(stdout))).report;
    const volumesOf = ({ vg, pv }: (typeof sections)[number]): PhysicalVolumeReport[] =>
      pv.map((one) => ({
        name: one.pv_name,
        uuid: one.pv_uuid,
        // Without a device LVM has 0:0, which no device has.
        number: one.pv_major <= 0 ? undefined : `${one.pv_major}:${one.pv_minor}`,
        isMissing: one.pv_missing !== "",
        volumeGroup: vg[0]?.vg_name ?? "",
        deviceBytes: one.dev_size,
        sizeBytes: one.pv_size,
        dataStartBytes: one.pe_start,
        usedBytes: one.pv_used,
        freeBytes: one.pv_free,
        tags: one.pv_tags === "" ? [] : one.pv_tags.split(","),
      }));
    return {
      physicalVolumes: sections.flatMap(volumesOf),
      volumeGroups: sections.flatMap(({ vg, pv, lv }) =>
        vg
          .filter(({ vg_name }) => vg_name !== "")
          .map((group) => ({
            name: group.vg_name,
            uuid: group.vg_uuid,
            extentBytes: group.vg_extent_size,
            extents: group.vg_extent_count,
            freeExtents: group.vg_free_count,
            maxPhysicalVolumes: group.max_pv,
            maxLogicalVolumes: group.max_lv,
            isExported: group.vg_exported !== "",
            isReadOnly: group.vg_permissions === "read-only",
            isResizeable: group.vg_extendable !== "",
            isShared: group.vg_shared !== "" || group.vg_clustered !== "",
            physicalVolumes: volumesOf({ vg, pv, lv }),
            logicalVolumes: lv.map((volume) => ({
              name: volume.lv_name,
              uuid: volume.lv_uuid,
              sizeBytes: volume.lv_size,
              origin: volume.lv_role.split(",").includes("snapshot") ? volume.origin : undefined,
              layout: volume.lv_layout.split(","),
              isActive: volume.lv_active !== "",
              skipsActivation: volume.lv_skip_activation !== "",
              isPartial: volume.lv_health_status === "partial",
            })),
          })),
      ),
    };
  },
};

/** LVM prints some messages among the JSON, such as "Retrying metadata scan." where some disk's metadata is damaged. */
function withoutMessages(stdout: string): string {
  return stdout
    .split("\n")
    .filter((line) => /^\s*[{}[\]",]/.test(line))
    .join("\n");
}
