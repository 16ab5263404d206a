import { refuse, type Plan } from "../engine/plan.ts";
import type { BlockDevice } from "../facts/lsblk.ts";

/** A device by its path, and how it differs from another one that may get this path some day. */
interface DeviceIdentity {
  readonly device: string;
  readonly sizeBytes?: number | undefined;
  readonly serial?: string | undefined;
}

/** How a device differs from the one declared; empty: it is that one. */
export function wrongDevice({ device, sizeBytes, serial }: DeviceIdentity, seen: BlockDevice): string[] {
  return [
    ...(sizeBytes !== undefined && sizeBytes !== seen.sizeBytes
      ? [`${device} (${seen.path}) has ${seen.sizeBytes} bytes instead of ${sizeBytes}`]
      : []),
    ...(serial !== undefined && serial !== seen.serial
      ? [`${device} (${seen.path}) has the serial number ${seen.serial ?? "unknown"} instead of ${serial}`]
      : []),
  ];
}

/** The plan where the device's path leads nowhere. */
export function refuseNoDevice(device: string): Plan {
  return refuse(
    `there is no device ${device}`,
    "lsblk --output NAME,SIZE,SERIAL and ls -l /dev/disk/by-id on the host show what is there.",
  );
}
