/** Which keys of a host's configuration a resource is declared by: `hot.volumes.redis.size`, not `sizeBytes`. */
import { exportsOf } from "../../components/cold/layout.ts";
import {
  accountResource,
  accountsOf,
  deviceKey,
  deviceResource,
  devicesOf,
  serviceFolders,
} from "../../components/hot/layout.ts";
import type { HotSettings } from "../../components/hot/settings.ts";
import { tiers } from "../../components/tiers.ts";
import type { HostSettings } from "../../config.ts";
import type { HostResource } from "../stackFile.ts";

/** Key paths below the host's name. */
export interface Keys {
  /** Where the whole resource is declared. */
  readonly whole: readonly string[];
  /** Property of the resource → its key. One that is left out is declared with the whole. */
  readonly properties: Readonly<Record<string, string>>;
}

/** @throws {Error} for a resource that has no row here: a test looks at each of the program's */
export function keysOf(
  host: string,
  settings: HostSettings,
  { name, parent = "", kind }: Pick<HostResource, "name" | "parent" | "kind">,
): Keys {
  const part = parent.slice(host.length + 1);
  const own = name.slice(parent.length + 1);
  const keys =
    part === "packages"
      ? packageKeys(settings)
      : part === "hot" && settings.hot !== undefined
        ? hotKeys(settings.hot, kind.name, own)
        : (ROWS[`${part} ${own}`] ?? volumeKeys(settings, part, own));
  if (keys === undefined) throw new Error(`${name} has no row in setup/drift/keys.ts, which says its keys`);
  return keys;
}

/** The key of a mount's options, where only options differ that a key of its own stands for. */
export function keyOfOptions(key: string, differing: readonly string[]): string {
  const isCompression = differing.length > 0 && differing.every((option) => option.startsWith("compress"));
  return key === "warm.options" && isCompression ? "warm.compression" : key;
}

/** What needs packages. */
function packageKeys(settings: HostSettings): Keys {
  const sections = [...Object.keys(tiers), "automation"] as ("hot" | "warm" | "cold" | "automation")[];
  return { whole: sections.filter((section) => settings[section] !== undefined), properties: {} };
}

function hotKeys(hot: HotSettings, kind: string, own: string): Keys | undefined {
  if (kind === "PhysicalVolume") return hot.layout === "lvm" ? deviceKeys(hot, own) : undefined;
  if (kind === "VolumeGroup")
    return row("hot.volumeGroup", {
      name: "hot.volumeGroup.name",
      extentSizeBytes: "hot.volumeGroup.extentSize",
      physicalVolumes: "hot.additionalDevices",
    });
  if (kind === "SystemUser") return accountKeys(hot, own);
  const [, service = "", thing = ""] = /^(\w+)-(lv|fs|mount|tree|folders)$/.exec(own) ?? [];
  const key = `hot.volumes.${service}`;
  const byThing: Readonly<Record<string, Keys>> = {
    lv: row(key, { sizeBytes: `${key}.size`, volumeGroup: "hot.volumeGroup.name" }),
    fs: row(`${key}.filesystem`, {
      sizeBytes: `${key}.size`,
      device: "hot.volumeGroup.name",
      mkfsOptions: `${key}.mkfsOptions`,
    }),
    mount: row(`${key}.mountPoint`, {
      source: "hot.volumeGroup.name",
      type: `${key}.filesystem`,
      pass: `${key}.filesystem`,
      options: `${key}.options`,
      mountOverFiles: `${key}.mountOverFiles`,
    }),
    tree: row("hot.tree", { source: `${key}.mountPoint` }),
    folders: foldersOf(key, hot.layout === "lvm" ? `${key}.mountPoint` : "hot.tree"),
  };
  return byThing[thing];
}

/** Of the cold tier's volumes, which are named by the configuration. */
function volumeKeys({ cold }: HostSettings, part: string, own: string): Keys | undefined {
  const name = exportsOf(cold).find(({ name }) =>
    [`cold ${name}-mount`, `cold ${name}-folders`, `automation cold-${name}-folders`].includes(`${part} ${own}`),
  )?.name;
  if (name === undefined) return undefined;
  const key = `cold.volumes.${name}`;
  return own.endsWith("-mount") ? exportKeys(key) : foldersOf(key, `${key}.root`);
}

function exportKeys(section: string): Keys {
  return row(`${section}.mountPoint`, {
    server: `${section}.server`,
    export: `${section}.export`,
    version: `${section}.version`,
    options: `${section}.options`,
    mountOverFiles: `${section}.mountOverFiles`,
  });
}

function deviceKeys(hot: HotSettings & { readonly layout: "lvm" }, own: string): Keys | undefined {
  const index = devicesOf(hot).findIndex(({ path }, at) => deviceResource(at, path) === own);
  if (index === -1) return undefined;
  const key = `hot.${deviceKey(index)}`;
  return row(key, {
    device: `${key}.path`,
    sizeBytes: `${key}.size`,
    serial: `${key}.serial`,
    volumeGroup: "hot.volumeGroup.name",
    dataAlignmentBytes: "hot.volumeGroup.dataAlignment",
  });
}

/** Of an account the keys of the services whose folders it owns. */
function accountKeys(hot: HotSettings, own: string): Keys | undefined {
  const [ownership, account] = [...accountsOf(hot)].find(([, one]) => accountResource(one) === own) ?? [];
  if (account === undefined) return undefined;
  const key = account.user === undefined ? "group" : "owner";
  const services = serviceFolders(hot).filter(({ owner, group }) => `${owner}:${group}` === ownership);
  return { whole: services.map(({ service }) => `hot.volumes.${service}.${key}`), properties: {} };
}

/** The parts of a host whose resources are the same for every configuration, by part and name in it. */
const ROWS: Readonly<Record<string, Keys>> = {
  "warm fs": row("warm.device", {
    device: "warm.device.path",
    sizeBytes: "warm.device.size",
    serial: "warm.device.serial",
    label: "warm.label",
    mkfsOptions: "warm.mkfsOptions",
  }),
  "warm mount": row("warm.mountPoint", {
    source: "warm.label",
    options: "warm.options",
    mountOverFiles: "warm.mountOverFiles",
  }),
  "warm folders": foldersOf("warm", "warm.mountPoint"),
  "warm also": row("warm.alsoAt", { source: "warm.mountPoint" }),
  "cold mount": exportKeys("cold"),
  "cold cache": row("cold.cache", { file: "cold.cache.folder", sizeBytes: "cold.cache.size" }),
  "cold folders": foldersOf("cold", "cold.root"),
  "tuning sysctl": row("tuning.sysctl"),
  "tuning scheduler": row("tuning.scheduler"),
  "tuning fstrim": row("tuning.fstrimOnCalendar"),
  "automation settings": row("automation"),
  "automation scripts": row("automation"),
  "automation warm-folders": foldersOf("warm", "warm.mountPoint"),
  "automation cold-folders": foldersOf("cold", "cold.root"),
  "automation tiered-storage": row("automation.onCalendar"),
  "automation storage-health": row("automation.healthOnCalendar"),
  "automation lvm-snapshots": row("automation.snapshotOnCalendar"),
  "automation lvm-backup": row("automation.backupOnCalendar"),
  "automation lvm-backup-verify": row("automation.verifyOnCalendar"),
  "automation btrfs-scrub": row("automation.scrubOnCalendar"),
  "automation nas-archival": row("automation.archivalOnCalendar"),
};

function foldersOf(section: string, path: string): Keys {
  return row(`${section}.folders`, {
    path,
    owner: `${section}.owner`,
    group: `${section}.group`,
    mode: `${section}.mode`,
  });
}

function row(whole: string, properties: Keys["properties"] = {}): Keys {
  return { whole: [whole], properties };
}
