import { z } from "zod";
import { cmd } from "../host/command.ts";
import type { Fact } from "./fact.ts";

/** A block device, by the path the kernel has for it: /dev/dm-0, where a person says /dev/vg_jts/lv_postgres. */
export interface BlockDevice {
  readonly path: string;
  readonly type: string;
  readonly sizeBytes: number;
  readonly serial: string | undefined;
  /** MAJOR:MINOR, as mountinfo has it for what lies on the device, but for btrfs. */
  readonly number: string;
  /** Mounted, used as swap, or held by another device, as a disk is by its partitions. */
  readonly isInUse: boolean;
}

const columns = z.object({
  kname: z.string(),
  type: z.string(),
  size: z.number(),
  serial: z.string().nullable(),
  pkname: z.string().nullable(),
  "maj:min": z.string(),
  mountpoint: z.string().nullable(),
});

/** All block devices, by the kernel's path. A partition has the serial of its disk. */
export const blockDevices: Fact<undefined, ReadonlyMap<string, BlockDevice>> = {
  name: "the block devices",
  about: ["block", "lvm"],
  command: () => cmd`lsblk --json --bytes --paths --list --output KNAME,TYPE,SIZE,SERIAL,PKNAME,MAJ:MIN,MOUNTPOINT`,
  parse({ stdout }) {
    const rows = z.object({ blockdevices: z.array(columns) }).parse(JSON.parse(stdout)).blockdevices;
    const serials = new Map(rows.map(({ kname, serial }) => [kname, serial?.trim()]));
    const held = new Set(rows.map(({ pkname }) => pkname));
    return new Map(
      rows.map(({ kname: path, type, size, serial, pkname, "maj:min": number, mountpoint }) => {
        const own = serial?.trim() ?? (type === "part" && pkname !== null ? serials.get(pkname) : undefined);
        const isInUse = mountpoint !== null || held.has(path);
        return [path, { path, type, sizeBytes: size, serial: own, number: number.trim(), isInUse }];
      }),
    );
  },
};
