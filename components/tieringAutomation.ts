import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { remote } from "@pulumi/command";
import * as pulumi from "@pulumi/pulumi";
import type { AutomationSettings, HostSettings } from "../config.ts";
import { ConfigFile, SystemdTimer, type Directives } from "../providers/index.ts";
import { unitWord } from "../providers/values/unitFile.ts";
import { backupVolumes, MOVES_JOURNAL, scriptSettings } from "./layout.ts";
import { asRoot, connectionArgs } from "./remote.ts";

export interface TieringAutomationArgs {
  /** The host's name: a key of `jts-storage:hosts`. */
  readonly host: string;
  /** The whole host's: the scripts work on all of its tiers. */
  readonly settings: HostSettings;
  readonly automation: AutomationSettings;
  /** Other timers of ours whose last runs the health report looks at. Default: none. */
  readonly watched?: readonly string[];
}

/** Started when a run of ours fails, so that what health tells and writes is as new as the failure. */
export const HEALTH_UNIT = "storage-health.service";

const SCRIPTS = fileURLToPath(new URL("../scripts", import.meta.url));
export const INSTALLED = "/usr/local/lib/jts-storage";
/** Where people look for it. */
const MONITOR_LINK = "/usr/local/bin/jts-storage-monitor.sh";
/** In the home of the user who connects: nobody else can put anything there. */
const DELIVERED = ".jts-storage-delivered";
const SETTINGS_FILE = "/etc/jts-storage/settings.json";
/** What the scripts write besides data, which goes with them. */
const WRITTEN = [
  MOVES_JOURNAL,
  ...[1, 2, 3, 4, 5, 6, 7, 8].map((number) => `${MOVES_JOURNAL}.${number}`),
  ...[
    ...["health.json", "notified.json", "runs.json", "runs.lock", "performance.json"],
    ...["cleanup.last", "snapshots.last", "removed.last"],
  ].map((name) => `/var/lib/jts-storage/${name}`),
];

/** What moves data between the tiers by its age, and watches them: scripts, their settings, their timers. */
export class TieringAutomation extends pulumi.ComponentResource {
  /** Timer → its calendar. */
  readonly timers: Readonly<Record<string, string>>;

  static timersOf(settings: HostSettings, automation: AutomationSettings): Readonly<Record<string, string>> {
    return {
      "tiered-storage": automation.onCalendar,
      "storage-health": automation.healthOnCalendar,
      ...(backupVolumes(settings, automation).length > 0
        ? {
            ...(automation.snapshotOnCalendar === undefined ? {} : { "lvm-snapshots": automation.snapshotOnCalendar }),
            "lvm-backup": automation.backupOnCalendar,
            "lvm-backup-verify": automation.verifyOnCalendar,
          }
        : {}),
      ...(settings.warm === undefined ? {} : { "btrfs-scrub": automation.scrubOnCalendar }),
      ...(settings.cold === undefined ? {} : { "nas-archival": automation.archivalOnCalendar }),
    };
  }

  constructor(
    name: string,
    { host, settings, automation, watched = [] }: TieringAutomationArgs,
    options?: pulumi.ComponentResourceOptions,
  ) {
    super("jts-storage:TieringAutomation", name, {}, options);
    this.timers = TieringAutomation.timersOf(settings, automation);

    const settingsFile = new ConfigFile(
      `${name}-settings`,
      {
        host,
        path: SETTINGS_FILE,
        content: `${JSON.stringify(scriptSettings(settings, automation, [...Object.keys(this.timers), ...watched]), null, 2)}\n`,
      },
      { parent: this },
    );
    const scripts = this.#deliverScripts(name, settings.connection, automation);

    const timer = (script: string, description: string, onCalendar: string, unit: Directives, service: Directives) =>
      new SystemdTimer(
        `${name}-${script}`,
        {
          host,
          name: script,
          description,
          onCalendar,
          randomizedDelaySeconds: 900,
          unit: { ...(`${script}.service` === HEALTH_UNIT ? {} : { OnFailure: HEALTH_UNIT }), ...unit },
          service: { Nice: 19, IOSchedulingClass: "idle", ...SANDBOX, ...service },
        },
        { parent: this, dependsOn: [settingsFile, scripts] },
      );
    timer(
      "tiered-storage",
      "Moves data between the storage tiers by its age",
      automation.onCalendar,
      // Not the NAS's: while it is away, moves to the warm tier go on.
      { RequiresMountsFor: unitWord(settings.warm?.mountPoint ?? "/") },
      { ExecStart: `${INSTALLED}/tiered-storage.sh all`, TimeoutStartSec: "12h" },
    );
    if ("lvm-backup" in this.timers) {
      const onWarm = { RequiresMountsFor: unitWord(settings.warm?.mountPoint ?? "/") };
      // LVM keeps its metadata in /etc/lvm, and locks its memory while a volume is suspended. It may not load modules itself.
      const lvm: Directives = {
        ExecStartPre: "+/usr/sbin/modprobe dm-snapshot",
        ReadWritePaths: "-/etc/lvm",
        CapabilityBoundingSet: `${SANDBOX.CapabilityBoundingSet as string} CAP_IPC_LOCK CAP_SYS_NICE CAP_MKNOD`,
      };
      if (automation.snapshotOnCalendar !== undefined)
        timer(
          "lvm-snapshots",
          "Snapshots of the hot tier's volumes",
          automation.snapshotOnCalendar,
          {},
          { ...lvm, ExecStart: `${INSTALLED}/lvm-backup.sh create --rolling`, TimeoutStartSec: "1h" },
        );
      timer("lvm-backup", "Archives of the hot tier's volumes", automation.backupOnCalendar, onWarm, {
        ...lvm,
        ExecStart: `${INSTALLED}/lvm-backup.sh all`,
        TimeoutStartSec: "12h",
        // A snapshot is mounted in a namespace of its own, so that a kill leaves no mount.
        RestrictNamespaces: "mnt",
      });
      timer(
        "lvm-backup-verify",
        "Reads all archives of the hot tier's volumes back",
        automation.verifyOnCalendar,
        onWarm,
        { ExecStart: `${INSTALLED}/lvm-backup.sh verify`, TimeoutStartSec: "24h" },
      );
    }
    if (settings.warm !== undefined) {
      const point = unitWord(settings.warm.mountPoint);
      // It keeps its progress in /var/lib/btrfs, and ends with a failure where it found what it could not mend.
      timer(
        "btrfs-scrub",
        "Reads all of the warm tier, and compares it with its checksums",
        automation.scrubOnCalendar,
        { RequiresMountsFor: point },
        {
          ExecCondition: `/usr/bin/findmnt --noheadings --types btrfs --mountpoint ${point}`,
          ExecStart: `/usr/bin/btrfs scrub start -B -c 3 ${point}`,
          TimeoutStartSec: "24h",
          PrivateNetwork: true,
          RestrictAddressFamilies: "AF_UNIX",
          CapabilityBoundingSet: "CAP_SYS_ADMIN",
        },
      );
    }
    if (settings.cold !== undefined) {
      timer(
        "nas-archival",
        "Archives on the cold tier",
        automation.archivalOnCalendar,
        { RequiresMountsFor: unitWord(settings.cold.mountPoint) },
        // Dumps are made as postgres; folders to copy may be in homes.
        {
          ExecStart: `${INSTALLED}/nas-archival.sh all`,
          TimeoutStartSec: "12h",
          ProtectHome: "read-only",
          CapabilityBoundingSet: `${SANDBOX.CapabilityBoundingSet as string} CAP_SETUID CAP_SETGID CAP_KILL`,
        },
      );
    }
    // Critical findings are the run's failure, so that systemd shows them.
    timer(
      "storage-health",
      "Health of the storage tiers",
      automation.healthOnCalendar,
      {},
      {
        ExecStart: `${INSTALLED}/storage-health.sh --save`,
        SuccessExitStatus: 1,
        TimeoutStartSec: "5min",
        CapabilityBoundingSet: `${SANDBOX.CapabilityBoundingSet as string} CAP_SYS_RAWIO`,
      },
    );
    this.registerOutputs({});
  }

  /** Copied by SFTP, then proved to be what was sent, and installed as root's. */
  #deliverScripts(
    name: string,
    connection: HostSettings["connection"],
    { metricsFolder }: AutomationSettings,
  ): pulumi.Resource {
    const manifest = scriptsManifest();
    const create = asRoot(connection, "install-scripts", DELIVERED, INSTALLED, MONITOR_LINK);
    const copy = new remote.CopyToRemote(
      `${name}-copy`,
      {
        connection: connectionArgs(connection),
        source: new pulumi.asset.FileArchive(SCRIPTS),
        remotePath: DELIVERED,
        triggers: [sha256(create)],
      },
      { parent: this },
    );
    return new remote.Command(
      `${name}-install`,
      {
        connection: connectionArgs(connection),
        create,
        stdin: manifest,
        delete: asRoot(
          connection,
          "remove-scripts",
          INSTALLED,
          MONITOR_LINK,
          ...WRITTEN,
          `${metricsFolder}/jts-storage.prom`,
        ),
        logging: "stderr",
        addPreviousOutputInEnv: false,
      },
      { parent: this, dependsOn: [copy] },
    );
  }
}

/** What no tool of storage needs of the kernel; modules are not among it, since LVM loads that of snapshots. */
const FILTERED: Directives = {
  SystemCallArchitectures: "native",
  SystemCallFilter: "~@clock @cpu-emulation @debug @obsolete @raw-io @reboot @swap",
  SystemCallErrorNumber: "EPERM",
};

/**
 * Tried on Debian 12. ProtectSystem=strict would look at each mount, and wait for a NAS that is away. PrivateDevices and ProtectKernelModules would break LVM's tools, and the proof of which device is
 * mounted. Without CAP_LEASE no file of another user could be proved closed.
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
  CapabilityBoundingSet:
    "CAP_DAC_OVERRIDE CAP_DAC_READ_SEARCH CAP_CHOWN CAP_FOWNER CAP_FSETID CAP_LEASE CAP_SYS_ADMIN CAP_SETFCAP",
};

/** Lines as sha256sum(1) writes them, for each of the scripts. */
export function scriptsManifest(): string {
  return readdirSync(SCRIPTS, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(SCRIPTS.length + 1))
    .sort()
    .map((path) => `${sha256(readFileSync(join(SCRIPTS, path)))}  ${path}`)
    .join("\n");
}

function sha256(data: string | Buffer): string {
  return createHash("sha256").update(data).digest("hex");
}
