import { coldRoot } from "../components/cold/layout.ts";
import { accountsOf, devicesOf, volumesOf, type Account, type VolumeLayout } from "../components/hot/layout.ts";
import type { LvmSettings } from "../components/hot/settings.ts";
import { BIND_OPTIONS } from "../components/mounts.ts";
import { warmMount } from "../components/warm/layout.ts";
import type { HostSettings } from "../config.ts";
import type { FstabEntry } from "../providers/values/fstabText.ts";

/** What a host's settings ask for, as the benchmark's script and playbook need it. */
export interface Wanted {
  readonly accounts: readonly Account[];
  readonly devices: readonly string[];
  readonly volumeGroup: LvmSettings["volumeGroup"];
  readonly volumes: readonly VolumeLayout[];
  readonly filesystems: readonly {
    readonly type: string;
    readonly device: string;
    readonly options: readonly string[];
  }[];
  /** Each after the one that it shows. */
  readonly entries: readonly FstabEntry[];
  readonly trees: readonly Tree[];
  /** That of {@link trees} on the NAS. */
  readonly cold: Tree;
  /** Where the bind mounts of the hot tier are. */
  readonly hotTree: string;
  readonly sysctl: Readonly<Record<string, string>>;
  /** Units, a file of sysctl.d(5) and one of udev(7), as this program wrote them, by their paths. */
  readonly texts: ReadonlyMap<string, string>;
}

export interface Tree {
  readonly owner: string;
  readonly group: string;
  readonly mode: string;
  /** Each after the one that it is in. */
  readonly paths: readonly string[];
}

/** @throws {Error} on a host without one of the three tiers, or without the hot tree or tuning */
export function wantedOf({ hot, warm, cold, tuning }: HostSettings, texts: ReadonlyMap<string, string>): Wanted {
  if (hot?.layout !== "lvm" || hot.tree === false || warm === undefined || cold === undefined || tuning === false)
    throw new Error("The benchmark needs a hot tier on LVM with its tree, a warm and a cold one, and tuning.");
  const volumes = volumesOf(hot);
  const entry = (
    mountPoint: string,
    { source, type, options }: Pick<FstabEntry, "source" | "type" | "options">,
    pass = 0,
  ): FstabEntry => ({ source, mountPoint, type, options, dump: 0, pass });
  const bind = (mountPoint: string, source: string) =>
    entry(mountPoint, { source, type: "none", options: BIND_OPTIONS });
  const coldTree = tree(coldRoot(cold), cold);
  return {
    accounts: [...accountsOf(hot).values()],
    devices: devicesOf(hot).map(({ path }) => path),
    volumeGroup: hot.volumeGroup,
    volumes,
    filesystems: [
      ...volumes.map(({ filesystem, device, mkfsOptions }) => ({ type: filesystem, device, options: mkfsOptions })),
      { type: "btrfs", device: warm.device.path, options: ["-L", warm.label, ...warm.mkfsOptions] },
    ],
    entries: [
      ...volumes.map(({ mountPoint, device: source, filesystem: type, options, pass }) =>
        entry(mountPoint, { source, type, options }, pass),
      ),
      ...volumes.flatMap(({ mountPoint, treePath }) => (treePath === undefined ? [] : [bind(treePath, mountPoint)])),
      entry(warm.mountPoint, warmMount(warm)),
      ...(warm.alsoAt === false ? [] : [bind(warm.alsoAt, warm.mountPoint)]),
      entry(cold.mountPoint, {
        source: `${cold.server}:${cold.export}`,
        type: "nfs",
        options: [`vers=${cold.version}`, ...cold.options],
      }),
    ],
    trees: [...volumes.map((volume) => tree(volume.mountPoint, volume)), tree(warm.mountPoint, warm), coldTree],
    cold: coldTree,
    hotTree: hot.tree,
    sysctl: tuning.sysctl,
    texts,
  };
}

/** The paths of the texts in one folder. */
export function pathsIn(folder: string, { texts }: Wanted): string[] {
  return [...texts.keys()].filter((path) => path.startsWith(`${folder}/`));
}

/** The timers among the texts: `fstrim-all.timer`. */
export function timersOf({ texts }: Wanted): string[] {
  return [...texts.keys()]
    .filter((path) => path.endsWith(".timer"))
    .map((path) => path.slice(path.lastIndexOf("/") + 1));
}

function tree(
  root: string,
  { owner, group, mode, folders }: Omit<Tree, "paths"> & { readonly folders: readonly string[] },
): Tree {
  const all = folders.flatMap((folder) =>
    folder.split("/").map((_, index, names) => names.slice(0, index + 1).join("/")),
  );
  return { owner, group, mode, paths: [root, ...[...new Set(all)].sort().map((folder) => `${root}/${folder}`)] };
}
