import { z } from "zod";
import { cmd } from "../host/command.ts";
import type { Fact } from "./fact.ts";

export interface PhysicalVolumeReport {
  readonly name: string;
  readonly uuid: string;
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
  readonly physicalVolumes: readonly PhysicalVolumeReport[];
  readonly logicalVolumes: readonly LogicalVolumeReport[];
}

export interface LogicalVolumeReport {
  readonly name: string;
  readonly uuid: string;
  readonly sizeBytes: number;
  /** The volume that this one is a snapshot of. */
  readonly origin: string | undefined;
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
          }),
        )
        .default([]),
      pv: z
        .array(
          z.object({
            pv_name: z.string(),
            pv_uuid: z.string(),
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
        .array(z.object({ lv_name: z.string(), lv_uuid: z.string(), lv_size: count, origin: z.string() }))
        .default([]),
    }),
  ),
});

/** All of LVM at once, see lvmreport(7). */
export const lvm: Fact<undefined, LvmReport> = {
  name: "LVM's report",
  about: ["lvm"],
  command: () => cmd`lvm fullreport --reportformat json --units b --nosuffix`,
  parse({ stdout }) {
    const sections = report.parse(JSON.parse(stdout)).report;
    const volumesOf = ({ vg, pv }: (typeof sections)[number]): PhysicalVolumeReport[] =>
      pv.map((one) => ({
        name: one.pv_name,
        uuid: one.pv_uuid,
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
            physicalVolumes: volumesOf({ vg, pv, lv }),
            logicalVolumes: lv.map((volume) => ({
              name: volume.lv_name,
              uuid: volume.lv_uuid,
              sizeBytes: volume.lv_size,
              origin: volume.origin === "" ? undefined : volume.origin,
            })),
          })),
      ),
    };
  },
};
