/** The stack's configuration: this file alone reads it. Every error names its key path, and all are told at once. */
import * as pulumi from "@pulumi/pulumi";
import { z } from "zod";
import { findProblems } from "./components/layout.ts";
import { COLD, HOT_TREE, TUNING, WARM } from "./components/profiles.ts";
import { connectionSchema } from "./providers/host/connection.ts";
import {
  accountName,
  directiveValue,
  line,
  lvmName,
  mkfsOption,
  mode,
  mountOption,
  nfsServer,
  path,
  relativePath,
  serial,
} from "./providers/resources/inputs.ts";
import { parseSize, type Size } from "./providers/values/size.ts";

/** `800GiB`, `800GB`, `1.5TiB`, bytes, or `50%VG`; a bare `800G` is GiB, as LVM has it. */
const size = z
  .union([z.string(), z.number()], { error: "must be a size such as 800GiB" })
  .transform((text, context): Size => {
    try {
      return parseSize(text);
    } catch (error) {
      context.addIssue({ code: "custom", message: (error as Error).message });
      return z.NEVER;
    }
  });

/** A size that means the same on any host. */
const byteSize = size.transform((parsed, context): number => {
  if ("bytes" in parsed) return parsed.bytes;
  context.addIssue({ code: "custom", message: "a share of a volume group is no size here; write for example 4MiB" });
  return z.NEVER;
});

/** A mount point or the tree: units of systemd name it, and lists of the scripts, which colons separate. */
const namedPath = path.regex(/^[^:"'\\%$]*$/, {
  error: "must not hold any of : \" ' \\ % $, which mean something else in systemd's units and in the scripts' lists",
});
const folder = relativePath.regex(/^[^:]*$/, { error: "must not hold a colon, which separates the scripts' lists" });
const days = z.int().min(0);
const keptDays = z.int().min(1);
const calendar = directiveValue.min(1);

const device = z.strictObject({
  /** Any path that leads to it; /dev/disk/by-id/… stays the same over boots. */
  path,
  /** Checked on the host, and lets previews do their sums. */
  size: byteSize.optional(),
  /** Checked on the host. */
  serial: serial.optional(),
});

/** Whether to mount over a folder that isn't empty, which hides what is in it. Left out: that is refused. */
const mountOverFiles = z.boolean().optional();

const volume = z.strictObject({
  size: size.optional(),
  filesystem: z.enum(["ext4", "xfs", "btrfs"]).optional(),
  mkfsOptions: z.array(mkfsOption).optional(),
  options: z.array(mountOption).optional(),
  mountPoint: namedPath.optional(),
  mountOverFiles,
  owner: accountName.optional(),
  group: accountName.optional(),
  mode: mode.optional(),
  folders: z.array(folder).optional(),
});

const hotLvm = z.strictObject({
  layout: z.literal("lvm"),
  device,
  /** Further devices of the volume group. One that is taken out of this list is emptied, and leaves the group. */
  additionalDevices: z.array(device).default([]),
  volumeGroup: z
    .strictObject({
      name: lvmName.default("vg_jts"),
      extentSize: byteSize.default(4 * 2 ** 20),
      dataAlignment: byteSize.default(4 * 2 ** 20),
    })
    .prefault({}),
  /** By service. Left out: all services of the profile. Given: these alone, and what one leaves out comes from its profile. */
  volumes: z
    .record(
      z.string().regex(/^[a-z][a-z0-9_]*$/, { error: "is no name of a volume: lower-case letters, digits and _" }),
      volume.nullable().transform((one) => one ?? {}),
    )
    .optional(),
  /** Kept free in the volume group. Left out: what the profile's snapshots need. */
  snapshotReserve: byteSize.optional(),
  tree: namedPath.default(HOT_TREE),
});

const hotDirectories = z.strictObject({
  layout: z.literal("directories"),
  volumes: z
    .record(
      z.string().regex(/^[a-z][a-z0-9_]*$/),
      volume
        .pick({ owner: true, group: true, mode: true, folders: true })
        .nullable()
        .transform((one) => one ?? {}),
    )
    .optional(),
  tree: namedPath.default(HOT_TREE),
});

const hot = z.preprocess(
  (value) =>
    typeof value === "object" && value !== null && !("layout" in value) ? { layout: "lvm", ...value } : value,
  z.discriminatedUnion("layout", [hotLvm, hotDirectories]),
);

const warm = z.strictObject({
  device,
  label: z
    .string()
    .regex(/^[\w.-]{1,255}$/, { error: "is no label: letters, digits and _ . -" })
    .default(WARM.label),
  mountPoint: namedPath.default(WARM.mountPoint),
  mountOverFiles,
  /** Another folder that shows the same. */
  alsoAt: path.optional(),
  /** As btrfs(5) takes it for `compress=`. */
  compression: z
    .string()
    .regex(/^(zlib(:[1-9])?|lzo|zstd(:([1-9]|1[0-5]))?|no)$/, {
      error: "is no compression of btrfs: zstd:1 to zstd:15, zlib:1 to zlib:9, lzo or no",
    })
    .default(WARM.compression),
  mkfsOptions: z.array(mkfsOption).default([]),
  /** Besides compress= and those that every entry has. */
  options: z.array(mountOption).default(["autodefrag"]),
  owner: accountName.default("root"),
  group: accountName.default("root"),
  mode: mode.default(WARM.mode),
  folders: z.array(folder).default([...WARM.folders]),
});

const cold = z.strictObject({
  server: nfsServer,
  export: path,
  mountPoint: namedPath.default(COLD.mountPoint),
  mountOverFiles,
  version: z
    .union([z.string(), z.number()])
    .transform(String)
    .pipe(z.enum(["3", "4", "4.1", "4.2"], { error: "is no version of NFS: 3, 4, 4.1 or 4.2" }))
    .default(COLD.version),
  options: z.array(mountOption).default([...COLD.options]),
  /** The folder of the export that is ours. */
  root: folder.default(COLD.root),
  owner: accountName.default("root"),
  group: accountName.default("root"),
  mode: mode.default(COLD.mode),
  folders: z.array(folder).default([...COLD.folders]),
});

const tuning = z.strictObject({
  scheduler: z
    .string()
    .regex(/^[a-z-]+$/)
    .default(TUNING.scheduler),
  sysctl: z
    .record(
      z.string().regex(/^[a-z0-9_]+([./][a-z0-9_-]+)+$/i, { error: "is no kernel parameter" }),
      z.union([line, z.number()]).transform(String),
    )
    .default(TUNING.sysctl),
  fstrimOnCalendar: calendar.default(TUNING.fstrimOnCalendar),
});

const percent = z.number().gt(0).max(100);

/** What moves besides the logs and the backups. */
const rule = z.strictObject({
  /** In reports and logs. */
  name: z
    .string()
    .regex(/^[a-z0-9][a-z0-9 _-]*$/i, { error: "is no name of a rule: letters, digits, spaces, _ and -" }),
  source: path,
  /** Of the file's name, as fnmatch(3) has it. */
  pattern: z
    .string()
    .regex(/^[^/\p{Cc}]+$/u, { error: "is about a file's name, so it holds no / and no control characters" })
    .default("*"),
  olderThanDays: days,
  to: z.enum(["warm", "cold"], { error: "must be warm or cold" }),
  /** The folder below warm's mount point, or below cold's root. */
  destination: relativePath,
  compress: z.boolean().default(false),
  /** Copy, and leave the source where it is. */
  keep: z.boolean().default(false),
});

/** A command, which gets the report on its standard input, or a URL that it is POSTed to. */
const receiver = z.string().superRefine((text, context) => {
  const wrong = (message: string) => context.addIssue({ code: "custom", message });
  if (text.startsWith("/")) {
    const { error } = path.safeParse(text);
    if (error !== undefined || text === "/") wrong(error?.issues[0]?.message ?? "is no command");
    return;
  }
  const url = URL.parse(text);
  if (url === null || !/^https?:\/\//.test(text) || /[^!-~]/.test(text))
    wrong("is neither a command's absolute path nor a URL of http or https, in ASCII without spaces");
  else if (url.username !== "" || url.password !== "")
    wrong("has a user or password in it, which is not sent; use a command, which reads them from a file of root's");
});

const periods = z.int().min(0).default(0);
const coldRetention = z
  .strictObject({ weekly: periods, monthly: periods, yearly: periods })
  .refine(({ weekly, monthly, yearly }) => weekly + monthly + yearly > 0, {
    error: "keeps nothing: give weekly, monthly or yearly a number, or leave it out to keep all",
  });

const automation = z.strictObject({
  /** When data moves between the tiers, see systemd.time(7). */
  onCalendar: calendar.default("daily"),
  healthOnCalendar: calendar.default("hourly"),
  /** When volumes are archived from snapshots to warm: apart from the moves, which read what it writes. */
  backupOnCalendar: calendar.default("*-*-* 02:00"),
  /**
   * When snapshots are made that stay while the volume group holds them, best an hour before the archives, which clean up.
   * Left out: never, since a volume with a snapshot can't grow, and what is written is copied for each.
   */
  snapshotOnCalendar: calendar.optional(),
  /** When all archives of volumes, on warm and cold, are read back: the first Saturday of a month. */
  verifyOnCalendar: calendar.default("Sat *-*-01..07 07:00"),
  /** When all of warm is read and compared with its checksums: the second Saturday of a month. */
  scrubOnCalendar: calendar.default("Sat *-*-08..14 09:00"),
  /** When the cold tier gets configurations, dumps and copies. */
  archivalOnCalendar: calendar.default("*-*-* 05:00"),
  logsToWarmAfterDays: days.default(7),
  backupsToColdAfterDays: days.default(30),
  /** Whether logs that were rotated below /var/log move with the others, to warm's logs/system; never the system's own. */
  systemLogs: z.boolean().default(true),
  tempAfterDays: days.default(3),
  warmLogsAfterDays: days.default(30),
  /** `docker system prune` without volumes, where there is docker. */
  dockerPrune: z.boolean().default(true),
  /** By service: the room for what changes while its snapshot is read. Left out: the services whose profile has one. */
  backupVolumes: z.record(z.string(), byteSize).optional(),
  /** For snapshots, and archives on warm. */
  backupsKeptDays: keptDays.default(7),
  /** For dumps and configurations on cold. */
  archivesKeptDays: keptDays.default(90),
  /** How many of the last weeks, months and years keep the newest archive of each volume on cold. Left out: all stay. */
  coldRetention: coldRetention.optional(),
  /** Databases of PostgreSQL that are dumped to cold. Left out: all. */
  postgresDatabases: z
    .array(
      z.string().regex(/^[^:\0\n]+$/, {
        error: "must not hold a colon, which separates the scripts' lists, or an end of line",
      }),
    )
    .default([]),
  /** Folders of the host that are copied to cold's development, under their last name. */
  developmentFolders: z.array(namedPath.regex(/[^/]$/, { error: "must end in the folder's name" })).default([]),
  /** How long what a copy replaces or deletes is kept aside. */
  developmentKeptDays: keptDays.default(30),
  clickhouseToColdAfterDays: keptDays.default(30),
  usageWarningPercent: percent.default(80),
  usageCriticalPercent: percent.default(90),
  /**
   * Files with an owner, an ACL or attributes that their destination can't keep, as NFSv3 has no ACLs: strict, they stay;
   * best-effort, they move without, and the journal of moves tells what they lost.
   */
  attributes: z.enum(["strict", "best-effort"]).default("strict"),
  /** Where more of warm's size than this is old enough to be deleted, none of it is, unless somebody says yes. */
  deleteAtMostPercent: percent.default(20),
  rules: z.array(rule).default([]),
  /** Above the one, what is oldest on warm goes to cold, until warm is below the other. */
  warmHighPercent: percent.default(85),
  warmLowPercent: percent.default(75),
  /** Older than this, the newest backup of a volume is a finding of the health report; 0: its age doesn't matter. */
  backupWarningHours: z.int().min(0).default(36),
  /** The same of the archives of configurations and databases on the cold tier, where its timer is. */
  archiveWarningHours: z.int().min(0).default(36),
  /** What is told of the health report when that changes, and once a day. Left out: nobody. */
  notify: receiver.optional(),
  /** Where Prometheus's node exporter reads *.prom files; nothing is written where the folder isn't there. */
  metricsFolder: namedPath.default("/var/lib/prometheus/node-exporter"),
  /** Verify, once all is made and when any of it changed, that it works. */
  verify: z.boolean().default(true),
});

const SECTIONS = {
  connection: connectionSchema,
  /** What destroy, and removal from the program, do to PVs, VGs, LVs and filesystems. */
  onDelete: z.enum(["retain", "wipe", "protect"], { error: "must be retain, wipe or protect" }).default("retain"),
  hot: hot.optional(),
  warm: warm.optional(),
  cold: cold.optional(),
  /** False: the kernel stays as it is. Left out: the JTS values, where there is a hot tier. */
  tuning: z.union([z.literal(false), tuning]).prefault({}),
  automation: automation.optional(),
};

export type HostSettings = { readonly [K in keyof typeof SECTIONS]: z.infer<(typeof SECTIONS)[K]> };
export type HotSettings = NonNullable<HostSettings["hot"]>;
export type LvmSettings = z.infer<typeof hotLvm>;
export type VolumeSettings = z.infer<typeof volume>;
export type WarmSettings = z.infer<typeof warm>;
export type ColdSettings = z.infer<typeof cold>;
export type TuningSettings = z.infer<typeof tuning>;
export type RuleSettings = z.infer<typeof rule>;
export type AutomationSettings = z.infer<typeof automation>;

/** Something that can't be as it is configured. */
export interface Problem {
  /** The key path: `trading.hot.volumes.postgres.size`. */
  readonly key: string;
  readonly message: string;
}

/** The hosts of the stack that is worked on. @throws {pulumi.RunError} that tells every problem. */
export function readHosts(): Record<string, HostSettings> {
  const { hosts, problems } = parseHosts(new pulumi.Config("jts-storage").requireObject("hosts"));
  if (problems.length === 0) return hosts;
  const error = new pulumi.RunError(
    `The configuration of jts-storage:hosts can't be carried out:\n${problems.map(({ key, message }) => `  ${key}: ${message}`).join("\n")}`,
  );
  // Nobody needs the stack, and Pulumi prints it by a function of Node.js 24.9 that takes 20 s for it (nodejs/node#64011).
  error.stack = "";
  throw error;
}

/** Reads the hosts without Pulumi; with problems, the hosts that have some are left out. */
export function parseHosts(value: unknown): {
  readonly hosts: Record<string, HostSettings>;
  readonly problems: readonly Problem[];
} {
  if (!isRecord(value) || Object.keys(value).length === 0) {
    return {
      hosts: {},
      problems: [{ key: "jts-storage:hosts", message: "must map at least one host's name to its storage" }],
    };
  }
  const hosts: Record<string, HostSettings> = {};
  const problems: Problem[] = [];
  for (const [name, section] of Object.entries(value)) {
    const host = parseHost(name, section);
    problems.push(...host.problems);
    if (host.settings !== undefined) hosts[name] = host.settings;
  }
  return { hosts, problems: [...problems, ...findSharedAddresses(hosts)] };
}

/** Each section by itself, so that a mistake in one doesn't hide those in another. */
function parseHost(name: string, value: unknown): { readonly settings?: HostSettings; readonly problems: Problem[] } {
  if (!/^[a-z0-9][a-z0-9-]*$/i.test(name))
    return { problems: [{ key: name, message: "is no name of a host: letters, digits and -" }] };
  if (!isRecord(value)) return { problems: [{ key: name, message: "must hold the host's connection and tiers" }] };
  const problems: Problem[] = [];
  for (const key of Object.keys(value))
    if (!(key in SECTIONS))
      problems.push({ key: `${name}.${key}`, message: `is unknown; a host takes ${Object.keys(SECTIONS).join(", ")}` });
  const sections: Record<string, unknown> = {};
  for (const [key, schema] of Object.entries(SECTIONS)) {
    const parsed = (schema as z.ZodType).safeParse(value[key]);
    if (parsed.success) sections[key] = parsed.data;
    else problems.push(...parsed.error.issues.map((issue) => problemOf([name, key], issue, value[key])));
  }
  const settings = sections as Partial<HostSettings>;
  // A warm tier that could not be read is still one.
  const { automation: _automation, ...withoutAutomation } = settings;
  const judged = value.warm !== undefined && settings.warm === undefined ? withoutAutomation : settings;
  problems.push(...findProblems(judged).map(({ key, message }) => ({ key: `${name}.${key}`, message })));
  return problems.length === 0 ? { settings: settings as HostSettings, problems } : { problems };
}

/** One writer a machine: two names for one would each think that it is theirs. */
function findSharedAddresses(hosts: Record<string, HostSettings>): Problem[] {
  const seen = new Map<string, string>();
  return Object.entries(hosts).flatMap(([name, { connection }]) => {
    const address = `${connection.host}:${connection.port}`;
    const other = seen.get(address);
    if (other !== undefined)
      return [{ key: `${name}.connection.host`, message: `${address} is already ${other}'s; one machine is one host` }];
    seen.set(address, name);
    return [];
  });
}

function problemOf(prefix: readonly string[], issue: z.core.$ZodIssue, section: unknown): Problem {
  const key = [...prefix, ...issue.path.map(String)].join(".");
  if (issue.code === "unrecognized_keys") return { key, message: `has unknown keys: ${issue.keys.join(", ")}` };
  const value = issue.path.reduce<unknown>(
    (at, part) => (isRecord(at) || Array.isArray(at) ? (at as Record<PropertyKey, unknown>)[part] : undefined),
    section,
  );
  if (value === undefined) return { key, message: `is missing (${issue.message})` };
  return { key, message: `${JSON.stringify(value)}: ${issue.message}` };
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
