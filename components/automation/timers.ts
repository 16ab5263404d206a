import type { Directives } from "../../providers/index.ts";
import { unitFiles, unitWord } from "../../providers/values/unitFile.ts";
import { exportsOf } from "../cold/layout.ts";
import type { TierSettings } from "../tiers.ts";
import { backupVolumes, SETTINGS_FILE } from "./scriptSettings.ts";
import { INSTALLED, MONITOR_LINK } from "./scripts.ts";
import type { AutomationSettings } from "./settings.ts";

/** A timer, and the service that it starts. */
export interface Timer {
  /** The units' name. */
  readonly name: string;
  readonly description: string;
  /** See systemd.time(7). */
  readonly onCalendar: string;
  readonly randomizedDelaySeconds: number;
  readonly unit: Directives;
  readonly service: Directives;
}

/** Started when a run of ours fails, so that what health reports and writes is as new as the failure. */
export const HEALTH_UNIT = "storage-health.service";

/** What no tool of storage needs of the kernel; modules are not among it, since LVM loads that of snapshots. */
const FILTERED: Directives = {
  SystemCallArchitectures: "native",
  SystemCallFilter: "~@clock @cpu-emulation @debug @obsolete @raw-io @reboot @swap",
  SystemCallErrorNumber: "EPERM",
};

const CAPABILITIES =
  "CAP_DAC_OVERRIDE CAP_DAC_READ_SEARCH CAP_CHOWN CAP_FOWNER CAP_FSETID CAP_LEASE CAP_SYS_ADMIN CAP_SETFCAP";

/**
 * Tried on Debian 12. ProtectSystem=strict would look at each mount, and wait for a NAS that is away. PrivateDevices
 * and ProtectKernelModules would break LVM's tools, and the proof of which device is mounted. Without CAP_LEASE no file
 * of another user could be proved closed.
 */
const SANDBOX: Directives = {
  ProtectSystem: "full",
  ProtectHome: true,
  PrivateTmp: true,
  ProtectControlGroups: true,
  ProtectKernelTunables: true,
  ProtectHostname: true,
  RestrictRealtime: true,
  RestrictAddressFamilies: "AF_UNIX AF_INET AF_INET6 AF_NETLINK",
  LockPersonality: true,
  NoNewPrivileges: true,
  ProtectKernelLogs: true,
  RestrictNamespaces: true,
  ...FILTERED,
  CapabilityBoundingSet: CAPABILITIES,
};

/** The timers of a host with these tiers, each only where it has something to do. */
export function timersFor(tiers: TierSettings, automation: AutomationSettings): Timer[] {
  const { warm, cold } = tiers;
  const timer = (
    name: string,
    description: string,
    onCalendar: string,
    { unit = {}, service }: { readonly unit?: Directives; readonly service: Directives },
  ): Timer => ({
    name,
    description,
    onCalendar,
    randomizedDelaySeconds: 900,
    unit: { ...(`${name}.service` === HEALTH_UNIT ? {} : { OnFailure: HEALTH_UNIT }), ...unit },
    service: { Nice: 19, IOSchedulingClass: "idle", ...SANDBOX, ...service },
  });
  const onWarm: Directives = { RequiresMountsFor: unitWord(warm?.mountPoint ?? "/") };
  // LVM keeps its metadata in /etc/lvm, and locks its memory while a volume is suspended. It may not load modules.
  const lvm: Directives = {
    ExecStartPre: "+/usr/sbin/modprobe dm-snapshot",
    ReadWritePaths: "-/etc/lvm",
    CapabilityBoundingSet: `${CAPABILITIES} CAP_IPC_LOCK CAP_SYS_NICE CAP_MKNOD`,
  };
  const hasBackups = backupVolumes(tiers, automation).length > 0;
  const point = warm && unitWord(warm.mountPoint);

  return [
    timer("tiered-storage", "Moves data between the storage tiers by its age", automation.onCalendar, {
      // Not the NAS's: while it is away, moves to the warm tier go on.
      unit: onWarm,
      service: { ExecStart: `${INSTALLED}/tiered-storage.sh all`, TimeoutStartSec: "12h" },
    }),
    timer("storage-health", "Health of the storage tiers", automation.healthOnCalendar, {
      service: {
        ExecStart: `${INSTALLED}/storage-health.sh --save`,
        // Critical findings are the run's failure, so that systemd shows them.
        SuccessExitStatus: 1,
        TimeoutStartSec: "5min",
        CapabilityBoundingSet: `${CAPABILITIES} CAP_SYS_RAWIO`,
      },
    }),
    ...(hasBackups && automation.snapshotOnCalendar !== undefined
      ? [
          timer("lvm-snapshots", "Snapshots of the hot tier's volumes", automation.snapshotOnCalendar, {
            service: { ...lvm, ExecStart: `${INSTALLED}/lvm-backup.sh create --rolling`, TimeoutStartSec: "1h" },
          }),
        ]
      : []),
    ...(hasBackups
      ? [
          timer("lvm-backup", "Archives of the hot tier's volumes", automation.backupOnCalendar, {
            unit: onWarm,
            service: {
              ...lvm,
              ExecStart: `${INSTALLED}/lvm-backup.sh all`,
              TimeoutStartSec: "12h",
              // A snapshot is mounted in a namespace of its own, so that a kill leaves no mount.
              RestrictNamespaces: "mnt",
            },
          }),
          timer("lvm-backup-verify", "Reads all archives of the hot tier's volumes back", automation.verifyOnCalendar, {
            unit: onWarm,
            service: { ExecStart: `${INSTALLED}/lvm-backup.sh verify`, TimeoutStartSec: "24h" },
          }),
        ]
      : []),
    ...(point === undefined
      ? []
      : [
          timer(
            "btrfs-scrub",
            "Reads all of the warm tier, and compares it with its checksums",
            automation.scrubOnCalendar,
            {
              unit: { RequiresMountsFor: point },
              // It keeps its progress in /var/lib/btrfs, and ends with a failure where it found what it could not mend.
              service: {
                ExecCondition: `/usr/bin/findmnt --noheadings --types btrfs --mountpoint ${point}`,
                ExecStart: `/usr/bin/btrfs scrub start -B -c 3 ${point}`,
                TimeoutStartSec: "24h",
                PrivateNetwork: true,
                RestrictAddressFamilies: "AF_UNIX",
                CapabilityBoundingSet: "CAP_SYS_ADMIN",
              },
            },
          ),
        ]),
    ...(cold === undefined
      ? []
      : [
          timer("nas-archival", "Archives on the cold tier", automation.archivalOnCalendar, {
            // Where archives go to several exports, one that is away must not keep the others from theirs.
            unit: exportsOf(cold).some(({ holds }) => holds.some((kind) => kind !== "backups" && kind !== "logs"))
              ? {}
              : { RequiresMountsFor: unitWord(cold.mountPoint) },
            // Dumps are made as postgres; folders to copy may be in homes.
            service: {
              ExecStart: `${INSTALLED}/nas-archival.sh all`,
              TimeoutStartSec: "12h",
              ProtectHome: "read-only",
              CapabilityBoundingSet: `${CAPABILITIES} CAP_SETUID CAP_SETGID CAP_KILL`,
            },
          }),
        ]),
  ];
}

/** The files of ours at whose paths another may have one. */
export function automationFiles(tiers: TierSettings, automation: AutomationSettings): string[] {
  return [SETTINGS_FILE, MONITOR_LINK, ...timersFor(tiers, automation).flatMap(({ name }) => unitFiles(name))];
}

/** Timer → its calendar. */
export function calendarsOf(timers: readonly Timer[]): Record<string, string> {
  return Object.fromEntries(timers.map(({ name, onCalendar }) => [name, onCalendar]));
}
