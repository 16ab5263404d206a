import { z } from "zod";
import { path, relativePath } from "../../providers/values/fields.ts";
import { byteSize, calendar, days, keptDays, namedPath, percent } from "../fields.ts";

/** What moves besides the logs and the backups. */
const rule = z.strictObject({
  /** In reports and logs. */
  name: z
    .string()
    .regex(/^[a-z0-9][a-z0-9 _-]*$/i, { error: "is not a valid rule name: letters, digits, spaces, _ and -" }),
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
    if (error !== undefined || text === "/") wrong(error?.issues[0]?.message ?? "is not a command");
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

/** When the timers start. The scripts do not read these. */
export const calendars = z.strictObject({
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
});

export const automationSettings = calendars.extend({
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
   * best-effort, they move without, and the journal of moves has what they lost.
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
  /** Who gets the health report when it changes, and once a day. Left out: nobody. */
  notify: receiver.optional(),
  /** Where Prometheus's node exporter reads *.prom files; nothing is written where the folder isn't there. */
  metricsFolder: namedPath.default("/var/lib/prometheus/node-exporter"),
  /** Verify, once all is made and when any of it changed, that it works. */
  verify: z.boolean().default(true),
});

export type AutomationSettings = z.output<typeof automationSettings>;
export type RuleSettings = z.output<typeof rule>;
export type AutomationInput = z.input<typeof automationSettings>;
