import * as pulumi from "@pulumi/pulumi";
import { ConfigFile, SystemdTimer } from "../../providers/index.ts";
import { unitFiles, unitWord } from "../../providers/values/unitFile.ts";
import { readArguments, takingOver, type HostArgs, type TakeOverArgs } from "../arguments.ts";
import { devicesOf, mountPointsOf } from "../hot/layout.ts";
import type { HotTier } from "../hot/hotTier.ts";
import type { HotSettings } from "../hot/settings.ts";
import { tuningSettings, type TuningInput, type TuningSettings } from "./settings.ts";

export interface HostTuningArgs extends HostArgs, TakeOverArgs, TuningInput {
  /** The tier whose device gets the scheduler and whose volumes are trimmed. */
  readonly hot: HotTier;
  /** A unit that is started when the trim fails. Default: none. */
  readonly onFailure?: string | undefined;
}

const SYSCTL_FILE = "/etc/sysctl.d/60-jts-storage.conf";
const TRIM = "fstrim-all";

/** The files of ours at whose paths another may have one. */
export function tuningFiles(hot: HotSettings, { scheduler }: TuningSettings): string[] {
  return [
    SYSCTL_FILE,
    ...(hot.layout === "lvm" ? [schedulerRules(scheduler, devicesOf(hot)).path] : []),
    ...(mountPointsOf(hot).length > 0 ? unitFiles(TRIM) : []),
  ];
}

/** Settings of the kernel for the hot tier: the I/O scheduler, network buffers, and a weekly trim. */
export class HostTuning extends pulumi.ComponentResource {
  /** Timer → its calendar. */
  readonly timers: Readonly<Record<string, string>>;

  constructor(name: string, args: HostTuningArgs, options?: pulumi.ComponentResourceOptions) {
    const { hot: tier, onFailure, takeOver, ...declared } = args;
    const { settings, on } = readArguments(name, declared, tuningSettings);
    super("jts-storage:HostTuning", name, {}, options);
    const { scheduler, sysctl, fstrimOnCalendar } = settings;
    const hot = tier.settings;
    new ConfigFile(
      `${name}-sysctl`,
      {
        ...on,
        path: SYSCTL_FILE,
        ...takingOver(takeOver, SYSCTL_FILE),
        content: Object.entries(sysctl)
          .map(([key, value]) => `${key} = ${value}\n`)
          .join(""),
        activation: { kind: "sysctl" },
      },
      { parent: this },
    );
    if (hot.layout === "lvm") {
      const rules = schedulerRules(scheduler, devicesOf(hot));
      new ConfigFile(
        `${name}-scheduler`,
        {
          ...on,
          ...rules,
          ...takingOver(takeOver, rules.path),
          activation: {
            kind: "udev",
            device: hot.device.path,
            ...(hot.additionalDevices.length === 0
              ? {}
              : { additionalDevices: hot.additionalDevices.map(({ path }) => path) }),
            attribute: "queue/scheduler",
            value: scheduler,
          },
        },
        { parent: this },
      );
    }
    const mountPoints = mountPointsOf(hot);
    this.timers = mountPoints.length === 0 ? {} : { [TRIM]: fstrimOnCalendar };
    if (mountPoints.length > 0) {
      new SystemdTimer(
        `${name}-fstrim`,
        {
          ...on,
          name: TRIM,
          ...takingOver(takeOver, ...unitFiles(TRIM)),
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

/** By such a path the device is known to be an NVMe namespace, or a partition of one. */
const NVME = /^\/dev\/(nvme\d+n\d+(p\d+)?|disk\/by-id\/nvme-.*|disk\/by-path\/.*-nvme-.*)$/;

/** The file of udev's rules that gives the devices' disks their scheduler. */
function schedulerRules(scheduler: string, devices: readonly { path: string; serial?: string | undefined }[]) {
  const serial = devices[0]?.serial;
  // An NVMe namespace starts with `none`, so that a rule that comes before udev knows serial numbers does no harm.
  if (
    devices.every(({ path }) => NVME.test(path)) &&
    (serial === undefined || (devices.length === 1 && scheduler === "none"))
  ) {
    const which = serial === undefined ? "" : `, ENV{ID_SERIAL_SHORT}=="${serial}"`;
    const namespaces = 'ACTION=="add|change", KERNEL=="nvme[0-9]*n[0-9]*", ENV{DEVTYPE}=="disk"';
    return {
      path: "/etc/udev/rules.d/60-jts-storage.rules",
      content: `${namespaces}${which}, ATTR{queue/scheduler}="${scheduler}"\n`,
    };
  }
  return {
    // After those that make the links by which devices are known here: udev reads rules in the order of their names.
    path: "/etc/udev/rules.d/90-jts-storage.rules",
    content: devices
      .map(({ path }) => `ACTION=="add|change", SUBSYSTEM=="block", ${queueOf(path)}="${scheduler}"\n`)
      .join(""),
  };
}

/** What a rule matches a device's disk by, and its scheduler, see udev(7). */
function queueOf(path: string): string {
  const disk = path.replace(
    /^(\/dev\/disk\/by-(?:id|path)\/.*)-part\d+$|^(\/dev\/(?:nvme\d+n|mmcblk)\d+)p\d+$|^(\/dev\/(?:sd|vd|xvd)[a-z]+)\d+$/,
    "$1$2$3",
  );
  // Such a link names a partition, and nothing its disk.
  const isPartition = /^\/dev\/disk\/by-part(uuid|label)\//.test(path);
  // What has a meaning in a pattern of udev stands for any character.
  const name = disk.slice("/dev/".length).replaceAll(/[*?[\]|"\\]/g, "?");
  const key = name.includes("/") ? "SYMLINK" : "KERNEL";
  return isPartition
    ? `ENV{DEVTYPE}=="partition", ${key}=="${name}", ATTR{../queue/scheduler}`
    : `ENV{DEVTYPE}=="disk", ${key}=="${name}", ATTR{queue/scheduler}`;
}
