import * as pulumi from "@pulumi/pulumi";
import { packagesOf } from "../../providers/filesystems/index.ts";
import { Directory, NfsCache, NfsMount } from "../../providers/index.ts";
import { readArguments, type TierArgs } from "../arguments.ts";
import { findPlaceProblems, Order } from "../places.ts";
import type { Tier } from "../tier.ts";
import {
  cacheFile,
  coldLayout,
  coldOptions,
  coldRoot,
  coldSource,
  exportsOf,
  findColdProblems,
  type ColdExport,
} from "./layout.ts";
import { coldArguments, coldSettings, type ColdInput, type ColdSettings } from "./settings.ts";

export interface ColdTierArgs extends Omit<TierArgs, "onDelete">, ColdInput {}

/** One of its exports. */
export interface ColdVolume {
  /** What is mounted, as `server:/export`. */
  readonly source: pulumi.Output<string>;
  /** Known once it is mounted. */
  readonly mountPoint: pulumi.Output<string>;
  /** The folder of the export that is ours, as the host sees it, once it is there. */
  readonly root: pulumi.Output<string>;
}

/**
 * The archive: an export of an NFS server or several, and the folders on them that are ours.
 *
 * @example
 * const cold = new ColdTier("nas", {
 *   host: "backup",
 *   server: "nas.lan",
 *   export: "/volume1/archive",
 *   mountPoint: "/mnt/nas",
 * });
 */
export class ColdTier extends pulumi.ComponentResource implements ColdVolume {
  /** Debian's packages that it needs: see HostPackages. With a `cache` it needs cachefilesd and e2fsprogs, too. */
  static readonly packages = packagesOf("nfs");

  readonly settings: ColdSettings;
  /** What is mounted, as `server:/export`. */
  readonly source: pulumi.Output<string>;
  /** Known once it is mounted. */
  readonly mountPoint: pulumi.Output<string>;
  /** The folder of the export that is ours, as the host sees it, once it is there. */
  readonly root: pulumi.Output<string>;
  /** The same of its further exports, by name. */
  readonly volumes: Readonly<Record<string, ColdVolume>>;

  constructor(name: string, args: ColdTierArgs, options?: pulumi.ComponentResourceOptions, given?: Order) {
    const { settings, on, configKey } = readArguments(name, args, coldArguments, (declared) => [
      ...findColdProblems(declared),
      ...findPlaceProblems([["", coldLayout(declared)]]),
    ]);
    super("jts-storage:ColdTier", name, {}, options);
    const { cache } = settings;
    const order = given ?? new Order([coldLayout(settings)]);
    // Before the mounts, which use it, and gone after them.
    const caches =
      cache === undefined
        ? []
        : [
            new NfsCache(
              `${name}-cache`,
              {
                ...on,
                file: cacheFile(cache),
                sizeBytes: cache.size,
                configKeys: { file: `${configKey}.cache.folder`, sizeBytes: `${configKey}.cache.size` },
              },
              { parent: this, dependsOn: order.before(cacheFile(cache), []) },
            ),
          ];
    const make = (one: ColdExport): ColdVolume => {
      const { server, export: exported, mountPoint, mountOverFiles, keepFstab, version } = one;
      const { owner, group, mode, folders, prefix } = one;
      const own = prefix === "" ? name : `${name}-${one.name}`;
      const mount = new NfsMount(
        `${own}-mount`,
        {
          ...on,
          server,
          export: exported,
          mountPoint,
          mountOverFiles,
          keepsLine: keepFstab,
          version,
          options: coldOptions(one),
          configKeys: { options: `${configKey}.${prefix}options` },
        },
        { parent: this, dependsOn: order.before(mountPoint, caches) },
      );
      const root = new Directory(
        `${own}-folders`,
        { ...on, path: coldRoot(one), owner, group, mode, folders },
        { parent: this, dependsOn: order.before(mountPoint, [mount], one) },
      );
      order.made([mountPoint], mount, root);
      return { source: pulumi.output(coldSource(one)), mountPoint: mount.mountPoint, root: root.path };
    };

    this.settings = settings;
    const [own, ...volumes] = exportsOf(settings);
    const { source, mountPoint, root } = make(own!);
    this.source = source;
    this.mountPoint = mountPoint;
    this.root = root;
    this.volumes = Object.fromEntries(volumes.map((one) => [one.name, make(one)]));
    this.registerOutputs({ source, mountPoint, root, ...(volumes.length > 0 && { volumes: this.volumes }) });
  }
}

export const cold = {
  settings: coldSettings,
  problems: findColdProblems,
  layout: coldLayout,
  component: (name, args, options, order) => new ColdTier(name, args, options, order),
} satisfies Tier<ColdSettings>;
