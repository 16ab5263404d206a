/** The policies. README.md has the same as a table, which a test compares. */
import type {
  PolicyConfigSchema,
  ReportViolation,
  ResourceValidationPolicy,
  StackValidationPolicy,
} from "@pulumi/policy";
import {
  byHost,
  connectionsOf,
  hasTimer,
  kindOf,
  ofKind,
  settingsOf,
  stackOf,
  text,
  texts,
  type Connection,
  type Resource,
} from "./stack.ts";

/** What can be set of each policy. */
export interface Settings {
  /** A regular expression: the stacks that it is about. */
  readonly stacks: string;
  /** A regular expression: the services whose volumes it is about, in whole. */
  readonly services: string;
  /** The fewest days that archives stay on the host. */
  readonly keptDays: number;
}

type Policy = ResourceValidationPolicy | StackValidationPolicy;

/** What is wrong, and what to do; of one resource, where it has a urn. */
interface Violation {
  readonly message: string;
  readonly next: string;
  readonly urn?: string;
}

/** What a check finds; undefined: nothing. */
type Found = Violation | readonly Violation[] | undefined;

interface About {
  readonly name: string;
  readonly description: string;
  readonly enforcementLevel: "mandatory" | "advisory";
  /** Defaults of what can be set. */
  readonly settings: Partial<Settings>;
}

const PROD = { stacks: "^prod" };
const ALL = { stacks: "" };
const GIB = 2 ** 30;

/** Names of the kernel's, which may be another disk's after the next boot. */
const KERNEL_NAME = /^\/dev\/((sd|vd|xvd|hd)[a-z]+\d*|nvme\d+n\d+(p\d+)?|(mmcblk|nbd|loop|md)\d+(p\d+)?|dm-\d+)$/;

/** @param readHosts the stack's configuration `hosts`, of which a connection need not be in any resource */
export function policies(readHosts: () => Readonly<Record<string, unknown>>): Policy[] {
  const connection = (about: About, check: (connection: Connection) => Found) =>
    ofStack(about, (resources) => connectionsOf(resources, readHosts()).flatMap((one) => check(one) ?? []));

  return [
    ofHosts(
      {
        name: "prod-data-is-retained",
        description: "In production, a destroy leaves all data on the disks.",
        enforcementLevel: "mandatory",
        settings: PROD,
      },
      (host, own) => {
        const wiped = own.filter(({ props }) => props.onDelete === "wipe");
        return wiped.length === 0
          ? undefined
          : {
              message: `${host}: ${wiped.length} resources have onDelete: wipe.`,
              next: `set ${host}.onDelete to retain or protect`,
            };
      },
    ),
    connection(
      {
        name: "host-keys-are-pinned",
        description: "Each connection names the key of its host, so that nobody can pose as the host.",
        enforcementLevel: "mandatory",
        settings: ALL,
      },
      ({ host, hostKey, hasUncheckedJump }) => [
        ...(hostKey === undefined
          ? [
              {
                message: `${host}: the connection has no hostKey.`,
                next: "compare what `ssh-keyscan -t ed25519 HOST` prints with the host's own key, and set hostKey to it",
              },
            ]
          : []),
        ...(hasUncheckedJump
          ? [{ message: `${host}: the jump host's key isn't checked.`, next: "set connection.proxyHostKey" }]
          : []),
      ],
    ),
    ofResource(
      {
        name: "devices-have-stable-names",
        description: "Devices are named by a path that stays the same over boots, never by the kernel's name.",
        enforcementLevel: "mandatory",
        settings: ALL,
      },
      ["PhysicalVolume", "Filesystem", "FstabEntry"],
      ({ props }) =>
        [text(props.device), text(props.source)]
          .filter((path) => KERNEL_NAME.test(path))
          .map((path) => ({
            message: `${path} may be another disk after the next boot.`,
            next: `name it by what \`ls -l /dev/disk/by-id\` on ${text(props.host)} shows for it`,
          })),
    ),
    ofResource(
      {
        name: "mounts-let-the-host-boot",
        description: "No mount holds up a boot: each has nofail, and those over the network have _netdev.",
        enforcementLevel: "mandatory",
        settings: ALL,
      },
      ["FstabEntry", "NfsMount"],
      (resource) => {
        const { props } = resource;
        const options = texts(props.options);
        const needed = ["nofail", ...(isNfs(resource) ? ["_netdev"] : [])];
        return needed
          .filter((option) => !options.includes(option))
          .map((option) => ({
            message: `${text(props.mountPoint)} is mounted without ${option}.`,
            next: `add ${option} to its options`,
          }));
      },
    ),
    ofResource(
      {
        name: "nfs-mounts-are-hard",
        description: "NFS waits for its server: a soft mount gives programs errors, and loses what they wrote.",
        enforcementLevel: "mandatory",
        settings: ALL,
      },
      ["FstabEntry", "NfsMount"],
      (resource) =>
        texts(resource.props.options)
          .filter((option) => isNfs(resource) && /^soft(err)?$/.test(option))
          .map((option) => ({
            message: `${text(resource.props.mountPoint)} is mounted with ${option}.`,
            next: `write hard in place of ${option}`,
          })),
    ),
    ofResource(
      {
        name: "mkfs-is-not-forced",
        description: "No filesystem is made by force, over what a device already holds.",
        enforcementLevel: "mandatory",
        settings: ALL,
      },
      ["Filesystem"],
      ({ props }) =>
        texts(props.mkfsOptions)
          .filter((option) => (text(props.type) === "ext4" ? /^-F+$/ : /^(-f|--force)$/).test(option))
          .map((option) => ({
            message: `${text(props.device)}: ${option} makes mkfs overwrite what it finds.`,
            next: "leave it out; docs/runbooks/clear-a-device.md says how a device becomes blank",
          })),
    ),
    ofHosts(
      {
        name: "snapshots-have-room",
        description: "A volume group whose volumes get snapshots has room for all that it keeps at a time.",
        enforcementLevel: "mandatory",
        settings: ALL,
      },
      findMissingRoom,
    ),
    ofHosts(
      {
        name: "databases-are-archived",
        description: "Each volume of a database is archived from snapshots, and archives stay for some days.",
        enforcementLevel: "mandatory",
        settings: { ...PROD, services: "postgres.*|clickhouse|mongo.*|mysql|mariadb", keptDays: 7 },
      },
      (host, own, settings) => [...findUnarchived(host, own, settings), ...findShortKept(host, own, settings)],
    ),
    ofHosts(
      {
        name: "health-is-checked",
        description: "Each host with mounts of ours checks the health of its tiers by a timer.",
        enforcementLevel: "mandatory",
        settings: PROD,
      },
      (host, own) =>
        ofKind(own, "FstabEntry", "NfsMount").length > 0 && !hasTimer(own, "storage-health")
          ? {
              message: `${host}: nothing checks the health of its tiers.`,
              next: `give ${host} a warm tier, if it has none, and automation; {} takes all defaults`,
            }
          : undefined,
    ),
    ofHosts(
      {
        name: "caches-are-archived",
        description: "Each volume of a store that is often only a cache is archived from snapshots.",
        enforcementLevel: "advisory",
        settings: { ...PROD, services: "redis|valkey|keydb" },
      },
      findUnarchived,
    ),
    ofHosts(
      {
        name: "archives-leave-the-host",
        description: "A host that archives volumes has a cold tier, so that its archives outlive it.",
        enforcementLevel: "advisory",
        settings: PROD,
      },
      (host, own) =>
        hasTimer(own, "lvm-backup") && ofKind(own, "NfsMount").length === 0
          ? {
              message: `${host}: archives stay on the host, and are lost with it.`,
              next: `give ${host} a cold tier`,
            }
          : undefined,
    ),
    ofHosts(
      {
        name: "findings-are-sent",
        description: "What a health check finds is sent to somebody.",
        enforcementLevel: "advisory",
        settings: PROD,
      },
      (host, own) =>
        settingsOf(own)?.automation.notify === null
          ? {
              message: `${host}: findings are only in the journal.`,
              next: `set ${host}.automation.notify to a URL or a command; docs/STORAGE_SETUP.md says what it gets`,
            }
          : undefined,
    ),
    connection(
      {
        name: "login-is-not-root",
        description: "Nobody logs in as root: a user with sudo leaves a trace of who did what.",
        enforcementLevel: "advisory",
        settings: PROD,
      },
      ({ host, user }) =>
        user === "root"
          ? {
              message: `${host}: the connection's user is root.`,
              next: "make a user with passwordless sudo on the host, and set connection.user to it",
            }
          : undefined,
    ),
    connection(
      {
        name: "host-keys-are-no-placeholders",
        description: "The host key is a key, and not the placeholder of the committed configuration.",
        enforcementLevel: "advisory",
        settings: PROD,
      },
      ({ host, hostKey = "" }) =>
        /A{43}/.test(hostKey)
          ? {
              message: `${host}: the hostKey is a placeholder, which no host has.`,
              next: "set hostKey to what `ssh-keyscan -t ed25519 HOST` prints, once compared with the host's own key",
            }
          : undefined,
    ),
    ofResource(
      {
        name: "network-mounts-give-no-rights",
        description: "A mount over the network has nosuid and nodev: another machine's files give no rights here.",
        enforcementLevel: "advisory",
        settings: ALL,
      },
      ["FstabEntry", "NfsMount"],
      (resource) => {
        const missing = ["nosuid", "nodev"].filter((option) => !texts(resource.props.options).includes(option));
        const { mountPoint } = resource.props;
        return isNfs(resource) && missing.length > 0
          ? {
              message: `${text(mountPoint)} is mounted without ${missing.join(" and ")}.`,
              next: `add ${missing.join(" and ")} to its options`,
            }
          : undefined;
      },
    ),
  ];
}

/** Looked at before anything of the resource is done. */
function ofResource(about: About, kinds: readonly string[], check: (resource: Resource) => Found): Policy {
  return {
    ...describe(about),
    validateResource: (resource, report) => {
      const { stacks } = resource.getConfig<Settings>();
      if (kinds.includes(kindOf(resource) ?? "") && new RegExp(stacks).test(stackOf(resource.urn)))
        for (const violation of [check(resource) ?? []].flat()) tell(report, violation);
    },
  };
}

/** Looked at when all resources are known: at the end of a preview, which an `up` begins with. */
function ofStack(about: About, check: (resources: readonly Resource[], settings: Settings) => Violation[]): Policy {
  return {
    ...describe(about),
    validateStack: (stack, report) => {
      const { resources } = stack;
      const settings = stack.getConfig<Settings>();
      if (!new RegExp(settings.stacks).test(stackOf(resources[0]?.urn ?? ""))) return;
      for (const violation of check(resources, settings)) tell(report, violation);
    },
  };
}

/** As {@link ofStack}, host by host. */
function ofHosts(about: About, check: (host: string, own: readonly Resource[], settings: Settings) => Found): Policy {
  return ofStack(about, (resources, settings) =>
    [...byHost(resources)].flatMap(([host, own]) => check(host, own, settings) ?? []),
  );
}

const TEXTS: Readonly<Record<keyof Settings, string>> = {
  stacks: "A regular expression: the stacks that this is about.",
  services: "A regular expression: the services, in whole, whose volumes this is about.",
  keptDays: "The fewest days that archives stay on the host.",
};

function describe({ settings, ...about }: About) {
  const properties: PolicyConfigSchema["properties"] = {};
  for (const [key, value] of Object.entries(settings))
    properties[key] = {
      type: typeof value === "number" ? "integer" : "string",
      description: TEXTS[key as keyof Settings],
      default: value,
      ...(typeof value === "number" ? { minimum: 1 } : { format: "regex" }),
    };
  return { ...about, configSchema: { properties } };
}

function tell(report: ReportViolation, { message, next, urn }: Violation): void {
  report(`${message} Next: ${next}.`, urn);
}

function isNfs(resource: Resource): boolean {
  return kindOf(resource) === "NfsMount" || /^nfs4?$/.test(text(resource.props.type));
}

/** The service whose volume a resource is: a hot tier calls it HOST-hot-SERVICE-lv. */
function serviceOf({ urn }: Resource): string {
  return /-([^-]*)-lv$/.exec(urn)?.[1] ?? "";
}

/** Volumes of services that no timer archives. */
function findUnarchived(host: string, own: readonly Resource[], { services }: Settings): Violation[] {
  const isMeant = new RegExp(`^(${services})$`);
  const archived = hasTimer(own, "lvm-backup") ? Object.keys(settingsOf(own)?.automation.backupVolumes ?? {}) : [];
  return ofKind(own, "LogicalVolume")
    .filter((volume) => isMeant.test(serviceOf(volume)) && !archived.includes(text(volume.props.name)))
    .map((volume) => ({
      message: `${host}: ${text(volume.props.name)} is not archived.`,
      next: `add ${serviceOf(volume)} to ${host}.automation.backupVolumes, with the others`,
      urn: volume.urn,
    }));
}

/** Archives that are deleted too soon. */
function findShortKept(host: string, own: readonly Resource[], { keptDays }: Settings): Violation[] {
  const kept = settingsOf(own)?.automation.backupsKeptDays;
  if (kept === undefined || kept >= keptDays) return [];
  return [
    {
      message: `${host}: archives stay for ${kept} days; ${keptDays} are wanted.`,
      next: `set ${host}.automation.backupsKeptDays to ${keptDays} or more`,
    },
  ];
}

/** Snapshots are there while a volume is read for its archive, or, where a timer makes them, for days. */
function findMissingRoom(host: string, own: readonly Resource[]): Violation[] {
  const settings = settingsOf(own);
  const group = settings?.hot?.volumeGroup ?? "";
  if (settings === undefined || group === "" || !hasTimer(own, "lvm-backup")) return [];
  const { backupVolumes, backupsKeptDays } = settings.automation;
  const days = hasTimer(own, "lvm-snapshots") ? backupsKeptDays : 1;
  const needed = Object.values(backupVolumes).reduce((sum, bytes) => sum + bytes, 0) * days;
  const sizes = (kind: string) =>
    ofKind(own, kind).flatMap(({ props }) => (props.volumeGroup === group ? [props.sizeBytes] : []));
  const devices = sizes("PhysicalVolume");
  if (needed === 0 || devices.length === 0) return [];
  if (!devices.every((bytes) => typeof bytes === "number"))
    return [
      {
        message: `${host}: whether ${group} has room for snapshots isn't known, since a device has no size.`,
        next: `set the size of each of the hot tier's devices to what \`lsblk --bytes\` on ${host} prints`,
      },
    ];
  const sum = (values: readonly unknown[]) => values.reduce<number>((whole, bytes) => whole + Number(bytes), 0);
  const free = sum(devices) - sum(sizes("LogicalVolume"));
  const inGib = (bytes: number) => `${Math.round((bytes / GIB) * 10) / 10} GiB`;
  return free >= needed
    ? []
    : [
        {
          message: `${host}: ${group} has ${inGib(free)} free, and its snapshots take ${inGib(needed)}.`,
          next: "leave out snapshotReserve, and make volumes that don't exist yet smaller, or add a device",
        },
      ];
}
