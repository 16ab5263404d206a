import * as pulumi from "@pulumi/pulumi";
import { ConfigFile, SystemdTimer } from "../../providers/index.ts";
import { unitWord } from "../../providers/values/unitFile.ts";
import { readArguments, type HostArgs } from "../arguments.ts";
import { mountPointsOf } from "../hot/layout.ts";
import type { HotTier } from "../hot/hotTier.ts";
import { tuningSettings, type TuningInput } from "./settings.ts";

export interface HostTuningArgs extends HostArgs, TuningInput {
  /** The tier whose device gets the scheduler and whose volumes are trimmed. */
  readonly hot: HotTier;
  /** A unit that is started when the trim fails. Default: none. */
  readonly onFailure?: string | undefined;
}

/** Settings of the kernel for the hot tier: the I/O scheduler, network buffers, and a weekly trim. */
export class HostTuning extends pulumi.ComponentResource {
  /** Timer → its calendar. */
  readonly timers: Readonly<Record<string, string>>;

  constructor(name: string, args: HostTuningArgs, options?: pulumi.ComponentResourceOptions) {
    const { hot: tier, onFailure, ...declared } = args;
    const { settings, on } = readArguments(name, declared, tuningSettings);
    super("jts-storage:HostTuning", name, {}, options);
    const { scheduler, sysctl, fstrimOnCalendar } = settings;
    const hot = tier.settings;
    new ConfigFile(
      `${name}-sysctl`,
      {
        ...on,
        path: "/etc/sysctl.d/60-jts-storage.conf",
        content: Object.entries(sysctl)
          .map(([key, value]) => `${key} = ${value}\n`)
          .join(""),
        activation: { kind: "sysctl" },
      },
      { parent: this },
    );
    if (hot.layout === "lvm") {
      new ConfigFile(
        `${name}-scheduler`,
        {
          ...on,
          path: "/etc/udev/rules.d/60-jts-storage.rules",
          content: schedulerRule(scheduler, hot.device.serial),
          activation: { kind: "udev", device: hot.device.path, attribute: "queue/scheduler", value: scheduler },
        },
        { parent: this },
      );
    }
    const mountPoints = mountPointsOf(hot);
    this.timers = mountPoints.length === 0 ? {} : { "fstrim-all": fstrimOnCalendar };
    if (mountPoints.length > 0) {
      new SystemdTimer(
        `${name}-fstrim`,
        {
          ...on,
          name: "fstrim-all",
          description: "Trim of the hot tier's filesystems",
          onCalendar: fstrimOnCalendar,
          randomizedDelaySeconds: 3600,
          ...(onFailure === undefined ? {} : { unit: { OnFailure: onFailure } }),
          service: {
            // A mount that isn't there must not keep the others from being trimmed.
            ExecStart: mountPoints.map((mountPoint) => `-/usr/sbin/fstrim --verbose ${unitWord(mountPoint)}`),
            TimeoutStartSec: "2h",
            Nice: 19,
            IOSchedulingClass: "idle",
            ProtectSystem: "full",
            ProtectHome: true,
            PrivateTmp: true,
            PrivateNetwork: true,
            ProtectControlGroups: true,
            ProtectKernelLogs: true,
            ProtectKernelModules: true,
            ProtectKernelTunables: true,
            ProtectHostname: true,
            RestrictAddressFamilies: "AF_UNIX",
            RestrictNamespaces: true,
            RestrictRealtime: true,
            RestrictSUIDSGID: true,
            LockPersonality: true,
            MemoryDenyWriteExecute: true,
            NoNewPrivileges: true,
            SystemCallArchitectures: "native",
            SystemCallFilter: "@system-service",
            SystemCallErrorNumber: "EPERM",
            // The second, for folders that are closed to others.
            CapabilityBoundingSet: "CAP_SYS_ADMIN CAP_DAC_READ_SEARCH",
          },
        },
        { parent: this },
      );
    }
    this.registerOutputs({ timers: this.timers });
  }
}

/** With a serial number the rule is about that one device; else about every NVMe namespace. */
function schedulerRule(scheduler: string, serial: string | undefined): string {
  const which = serial === undefined ? "" : `, ENV{ID_SERIAL_SHORT}=="${serial}"`;
  const namespaces = 'ACTION=="add|change", KERNEL=="nvme[0-9]*n[0-9]*", ENV{DEVTYPE}=="disk"';
  return `${namespaces}${which}, ATTR{queue/scheduler}="${scheduler}"\n`;
}
