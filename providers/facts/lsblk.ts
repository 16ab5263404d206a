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
  /** The size of its sectors as the kernel addresses them, 512 or 4096. */
  readonly logicalBlockBytes: number;
  /** The multipath device that this is one path of; undefined: none. */
  readonly multipath: string | undefined;
}

const columns = z.object({
  name: z.string(),
  kname: z.string(),
  type: z.string(),
  size: z.number(),
  serial: z.string().nullable(),
  pkname: z.string().nullable(),
  "maj:min": z.string(),
  mountpoint: z.string().nullable(),
  "log-sec": z.number(),
});
interface Row extends z.output<typeof columns> {
  readonly children?: readonly Row[] | undefined;
}
const rowTree: z.ZodType<Row> = columns.extend({ children: z.array(z.lazy(() => rowTree)).optional() });

function withChildren(row: Row): Row[] {
  return [row, ...(row.children ?? []).flatMap(withChildren)];
}

/** All block devices, by the kernel's path. A partition has the serial of its disk. */
export const blockDevices: Fact<undefined, ReadonlyMap<string, BlockDevice>> = {
  name: "the block devices",
  about: ["block", "lvm"],
  // A list has each device once, with one of those that it lies on; the tree has it below each of them.
  command: () =>
    cmd`lsblk --json --tree --bytes --paths --output NAME,KNAME,TYPE,SIZE,SERIAL,PKNAME,MAJ:MIN,MOUNTPOINT,LOG-SEC`,
  parse({ stdout }) {
    const roots = z.object({ blockdevices: z.array(rowTree) }).parse(JSON.parse(stdout)).blockdevices;
    const rows = roots.flatMap(withChildren);
    const serials = new Map(rows.map(({ kname, serial }) => [kname, serial?.trim()]));
    const held = new Set(rows.map(({ pkname }) => pkname));
    const multipaths = new Map(rows.flatMap((row) => (row.type === "mpath" ? [[row.pkname, row.name]] : [])));
    return new Map(
      rows.map(({ kname: path, type, size, serial, pkname, mountpoint, ...row }) => {
        const own = serial?.trim() ?? (type === "part" && pkname !== null ? serials.get(pkname) : undefined);
        return [
          path,
          {
            path,
            type,
            sizeBytes: size,
            serial: own,
            number: row["maj:min"].trim(),
            isInUse: mountpoint !== null || held.has(path),
            logicalBlockBytes: row["log-sec"],
            multipath: multipaths.get(path),
          },
        ];
      }),
    );
  },
};
