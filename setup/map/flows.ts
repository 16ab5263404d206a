/** What the automation does with files, in words, from a host's settings. Pure. */
import { backupVolumes } from "../../components/automation/scriptSettings.ts";
import type { AutomationSettings } from "../../components/automation/settings.ts";
import { exportFor } from "../../components/cold/layout.ts";
import type { ArchiveKind } from "../../components/cold/settings.ts";
import { hotLayout } from "../../components/hot/layout.ts";
import { isIn } from "../../components/places.ts";
import type { TierKey } from "../../components/tiers.ts";
import type { HostSettings } from "../../config.ts";

/** Files that go from one tier to another. Those of the root disk count as hot. */
export interface Flow {
  readonly from: TierKey;
  readonly to: TierKey;
  readonly what: string;
  /** From what age, when, and for how long they stay. */
  readonly when: string;
}

export function flowsOf(settings: HostSettings): Flow[] {
  const { automation } = settings;
  if (automation === undefined) return [];
  return [...toWarm(settings, automation), ...toCold(settings, automation), ...byRules(settings, automation)].filter(
    ({ to }) => settings[to] !== undefined,
  );
}

function toWarm(settings: HostSettings, automation: AutomationSettings): Flow[] {
  const { onCalendar, logsToWarmAfterDays, systemLogs, backupsKeptDays, backupOnCalendar } = automation;
  const between = { from: "hot", to: "warm" } as const;
  const aged = `after ${days(logsToWarmAfterDays)}, ${printCalendar(onCalendar)}`;
  const archived = backupVolumes(settings, automation).map(({ service }) => service);
  const hasLogs = settings.hot !== undefined && hotLayout(settings.hot).script.logFolders.length > 0;
  return [
    ...(hasLogs ? [{ ...between, what: "Logs of the services", when: aged }] : []),
    ...(systemLogs ? [{ ...between, what: "Rotated logs of /var/log", when: aged }] : []),
    ...(archived.length === 0
      ? []
      : [
          {
            ...between,
            what: `Archives of ${archived.join(", ")}`,
            when: `${printCalendar(backupOnCalendar)}, kept ${days(backupsKeptDays)}`,
          },
        ]),
  ];
}

function toCold(settings: HostSettings, automation: AutomationSettings): Flow[] {
  const { archivalOnCalendar, archivesKeptDays, developmentFolders, developmentKeptDays, ...rest } = automation;
  const { coldRetention: kept, backupsToColdAfterDays, onCalendar, warmHighPercent, warmLowPercent } = rest;
  const fromHot = { from: "hot", to: "cold" } as const;
  const fromWarm = { from: "warm", to: "cold" } as const;
  const at = printCalendar(archivalOnCalendar);
  const copied = developmentFolders.map((folder) => folder.slice(folder.lastIndexOf("/") + 1));
  const hasClickhouse = settings.hot !== undefined && "clickhouse" in (settings.hot.volumes ?? { clickhouse: {} });
  const retention = kept && `, of ${kept.weekly} weeks, ${kept.monthly} months, ${kept.yearly} years`;
  const to = (kind: ArchiveKind) => {
    const name = settings.cold && exportFor(settings.cold, kind).name;
    return name === undefined || name === "cold" ? "" : `, to ${name}`;
  };
  return [
    {
      ...fromWarm,
      what: `Archives and other backups${to("backups")}`,
      when: `after ${days(backupsToColdAfterDays)}, ${printCalendar(onCalendar)}${retention ?? ""}`,
    },
    {
      ...fromWarm,
      what: `The oldest files${to("logs") && `, logs${to("logs")}`}`,
      when: `while warm is over ${warmHighPercent} % full, until ${warmLowPercent} %`,
    },
    { ...fromHot, what: `Dumps of PostgreSQL${to("database")}`, when: `${at}, kept ${days(archivesKeptDays)}` },
    { ...fromHot, what: `Configurations${to("configs")}`, when: `${at}, kept ${days(archivesKeptDays)}` },
    ...(hasClickhouse
      ? [
          {
            ...fromHot,
            what: "Partitions of ClickHouse",
            when: `after ${days(rest.clickhouseToColdAfterDays)}, ${at}`,
          },
        ]
      : []),
    ...(copied.length === 0
      ? []
      : [
          {
            ...fromHot,
            what: `Copies of ${copied.join(", ")}${rest.developmentCompress ? ", compressed" : ""}${to("development")}`,
            when: `${at}, what they replace is kept ${days(developmentKeptDays)}`,
          },
        ]),
  ];
}

function byRules({ warm }: HostSettings, { rules, onCalendar }: AutomationSettings): Flow[] {
  const isOnWarm = (path: string) =>
    warm !== undefined && [warm.mountPoint, warm.alsoAt].some((one) => typeof one === "string" && isIn(path, one));
  return rules.map(({ name, source, pattern, olderThanDays, to, keep }): Flow => {
    const verb = keep ? "copied" : "moved";
    return {
      // A rule within warm is drawn as coming to it.
      from: to !== "warm" && isOnWarm(source) ? "warm" : "hot",
      to: to === "warm" ? "warm" : "cold",
      what: `${name}: ${source}/${pattern}${to === "warm" || to === "cold" ? "" : `, to ${to}`}`,
      when: `${verb} after ${days(olderThanDays)}, ${printCalendar(onCalendar)}`,
    };
  });
}

/** By a folder's path: what becomes of files in it. */
export function folderFates({ warm, cold, automation }: HostSettings): ReadonlyMap<string, string> {
  if (warm === undefined || automation === undefined) return new Map();
  const { backupsToColdAfterDays, backupsKeptDays, warmLogsAfterDays, tempAfterDays } = automation;
  return new Map([
    [
      `${warm.mountPoint}/daily-backups`,
      cold === undefined ? `kept ${days(backupsKeptDays)}` : `to cold after ${days(backupsToColdAfterDays)}`,
    ],
    [`${warm.mountPoint}/logs`, `deleted after ${days(warmLogsAfterDays)}`],
    [`${warm.mountPoint}/temp-processing`, `deleted after ${days(tempAfterDays)}`],
  ]);
}

/** What else runs on a calendar, by the tier that it is about. */
export function timesOf(settings: HostSettings): Readonly<Record<TierKey, readonly string[]>> {
  const { automation } = settings;
  if (automation === undefined) return { hot: [], warm: [], cold: [] };
  const hasBackups = backupVolumes(settings, automation).length > 0;
  const { snapshotOnCalendar, verifyOnCalendar, scrubOnCalendar, backupsKeptDays } = automation;
  return {
    hot:
      hasBackups && snapshotOnCalendar !== undefined
        ? [`Snapshots ${printCalendar(snapshotOnCalendar)}, kept ${days(backupsKeptDays)}`]
        : [],
    warm: [
      `Checksums of all data are compared: ${printCalendar(scrubOnCalendar)}`,
      ...(hasBackups ? [`Archives are read back: ${printCalendar(verifyOnCalendar)}`] : []),
    ],
    cold: [],
  };
}

const days = (count: number) => (count === 1 ? "1 day" : `${count} days`);

/** `*-*-* 02:00` is `daily at 02:00`; what is more than that stays as it is. */
function printCalendar(calendar: string): string {
  const [, time] = /^\*-\*-\* (\d\d:\d\d)(?::00)?$/.exec(calendar) ?? [];
  return time === undefined ? calendar : `daily at ${time}`;
}
