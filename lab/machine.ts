import { createHash } from "node:crypto";
import { join } from "node:path";
import { INITRD, KERNEL } from "./image/build.ts";
import { LAB } from "./folders.ts";

export const MACHINES = ["storage-host", "nas"] as const;
export type Machine = (typeof MACHINES)[number];

/** The size of the 4 TB NVMe that the production settings are made for. */
export const NVME_BYTES = 4_000_787_030_016;
export const NVME_SERIAL = "JTSNVME0001";
/** A second NVMe, which no stack declares, for tests that add or replace a disk. */
export const SPARE_BYTES = 512_110_190_592;
export const SPARE_SERIAL = "JTSNVME0002";
/** A 1 TB SATA disk's usual size. */
export const SATA_BYTES = 1_000_204_886_016;
export const SATA_SERIAL = "JTSSATA0001";
export const VOLUME1_BYTES = 1_000_204_886_016;

export const NVME_PATH = `/dev/disk/by-id/nvme-QEMU_NVMe_Ctrl_${NVME_SERIAL}`;
export const SPARE_PATH = `/dev/disk/by-id/nvme-QEMU_NVMe_Ctrl_${SPARE_SERIAL}`;
/** The second partition. The first is not ours, as on the real host. */
export const SATA_PARTITION_PATH = `/dev/disk/by-id/scsi-0QEMU_QEMU_HARDDISK_${SATA_SERIAL}-part2`;

/** The machine's folder: its disks, its console's log, QEMU's process id. */
export const folderOf = (machine: Machine): string => join(LAB, machine);

/** A sparse disk on which zeroes and discards become holes: mkfs of 800 GiB takes seconds and no space. */
const blankDisk = (id: string, file: string) =>
  `file=${file},id=${id},if=none,format=raw,cache=unsafe,discard=unmap,detect-zeroes=unmap`;

/** The storage host's disks besides its root. */
export type DataDisk = "nvme" | "sata" | "spare";

const DATA_DISKS: Record<DataDisk, readonly string[]> = {
  nvme: ["-drive", blankDisk("nvme", "storage-host/nvme.img"), "-device", `nvme,drive=nvme,serial=${NVME_SERIAL}`],
  // Debian's cloud kernel has no AHCI, so this is a SCSI disk. It is /dev/sda, too.
  sata: [
    "-drive",
    blankDisk("sata", "storage-host/sata.img"),
    "-device",
    "virtio-scsi-pci",
    "-device",
    `scsi-hd,drive=sata,serial=${SATA_SERIAL},rotation_rate=1`,
  ],
  spare: ["-drive", blankDisk("spare", "storage-host/spare.img"), "-device", `nvme,drive=spare,serial=${SPARE_SERIAL}`],
};
const VOLUME1 = ["-drive", blankDisk("volume1", "nas/volume1.img"), "-device", "virtio-blk-pci,drive=volume1"];

const MEMORY_MIB: Record<Machine, number> = { "storage-host": 1024, nas: 512 };
const PROCESSORS: Record<Machine, number> = { "storage-host": 2, nas: 2 };
const OTHER: Record<Machine, Machine> = { "storage-host": "nas", nas: "storage-host" };
const MAC_SUFFIX: Record<Machine, number> = { "storage-host": 1, nas: 2 };

/**
 * New enough for the instruction crc32, which speeds up the checksums of every filesystem here. The wide registers of
 * newer processors are slow to emulate: a boot takes 16.5 s in place of 13 s.
 */
const EMULATED_PROCESSOR = "Nehalem";

/** The kernel and systemd read from it which machine this is: both have the same image. */
function kernelCommandLine(machine: Machine): string {
  const id = createHash("md5").update(`jts-lab ${machine}`).digest("hex");
  const words = [
    "root=LABEL=root",
    "rw",
    "console=ttyS0",
    "quiet",
    "net.ifnames=0",
    "mitigations=off",
    `systemd.hostname=${machine}`,
    `systemd.machine_id=${id}`,
  ];
  if (machine === "nas") words.push("systemd.wants=nfs-server.service");
  return words.join(" ");
}

/** QEMU's arguments; paths are relative to the lab's folder, since a unix socket's path may have 108 bytes. */
export function qemuArguments(
  machine: Machine,
  accelerator: "kvm" | "tcg",
  sshPort: number,
  pulled: readonly DataDisk[],
): string[] {
  const link = `local.type=unix,local.path=${machine}/link,remote.type=unix,remote.path=${OTHER[machine]}/link`;
  return [
    ...[
      "-name",
      `jts-lab-${machine}`,
      "-pidfile",
      `${machine}/pid`,
      "-nodefaults",
      "-no-user-config",
      "-display",
      "none",
    ],
    ...["-serial", `file:${machine}/console.log`],
    ...[
      "-machine",
      "q35",
      "-accel",
      accelerator === "kvm" ? "kvm" : "tcg,thread=multi,tb-size=512",
      "-cpu",
      accelerator === "kvm" ? "host" : EMULATED_PROCESSOR,
    ],
    ...["-smp", String(PROCESSORS[machine]), "-m", String(MEMORY_MIB[machine])],
    ...["-kernel", KERNEL, "-initrd", INITRD, "-append", kernelCommandLine(machine)],
    ...["-drive", `file=${machine}/root.qcow2,if=virtio,format=qcow2,cache=unsafe,discard=unmap`],
    ...(machine === "nas"
      ? VOLUME1
      : Object.entries(DATA_DISKS).flatMap(([disk, words]) => (pulled.includes(disk as DataDisk) ? [] : words))),
    // Only SSH from this machine comes in, and nothing goes out.
    ...[
      "-netdev",
      `user,id=user,restrict=on,hostfwd=tcp:127.0.0.1:${sshPort}-:22`,
      "-device",
      `virtio-net-pci,netdev=user,mac=52:54:00:6a:74:0${MAC_SUFFIX[machine]}`,
    ],
    // Datagrams: a stream would stay broken after a restart of either machine.
    ...[
      "-netdev",
      `dgram,id=link,${link}`,
      "-device",
      `virtio-net-pci,netdev=link,mac=52:54:00:6a:74:1${MAC_SUFFIX[machine]}`,
    ],
    ...["-device", "virtio-rng-pci"],
  ];
}
