import { refuse, type Plan, type Refusal } from "../engine/plan.ts";
import type { BlockDevice } from "../facts/lsblk.ts";

/** A device by its path, and how it differs from another one that may get this path some day. */
interface DeviceIdentity {
  readonly device: string;
  readonly sizeBytes?: number | undefined;
  readonly serial?: string | undefined;
}

/** A logical volume of several stripes is rounded up to whole ones: at most an extent for each stripe. */
const ROUNDING_BYTES = 1024 ** 3;

/** Why a device is not the one declared, or not one to write to; empty: it is that one. */
export function wrongDevice({ device, sizeBytes, serial }: DeviceIdentity, seen: BlockDevice): Refusal[] {
  const excess = seen.sizeBytes - (sizeBytes ?? seen.sizeBytes);
  const found = [
    ...(excess < 0 || excess > (seen.type === "lvm" ? ROUNDING_BYTES : 0)
      ? [`${device} (${seen.path}) has ${seen.sizeBytes} bytes instead of ${sizeBytes}`]
      : []),
    ...(serial !== undefined && serial !== seen.serial
      ? [`${device} (${seen.path}) has the serial number ${seen.serial ?? "unknown"} instead of ${serial}`]
      : []),
  ].map((one) => ({ found: one, next: "declare the right device, or its real size and serial number." }));
  if (seen.multipath === undefined) return found;
  return [
    ...found,
    {
      found: `${device} (${seen.path}) is one path of the multipath device ${seen.multipath}`,
      next: `declare ${seen.multipath}: what is written to one path alone is lost when that path fails.`,
    },
  ];
}

/** Why nothing is made on a device that isn't blank, with the ways out, the harmless ones first. */
export function notBlank({ multipath }: BlockDevice, path: string, signs: readonly string[]): Refusal[] {
  // What is on a path of a multipath device is on that device.
  if (multipath !== undefined) return [];
  const opened = signs.flatMap((sign) => /^crypt (\S+) on it$/.exec(sign)?.[1] ?? []);
  const ways = [
    ...opened.map((name) => `declare ${name}, which is what is encrypted there`),
    ...(opened.length === 0 && signs.some((sign) => sign.startsWith("a signature of crypto_LUKS"))
      ? ["open it with cryptsetup, and declare what that makes in /dev/mapper"]
      : []),
    ...(signs.some((sign) => sign.startsWith("a signature of LVM2_member"))
      ? [
          "where LVM should use it, have LVM list it: pvs; vgs --foreign --shared; lvmdevices --check; lvmconfig devices/global_filter",
        ]
      : []),
    "declare what is there, which adopts it; or another device",
    "only where nobody needs what is on it, empty it by docs/runbooks/clear-a-device.md.",
  ];
  const next = ways.join("; or ");
  return signs.map((sign) => ({ found: `${path} is not blank: ${sign}`, next }));
}

/** The plan where the device's path leads nowhere. */
export function refuseNoDevice(device: string): Plan {
  return refuse(
    `there is no device ${device}`,
    "lsblk --output NAME,SIZE,SERIAL and ls -l /dev/disk/by-id on the host show what is there; an encrypted or a multipath device, and a volume, must be active first: cryptsetup open, multipath -ll, lvs.",
  );
}
