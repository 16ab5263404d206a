import { coldRoot, exportFor, exportsOf, isConnections } from "../cold/layout.ts";
import { formatBytes } from "../../providers/values/size.ts";
import { capacityOf, volumesOf } from "../hot/layout.ts";
import { lettersOf, MOST_LETTERS } from "../hot/problems.ts";
import { VOLUME_PROFILES } from "../hot/profiles.ts";
import { innermost, isIn } from "../places.ts";
import { below, type Problem } from "../problem.ts";
import type { TierLayout } from "../tier.ts";
import { warmMount } from "../warm/layout.ts";
import { layoutsOf, type TierSettings } from "../tiers.ts";
import { backupVolumes } from "./scriptSettings.ts";
import type { AutomationSettings, RuleSettings } from "./settings.ts";

/** What the services' sandbox hides, or makes read-only: systemd.exec(5), ProtectHome, PrivateTmp, ProtectSystem. */
const PRIVATE = ["/tmp", "/var/tmp"];
const HIDDEN = [...PRIVATE, "/home", "/root", "/run/user"];
const CLOSED = [...HIDDEN, "/usr", "/boot", "/efi", "/etc"];

/** What no host with these tiers could carry out. */
export function findAutomationProblems(automation: AutomationSettings, tiers: TierSettings): Problem[] {
  return [
    ...(tiers.warm === undefined
      ? [{ key: "", message: "needs the warm tier, where data of the hot tier moves to" }]
      : []),
    ...findBackupProblems(automation, tiers),
    ...findLongNames(automation, tiers),
    ...findFolderProblems(automation, tiers),
    ...findConfigProblems(automation, tiers),
    ...findOrderProblem(automation, "usageWarningPercent", "usageCriticalPercent"),
    ...findIdle(automation, tiers),
    ...findConnectionProblem(automation, tiers),
    ...findReceiverProblem(automation, tiers),
    ...findClosedPlaces(automation, tiers),
    ...findOrderProblem(automation, "warmLowPercent", "warmHighPercent"),
    ...automation.rules.flatMap((rule, index) =>
      below(`rules.${index}`, [...findRuleProblems(rule, tiers), ...findMirrorProblem(rule, automation, tiers)]),
    ),
  ];
}

/** What is declared and would never be done, or not each time. */
function findIdle(automation: AutomationSettings, tiers: TierSettings): Problem[] {
  const { coldRetention, developmentFolders, configPaths, postgresDatabases, postgresArchive, ...others } = automation;
  const { transfers, snapshotOnCalendar, backupOnCalendar } = others;
  const named = { coldRetention, developmentFolders, configPaths, postgresDatabases, postgresArchive, transfers };
  const ofCold = Object.entries(named)
    .filter(([, value]) => value !== undefined && !(Array.isArray(value) && value.length === 0))
    .map(([key]) => ({ key, message: "is about the cold tier, and there is none" }));
  const problems = tiers.cold === undefined ? ofCold : [];
  const plain = (calendar: string) => calendar.trim().replaceAll(/\s+/g, " ").toLowerCase();
  if (snapshotOnCalendar === undefined || plain(snapshotOnCalendar) !== plain(backupOnCalendar)) return problems;
  const message = "is the same as backupOnCalendar, and only one of the two can run at a time; best an hour before it";
  return [...problems, { key: "snapshotOnCalendar", message }];
}

/** What the options of the cold tier's mounts say must be so. A host's configuration adds the option to them. */
function findConnectionProblem({ transfers }: AutomationSettings, { cold }: TierSettings): Problem[] {
  const wanted = transfers?.nconnect === undefined ? undefined : `nconnect=${transfers.nconnect}`;
  if (wanted === undefined || cold === undefined) return [];
  const key = "transfers.nconnect";
  if (cold.options.includes(wanted))
    return exportsOf(cold)
      .filter((one) => one.server === cold.server && one.version === cold.version && !one.options.includes(wanted))
      .map(({ name, prefix }) => ({
        key,
        message:
          `${name} is mounted from the same server without it, and the first mount decides for all; ` +
          `add ${wanted} to cold.${prefix}options, or leave these out`,
      }));
  const other = cold.options.find(isConnections);
  const message =
    other === undefined
      ? `the cold tier is mounted without it; add ${wanted} to its options`
      : `the cold tier's options have ${other} already; leave out one of them`;
  return [{ key, message }];
}

type Percentage = {
  [K in keyof AutomationSettings]-?: K extends `${string}Percent` ? K : never;
}[keyof AutomationSettings];

function findOrderProblem(automation: AutomationSettings, low: Percentage, high: Percentage): Problem[] {
  if (automation[low] < automation[high]) return [];
  return [{ key: low, message: `${automation[low]} must be below ${high}, ${automation[high]}` }];
}

function findBackupProblems({ backupVolumes: chosen = {} }: AutomationSettings, { hot }: TierSettings): Problem[] {
  const freeBytes = hot?.layout === "lvm" ? capacityOf(hot)?.freeBytes : undefined;
  const services = hot?.layout === "lvm" ? Object.keys(hot.volumes ?? VOLUME_PROFILES) : [];
  return Object.keys(chosen).flatMap((service) => {
    const key = `backupVolumes.${service}`;
    if (!services.includes(service)) {
      const known = services.join(", ") || "it has none";
      return [{ key, message: `is not a volume of the hot tier (${known})` }];
    }
    // The kernel takes a copy of its device for the device itself.
    if (hot?.layout === "lvm" && hot.volumes?.[service]?.filesystem === "btrfs")
      return [{ key, message: "is btrfs, of which no snapshot by LVM is safe; leave it out, and use btrfs's own" }];
    const bytes = chosen[service]!;
    if (freeBytes !== undefined && bytes > freeBytes) {
      const [wanted, free] = [bytes, freeBytes].map(formatBytes);
      return [{ key, message: `a snapshot of ${wanted} doesn't fit the ${free} that the volumes leave free` }];
    }
    return [];
  });
}

/** What the name of an archive's snapshot adds to its volume's: scripts/jts_storage/backup.py, and LVM. */
const ON_SNAPSHOT = "_daily_20260101T000000Z-cow";

/** Volumes that are made, and whose snapshots could not be. */
function findLongNames(automation: AutomationSettings, tiers: TierSettings): Problem[] {
  const { hot } = tiers;
  if (hot?.layout !== "lvm") return [];
  return backupVolumes(tiers, automation).flatMap(({ service, name }) => {
    const letters = lettersOf(hot.volumeGroup.name, `${name}${ON_SNAPSHOT}`);
    if (letters <= MOST_LETTERS) return [];
    const message =
      `is too long a name: with the volume group's and what a snapshot's has more, ${letters} letters, and LVM takes ` +
      `${MOST_LETTERS}; leave it out of backupVolumes, or choose shorter names before they are made`;
    return [{ key: `backupVolumes.${service}`, message }];
  });
}

/** Folders of the scripts' own beside the copies. */
const OWN_FOLDERS = [".removed", ".copies"];

function findFolderProblems({ developmentFolders }: AutomationSettings, { cold }: TierSettings): Problem[] {
  const name = (folder: string) => folder.slice(folder.lastIndexOf("/") + 1);
  return developmentFolders.flatMap((folder, index) => {
    const key = `developmentFolders.${index}`;
    const problems = findPrivate(key, folder);
    if (isOnCold(folder, cold)) problems.push({ key, message: `${folder} is on the cold tier, where the copies are` });
    if (OWN_FOLDERS.includes(name(folder)))
      problems.push({ key, message: `${folder} has the name of a folder that the scripts keep beside the copies` });
    const same = developmentFolders.slice(0, index).find((other) => name(other) === name(folder));
    if (same !== undefined)
      problems.push({ key, message: `${folder} has the same last name as ${same}, which names the copy` });
    return problems;
  });
}

function findPrivate(key: string, path: string): Problem[] {
  const folder = PRIVATE.find((one) => isIn(path, one));
  if (folder === undefined) return [];
  return [{ key, message: `${path} is in ${folder}, of which nas-archival.service has its own` }];
}

function findConfigProblems({ configPaths = [] }: AutomationSettings, { cold }: TierSettings): Problem[] {
  return configPaths.flatMap((file, index) => {
    const key = `configPaths.${index}`;
    const hidden = findPrivate(key, file);
    if (hidden.length > 0) return hidden;
    if (isOnCold(file, cold) || exportsOf(cold).some(({ mountPoint }) => isIn(mountPoint, file)))
      return [{ key, message: `${file} has files of the cold tier, where the archives are; name what is beside it` }];
    return [];
  });
}

const isOnCold = (path: string, cold: TierSettings["cold"]) =>
  exportsOf(cold).some(({ mountPoint }) => isIn(path, mountPoint));

/** Health must not wait for the NAS: it is what says that the NAS is away. */
function findOnNas(key: string, path: string, { cold }: TierSettings, instead: string): Problem[] {
  if (!isOnCold(path, cold)) return [];
  const why = "is on the cold tier, and health would hang there, silent, while the NAS is away";
  return [{ key, message: `${path} ${why}; ${instead}` }];
}

function findReceiverProblem({ notify = "" }: AutomationSettings, tiers: TierSettings): Problem[] {
  const onNas = findOnNas("notify", notify, tiers, "put it for example in /usr/local/sbin");
  if (onNas.length > 0) return onNas;
  const hidden = HIDDEN.find((folder) => isIn(notify, folder));
  if (hidden === undefined) return [];
  return [
    {
      key: "notify",
      message:
        `${notify} is in ${hidden}, which the sandbox of storage-health.service hides from it; ` +
        "put it for example in /usr/local/sbin",
    },
  ];
}

/** A copy of a folder has only what the folder has. */
function findMirrorProblem(
  { to, destination }: RuleSettings,
  { developmentFolders }: AutomationSettings,
  { cold }: TierSettings,
): Problem[] {
  if (cold === undefined || to !== exportFor(cold, "development").name) return [];
  const names = developmentFolders.map((folder) => folder.slice(folder.lastIndexOf("/") + 1));
  const copy = [...OWN_FOLDERS, ...names].find((name) => isIn(destination, `development/${name}`));
  if (copy === undefined || developmentFolders.length === 0) return [];
  const message = `${destination} is in development/${copy}, where developmentFolders removes what isn't a copy`;
  return [{ key: "destination", message }];
}

/** Places that the services can't see, or can't write to. */
function findClosedPlaces({ metricsFolder }: AutomationSettings, tiers: TierSettings): Problem[] {
  const path = tiers.hot?.tree ?? false;
  const tree = path === false ? [] : [{ key: "hot.tree", path }];
  const mountPoints = Object.entries<TierLayout>(layoutsOf(tiers)).flatMap(([tier, layout]) =>
    // What is in the tree goes with it, and another mount of warm is only for people.
    layout.mountPoints
      .filter(({ key, path }) => key !== "alsoAt" && !tree.some((one) => isIn(path, one.path)))
      .map(({ key, path }) => ({ key: `${tier}.${key}`, path })),
  );
  // Logs leave by the tree; health would take a volume's mount point for read-only.
  const unusable = [...tree, ...mountPoints].flatMap(({ key, path }): Problem[] => {
    const folder = CLOSED.find((one) => isIn(path, one));
    if (folder === undefined) return [];
    const message = `can't work on ${key}, ${path}: the sandbox of its services closes ${folder} to them`;
    return [{ key: "", message }];
  });
  const problems = [
    ...[
      { tier: "warm", name: "warm", prefix: "", options: tiers.warm?.options ?? [] },
      ...exportsOf(tiers.cold).map((one) => ({ tier: "cold", ...one })),
    ]
      .filter(({ options }) => options.includes("ro"))
      .map(({ tier, name, prefix }) => {
        const what = name === tier ? `the ${tier} tier` : `${name} of the ${tier} tier`;
        return {
          key: "",
          message: `can't work on ${what}, which ro in ${tier}.${prefix}options makes read-only; leave ro out`,
        };
      }),
    ...unusable,
    ...findOnNas(
      "metricsFolder",
      metricsFolder,
      tiers,
      "choose a folder of the host, such as /var/lib/prometheus/node-exporter",
    ),
  ];
  const closed = CLOSED.find((folder) => isIn(metricsFolder, folder));
  if (closed === undefined) return problems;
  const message = `${metricsFolder} is in ${closed}, which the sandbox of storage-health.service closes to it`;
  return [...problems, { key: "metricsFolder", message }];
}

/** The mount point of the tiers that a path is on, if access times are off there. */
function mountWithoutAccessTimes(path: string, { hot, warm }: TierSettings): string | undefined {
  const mounts = [
    ...(hot?.layout === "lvm" ? volumesOf(hot) : []).flatMap(({ mountPoint, treePath, options }) =>
      [mountPoint, treePath].flatMap((point) => (point === undefined ? [] : [{ path: point, options }])),
    ),
    ...(warm === undefined ? [] : [{ path: warm.mountPoint, options: warmMount(warm).options }]),
  ];
  const around = innermost(path, mounts);
  return around?.options.includes("noatime") === true ? around.path : undefined;
}

/** Data goes one way, towards cold. */
function findRuleProblems(rule: RuleSettings, tiers: TierSettings): Problem[] {
  const { warm, cold } = tiers;
  const { source, to, destination, keep, compress } = rule;
  if (to !== "warm" && cold === undefined) return [{ key: "to", message: `is ${to}, and there is no cold tier` }];
  const target = exportsOf(cold).find(({ name }) => name === to);
  if (to !== "warm" && target === undefined) {
    const known = ["warm", ...exportsOf(cold).map(({ name }) => name)].join(", ");
    return [{ key: "to", message: `is ${to}, and cold.volumes has none of that name (known: ${known})` }];
  }
  const wrongSource = (what: string) => [{ key: "source", message: `${source} ${what}` }];

  const closed = CLOSED.find((folder) => isIn(source, folder));
  if (closed !== undefined)
    return wrongSource(`is in ${closed}, which the sandbox of tiered-storage.service closes to it`);
  if (isOnCold(source, cold)) return wrongSource("is on the cold tier, which nothing leaves");
  if (warm === undefined) return [];
  if (warm.alsoAt !== false && isIn(source, warm.alsoAt))
    return wrongSource(`is on the warm tier; write it below its mount point, ${warm.mountPoint}`);
  if (source === warm.mountPoint) return wrongSource("is all of the warm tier; name a folder of it");
  if (to === "warm" && isIn(source, warm.mountPoint))
    return [{ key: "to", message: `is warm, where ${source} is already; write cold` }];

  // Copies are one more, and in its own folder on cold a restore finds them.
  const backups = `${warm.mountPoint}/daily-backups`;
  const isHolder = cold !== undefined && to === exportFor(cold, "backups").name;
  const isTaken = !keep && !(isHolder && destination === "archives/database" && source === backups && !compress);
  if (isIn(source, backups) && isTaken)
    return wrongSource(
      "is in daily-backups, and no restore would find the archives at the rule's destination; " +
        "set backupsToColdAfterDays instead, which moves them, or keep: true",
    );

  const noatime = rule.by === "access" ? mountWithoutAccessTimes(source, tiers) : undefined;
  if (noatime !== undefined)
    return [
      {
        key: "by",
        message:
          `is access, and ${noatime} is mounted with noatime, so that nothing notes when a file was read; ` +
          "write by: modification, or add relatime to its options",
      },
    ];

  const folder = `${target === undefined ? warm.mountPoint : coldRoot(target)}/${destination}`;
  if (to === "warm" && isIn(destination, "temp-processing"))
    return [{ key: "destination", message: `${folder} is emptied by age (tempAfterDays); choose another folder` }];
  return isIn(folder, source) ? wrongSource(`has the destination in it, ${folder}`) : [];
}
