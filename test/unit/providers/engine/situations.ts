import { lifecycle } from "../../../../providers/engine/lifecycle.ts";
import type { Properties } from "../../../../providers/engine/check.ts";
import type { CommonInputs, ResourceKind } from "../../../../providers/engine/resource.ts";
import { Session } from "../../../../providers/engine/session.ts";
import type { Host } from "../../../../providers/host/host.ts";
import { configFile } from "../../../../providers/resources/configFile.ts";
import { directory } from "../../../../providers/resources/directory.ts";
import { filesystem } from "../../../../providers/resources/filesystem.ts";
import { fstabEntry } from "../../../../providers/resources/fstabEntry.ts";
import { logicalVolume } from "../../../../providers/resources/logicalVolume.ts";
import { nfsMount } from "../../../../providers/resources/nfsMount.ts";
import { physicalVolume } from "../../../../providers/resources/physicalVolume.ts";
import { systemdTimer } from "../../../../providers/resources/systemdTimer.ts";
import { systemUser } from "../../../../providers/resources/systemUser.ts";
import { volumeGroup } from "../../../../providers/resources/volumeGroup.ts";
import { blankMachine, type Machine } from "../../../support/fakeHost.ts";

export type Provider = ReturnType<typeof lifecycle>;

/** A resource as a program declares it, and a machine for it. */
export interface Situation {
  readonly name: string;
  /** The provider of a run of Pulumi of its own: it knows nothing of the host yet. */
  readonly run: (host: Host) => Provider;
  readonly declared: Properties;
  readonly machine: () => Machine;
  /** What somebody does to the host behind our back. */
  readonly drift: (machine: Machine) => void;
  /** What refresh then tells. */
  readonly drifted: Properties;
}

const GIB = 1024 ** 3;
const MIB = 1024 ** 2;
const bare = () => undefined;

function situation<I extends CommonInputs, S>(
  kind: ResourceKind<I, S>,
  {
    declared,
    before = bare,
    drift,
    drifted,
  }: {
    declared: Properties;
    before?: (machine: Machine) => void;
    drift: (machine: Machine) => void;
    drifted: Properties;
  },
): Situation {
  return {
    name: kind.name,
    run(host) {
      const session = new Session(host);
      return lifecycle(kind, () => session);
    },
    declared: { host: "fake", ...declared },
    machine() {
      const machine = blankMachine();
      before(machine);
      return machine;
    },
    drift,
    drifted,
  };
}

export function withVolumeGroup(machine: Machine): void {
  machine.signatures["/dev/nvme0n1"] = { type: "LVM2_member", label: null, uuid: "pv-1", bytes: 4_000_787_030_016 };
  machine.volumeGroups.vg_jts = { uuid: "vg-1", extentBytes: 4 * MIB, devices: ["/dev/nvme0n1"] };
}

export const situations: readonly Situation[] = [
  situation(physicalVolume, {
    declared: { device: "/dev/disk/by-id/nvme-1", serial: "NVME1", sizeBytes: 4_000_787_030_016, onDelete: "wipe" },
    drift: ({ signatures }) => void (signatures["/dev/nvme0n1"]!.bytes -= GIB),
    drifted: { drift: ["grow the physical volume /dev/disk/by-id/nvme-1 to its device's 4000787030016 bytes"] },
  }),
  situation(volumeGroup, {
    declared: { name: "vg_jts", physicalVolumes: ["/dev/disk/by-id/nvme-1", "/dev/sda2"], onDelete: "wipe" },
    before(machine) {
      for (const device of ["/dev/nvme0n1", "/dev/sda2"])
        machine.signatures[device] = {
          type: "LVM2_member",
          label: null,
          uuid: `pv ${device}`,
          bytes: machine.devices[device]!.bytes,
        };
    },
    drift: ({ volumeGroups }) => void volumeGroups.vg_jts!.devices.pop(),
    drifted: { physicalVolumes: ["/dev/disk/by-id/nvme-1"] },
  }),
  situation(logicalVolume, {
    declared: { volumeGroup: "vg_jts", name: "lv_redis", sizeBytes: 50 * GIB, onDelete: "wipe" },
    before: withVolumeGroup,
    drift: ({ devices }) => void (devices["/dev/dm-0"]!.bytes = 40 * GIB),
    drifted: { sizeBytes: 40 * GIB },
  }),
  situation(filesystem, {
    declared: { device: "/dev/sda2", serial: "SATA1", type: "btrfs", label: "jts-warm-storage", onDelete: "wipe" },
    drift: ({ signatures }) => void (signatures["/dev/sda2"]!.bytes = 900 * GIB),
    drifted: { drift: ["grow the btrfs on /dev/sda2 from 900 GiB to 930.51 GiB"] },
  }),
  situation(fstabEntry, {
    declared: {
      source: "LABEL=jts-warm-storage",
      mountPoint: "/data/warm-storage",
      type: "btrfs",
      options: ["noatime", "nofail", "compress=zstd:3"],
    },
    before: ({ signatures }) =>
      void (signatures["/dev/sda2"] = {
        type: "btrfs",
        label: "jts-warm-storage",
        uuid: "fs-1",
        bytes: 999_129_350_144,
      }),
    drift: ({ files }) =>
      void (files["/etc/fstab"]!.content = files["/etc/fstab"]!.content!.replace("compress=zstd:3", "compress=lzo")),
    drifted: { options: ["noatime", "nofail", "compress=lzo"] },
  }),
  situation(nfsMount, {
    declared: {
      server: "192.168.1.101",
      export: "/volume1/cocodev",
      mountPoint: "/mnt/synology",
      version: "3",
      options: ["rsize=1048576", "_netdev", "nofail"],
    },
    drift: (machine) => void machine.mounts.pop(),
    drifted: { drift: ["mount /mnt/synology"] },
  }),
  situation(systemdTimer, {
    declared: {
      name: "fstrim-all",
      description: "Trim",
      onCalendar: "weekly",
      service: { ExecStart: "/usr/sbin/fstrim -a" },
    },
    drift(machine) {
      const timer = machine.files["/etc/systemd/system/fstrim-all.timer"]!;
      timer.content = timer.content!.replace("weekly", "daily");
    },
    drifted: { onCalendar: "daily" },
  }),
  situation(directory, {
    declared: { path: "/data/jts/hot", mode: "750", folders: ["redis/data", "redis/logs"] },
    drift: ({ files }) => void (files["/data/jts/hot/redis/logs"]!.mode = "777"),
    drifted: { folders: ["redis/data"] },
  }),
  situation(systemUser, {
    declared: { group: "redis", user: "redis", onDelete: "wipe" },
    drift: (machine) => void machine.accounts.pop(),
    drifted: { drift: ["make the system user redis:redis"] },
  }),
  situation(configFile, {
    declared: {
      path: "/etc/sysctl.d/60-jts.conf",
      content: "net.core.rmem_max = 16777216\n",
      activation: { kind: "sysctl" },
    },
    drift: ({ kernel }) => void (kernel["/proc/sys/net/core/rmem_max"] = "1"),
    drifted: { drift: ["set /proc/sys/net/core/rmem_max to 16777216 (it is 1)"] },
  }),
];

export function situationOf(name: string): Situation {
  return situations.find((one) => one.name === name)!;
}

/** What check makes of what is declared, as a preview would; it must have nothing against it. */
export async function checked({ run, declared }: Situation, host: Host, changes: Properties = {}): Promise<Properties> {
  const { inputs, failures = [] } = (await run(host).check({}, { ...declared, ...changes })) as {
    inputs: Properties;
    failures?: readonly { reason: string }[];
  };
  if (failures.length > 0) throw new Error(failures.map(({ reason }) => reason).join("\n"));
  return inputs;
}
