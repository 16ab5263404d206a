import { z } from "zod";
import { line, path, relativePath, strictObject } from "../../providers/values/fields.ts";
import { coldVolumeName } from "../cold/settings.ts";
import { byteSize, calendar, days, hours, keptDays, percent } from "../fields.ts";

/** What moves besides the logs and the backups. */
const rule = strictObject({
  /** The rule's name in reports and logs. */
  name: z
    .string()
    .regex(/^[a-z0-9][a-z0-9 _-]*$/i, { error: "is not a valid rule name: letters, digits, spaces, _ and -" }),
  /** The folder whose files move. */
  source: path.meta({ onHost: "Path" }),
  /** What the files' names must match, as fnmatch(3) has it. */
  pattern: z
    .string()
    .regex(/^[^/\p{Cc}]+$/u, { error: "is about a file's name, so it holds no / and no control characters" })
    .regex(/^(?!.*\{[^}]*,[^}]*\})/, {
      error: "has braces, which match only themselves (fnmatch(3)); write a rule for each, or [{] for a brace",
    })
    .default("*"),
  /** How old a file must be, by its modification time, or as `by` says. */
  olderThanDays: days,
  /**
   * What a file's age counts from: `modification`, its last write; or `access`, its last write or read, whichever is
   * later. For `access` the volume of the source needs `relatime` among its mount options: the kernel then notes the
   * first read of a day (mount(8)).
   * @default modification
   */
  by: z.enum(["modification", "access"]).optional(),
  /** The tier that the files move to, or the name of a volume of `cold.volumes`. */
  to: z
    .union([z.enum(["warm", "cold"]), coldVolumeName])
    .meta({ kind: "warm, cold or a volume of cold", onHost: "Name" }),
  /** The folder below warm's mount point, or below cold's or its volume's root. */
  destination: relativePath.meta({ onHost: "Folder" }),
  /** Whether files are compressed with zstd. */
  compress: z.boolean().default(false),
  /**
   * Copy, and leave the source: for files that are written once. A file that changed after its copy was made stays as
   * it is on both sides, and the run fails.
   */
  keep: z.boolean().default(false),
});

/** The name of a database, a schema or a table. */
const postgresName = line
  .refine((name) => Buffer.byteLength(name) <= 63, {
    error: "is too long: PostgreSQL takes 63 bytes for a name",
  })
  .meta({ kind: "a text" });

/** Whether a pattern of names has a year, with it maybe a month, with that maybe a day, each once; or no date. */
function hasGoodDate(pattern: string): boolean {
  const date = pattern.replaceAll("%%", "").match(/%.?/gs) ?? [];
  return ["", "%Y", "%Y%m", "%Y%d%m"].includes(date.sort().join(""));
}

/** Which of PostgreSQL's old records are archived, and what becomes of them then. */
const postgresArchive = strictObject({
  /** The database. */
  database: postgresName,
  /** The schema of the table or the tables. */
  schema: postgresName.default("public"),
  /** A table that is partitioned by RANGE of a date or a time: its partitions are archived, each by itself. */
  table: postgresName.optional(),
  /**
   * In place of `table`: the names of whole tables, with `*` for any text, and with a date: `ticks_%Y_%m` is a table
   * for each month, `%Y%m%d` for each day, `%Y` for each year.
   */
  tables: line
    .refine(hasGoodDate, {
      error: "needs a date such as %Y, %Y_%m or %Y%m%d, each letter once, or none; write %% for a percent sign",
    })
    .meta({ kind: "a pattern of names" })
    .optional(),
  /**
   * How old the last record may be: a partition counts by its upper bound, a table by the end of the time in its name.
   * @default any age
   */
  olderThanDays: keptDays.optional(),
  /**
   * What becomes of a partition or a table after its archive is proved: `keep`; `detach` makes a partition a table of
   * its own; `drop`.
   */
  then: z.enum(["keep", "detach", "drop"]).default("keep"),
}).superRefine(({ table, tables, olderThanDays, then }, context) => {
  const wrong = (key: string, message: string) => context.addIssue({ code: "custom", path: [key], message });
  if ((table === undefined) === (tables === undefined))
    wrong("database", "needs beside it either table, which is partitioned, or tables, a pattern of names");
  if (then !== "keep" && olderThanDays === undefined)
    wrong("then", "needs olderThanDays: without it, records of today would go too");
  if (then === "detach" && tables !== undefined)
    wrong("then", "is about partitions of a table; whole tables can be kept or dropped");
  if (tables !== undefined && olderThanDays !== undefined && !tables.replaceAll("%%", "").includes("%Y"))
    wrong("tables", "has no date, such as %Y_%m, so no age is known; leave olderThanDays out");
});

/** A command, which gets the report on its standard input, or a URL that it is POSTed to. */
const receiver = z
  .string()
  .superRefine((text, context) => {
    const wrong = (message: string) => context.addIssue({ code: "custom", message });
    if (text.startsWith("/")) {
      const { error } = path.safeParse(text);
      if (error !== undefined || text === "/") wrong(error?.issues[0]?.message ?? "is not a command");
      return;
    }
    const url = URL.parse(text);
    if (url === null || !/^https?:\/\/[^/]/.test(text) || /[^!-~]/.test(text))
      wrong("is neither a command's absolute path nor a URL of http or https, in ASCII without spaces");
    else if (url.username !== "" || url.password !== "")
      wrong("has a user or password in it, which is not sent; use a command, which reads them from a file of root's");
  })
  .meta({ kind: "a command's absolute path or URL", pattern: "^(/.|https?://)", onHost: "Receiver" });

const periods = z.int().min(0).default(0);
const coldRetention = strictObject({
  /** How many of the last weeks. */
  weekly: periods,
  /** How many of the last months. */
  monthly: periods,
  /** How many of the last years. */
  yearly: periods,
}).refine(({ weekly, monthly, yearly }) => weekly + monthly + yearly > 0, {
  error: "keeps nothing: give weekly, monthly or yearly a number, or leave it out to keep all",
});

const incrementalBackups = strictObject({
  /**
   * How old the last full archive may get, in days, before the next one is made. It is made earlier when an increment
   * takes half as much.
   */
  fullEveryDays: z.int().min(2).default(7),
});

/** How moves, archives and copies go to the cold tier and come from there. */
const transfers = strictObject({
  /**
   * How many files are on the way to the cold tier, or from there, at a time: moved files, dumps of databases, copied
   * folders.
   * @default moved files: one for each processor, at most 4; dumps and folders: one after another
   */
  streams: z.int().min(1).max(16).optional().meta({ onHost: "Count | None" }),
  /**
   * MiB per second that all scripts may write to the cold tier's exports and read from there together, on average over
   * some seconds. What ClickHouse moves by itself doesn't count.
   * @default no limit
   */
  bandwidthMiBPerSecond: z.int().min(1).optional().meta({ onHost: "Count | None" }),
  /**
   * Connections to the NAS, see nfs(5): the mount gets the option `nconnect`, and so do those of `cold.volumes` without
   * options of their own. A change unmounts and mounts. Mounts of the same server share connections, so that the first
   * one decides for all.
   * @default the kernel's: 1
   */
  nconnect: z.int().min(1).max(16).optional().meta({ onHost: false }),
});

/** What the scripts on the host read is in the order of these rows: components/automation/scriptSettings.ts. */
export const automationSettings = strictObject({
  /** When data moves between the tiers, see systemd.time(7). */
  onCalendar: calendar.default("daily"),
  /** When the health of the tiers is checked. */
  healthOnCalendar: calendar.default("hourly"),
  /** When volumes are archived from snapshots to warm: apart from the moves, which read what it writes. */
  backupOnCalendar: calendar.default("*-*-* 02:00"),
  /**
   * When snapshots of `backupVolumes` are made that stay `backupsKeptDays`, or while the volume group holds them. Best
   * `*-*-* 01:00`, an hour before the archives, which clean up. A volume with a snapshot can't grow, and what is
   * written to it is copied once for each.
   * @default never
   */
  snapshotOnCalendar: calendar.optional(),
  /** When all archives of volumes, on warm and cold, are read back: the first Saturday of a month. */
  verifyOnCalendar: calendar.default("Sat *-*-01..07 07:00"),
  /** When all of warm is read and compared with its checksums: the second Saturday of a month. */
  scrubOnCalendar: calendar.default("Sat *-*-08..14 09:00"),
  /** When the cold tier gets configurations, dumps and copies. */
  archivalOnCalendar: calendar.default("*-*-* 05:00"),
  /** Age, by modification time, at which logs move to warm. */
  logsToWarmAfterDays: days.default(7),
  /** Age at which backups move from warm's `daily-backups` to cold's `archives/database`. */
  backupsToColdAfterDays: days.default(30),
  /**
   * Whether logs that were rotated below /var/log move with the others, to warm's `logs/system`; never the journal's,
   * wtmp, dpkg's or apt's.
   */
  systemLogs: z.boolean().default(true).meta({ onHost: "Path | None" }),
  /** Age at which files in warm's `temp-processing` are deleted. */
  tempAfterDays: days.default(3),
  /** Age at which logs on warm are deleted. */
  warmLogsAfterDays: days.default(30),
  /**
   * Whether files of the same content on warm share their room there: the daily run looks for them, and does not
   * defragment warm, which would store again what they share.
   * @default false
   */
  dedup: z.boolean().optional(),
  /** Whether to run `docker system prune`, which leaves volumes alone, where there is docker. */
  dockerPrune: z.boolean().default(true),
  /**
   * Volume → the size of its snapshot: what changes while it is read for the archive. Volumes are named by service.
   * ext4 and XFS.
   * @default postgres 5 GiB, clickhouse 10 GiB, mongodb 2 GiB, of those that the hot tier has
   */
  backupVolumes: z.record(z.string(), byteSize).optional().meta({ onHost: "dict[Name, Count]" }),
  /** How long snapshots, and archives on warm, stay. */
  backupsKeptDays: keptDays.default(7),
  /**
   * Archive of a volume only what differs from its last full archive on warm: an increment, which needs that archive to
   * be restored. Full ones, which alone move to cold, are made every `fullEveryDays`.
   * @default each archive is a full one
   */
  incrementalBackups: incrementalBackups.optional(),
  /** How long dumps and configurations on cold stay; the last seven stay anyway. */
  archivesKeptDays: keptDays.default(90),
  /**
   * Of how many of the last weeks, months and years the newest archive of each volume stays on cold, such as
   * `{ weekly: 8, monthly: 12, yearly: 5 }`.
   * @default all stay
   */
  coldRetention: coldRetention.optional(),
  /**
   * Files and folders of the host that the archive of configurations has too: the databases' configurations, such as
   * `/etc/postgresql` and `/var/lib/mongodb/config`, not their data.
   * @default none
   */
  configPaths: z.array(path.meta({ onHost: "Path" })).optional(),
  /** Databases of PostgreSQL that are dumped to cold; none named: all of the cluster that psql connects to. */
  postgresDatabases: z.array(postgresName).default([]),
  /**
   * Old records of PostgreSQL that are archived to cold's `archives/records`, a partition or a table at a time, where
   * nothing of ours deletes them. See docs/STORAGE_SETUP.md#postgresqls-old-records.
   * @default none
   */
  postgresArchive: z.array(postgresArchive).optional(),
  /**
   * Folders of the host that are copied to cold's `development/NAME`, which must be empty at first, and not another
   * host's.
   */
  developmentFolders: z
    .array(path.regex(/[^/]$/, { error: "must end in the folder's name" }).meta({ onHost: "NamedFolder" }))
    .default([]),
  /** How long what a copy replaced or deleted stays, in cold's `development/.removed`. */
  developmentKeptDays: keptDays.default(30),
  /**
   * Whether these copies are compressed with zstd, file by file: NAME is NAME.zst on cold, where that saves an eighth.
   * What replaces earlier copies, in the first run with and the first run without it, keeps those in `.removed`.
   * @default false
   */
  developmentCompress: z.boolean().optional().meta({ onHost: "bool | None" }),
  /**
   * Age at which partitions move to cold, of ClickHouse's tables whose storage policy has a volume `cold`, such as that
   * of scripts/clickhouse/storage-policy.xml.
   */
  clickhouseToColdAfterDays: keptDays.default(30),
  /**
   * How much of these partitions one run moves, such as `200GiB`: the oldest first, and at least one, however large.
   * @default no limit
   */
  clickhouseToColdPerRun: byteSize.optional().meta({ onHost: "Count | None" }),
  /**
   * How much goes to the cold tier and comes from there at a time.
   * @default as each of its rows says
   */
  transfers: transfers.optional(),
  /** How full a tier, or a snapshot, may be before health warns. */
  usageWarningPercent: percent.default(80),
  /** How full a tier, or a snapshot, may be before health reports a critical finding. */
  usageCriticalPercent: percent.default(90),
  /**
   * Files with an owner, an ACL or attributes that their destination can't keep, as NFSv3 has no ACLs: `strict`, they
   * stay; `best-effort`, they move without them, and the journal of moves has what they lost.
   */
  attributes: z.enum(["strict", "best-effort"]).default("strict"),
  /**
   * Where more of warm's size than this is old enough to be deleted, none of it is, until
   * `tiered-storage.sh cleanup --yes`.
   */
  deleteAtMostPercent: percent.default(20),
  /** What moves besides the logs and the backups. */
  rules: z.array(rule).default([]),
  /** How full warm may be before what is oldest on it goes to cold. */
  warmHighPercent: percent.default(85),
  /** How full warm is when that ends. */
  warmLowPercent: percent.default(75),
  /**
   * How long snapshots of warm stay, one of which is made before files are deleted there: what was deleted or moved
   * away since can be copied back from them, and takes its room until they go. Above `warmHighPercent` the oldest go
   * earlier.
   * @default none are made
   */
  warmSnapshotsKeptDays: keptDays.optional(),
  /** Age of the newest backup of a volume above which health warns; 0: never. */
  backupWarningHours: hours.default(36),
  /**
   * The same of the archives on cold, where `nas-archival` has its timer: configurations, and each database that was
   * ever dumped; 0: never.
   */
  archiveWarningHours: hours.default(36),
  /**
   * Who gets the health report when it changes, and once a day: the absolute path of a command, or a URL of http or
   * https. See docs/STORAGE_SETUP.md#telling-somebody.
   * @default nobody
   */
  notify: receiver.optional(),
  /** Where health leaves `jts-storage.prom` for Prometheus's node exporter, if the folder is there. */
  metricsFolder: path.meta({ onHost: "Path" }).default("/var/lib/prometheus/node-exporter"),
  /** Verify at the end of an `up`, and when what is verified changed, that it works. */
  verify: z.boolean().default(true).meta({ onHost: false }),
});

export type AutomationSettings = z.output<typeof automationSettings>;
export type RuleSettings = z.output<typeof rule>;
export type AutomationInput = z.input<typeof automationSettings>;
