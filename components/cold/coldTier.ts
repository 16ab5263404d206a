import * as pulumi from "@pulumi/pulumi";
import { packagesOf } from "../../providers/filesystems/index.ts";
import { Directory, NfsMount } from "../../providers/index.ts";
import { readArguments, type TierArgs } from "../arguments.ts";
import { withNetworkOptions } from "../mounts.ts";
import { findPlaceProblems, Order } from "../places.ts";
import type { Tier } from "../tier.ts";
import { coldLayout, coldRoot, coldSource, findColdProblems } from "./layout.ts";
import { coldArguments, coldSettings, type ColdInput, type ColdSettings } from "./settings.ts";

export interface ColdTierArgs extends Omit<TierArgs, "onDelete">, ColdInput {}

/**
 * The archive: an export of an NFS server, and the folders on it that are ours.
 *
 * @example
 * const cold = new ColdTier("nas", {
 *   host: "backup",
 *   server: "nas.lan",
 *   export: "/volume1/archive",
 *   mountPoint: "/mnt/nas",
 * });
 */
export class ColdTier extends pulumi.ComponentResource {
  /** Debian's packages that it needs: see HostPackages. */
  static readonly packages = packagesOf("nfs");

  readonly settings: ColdSettings;
  /** What is mounted, as `server:/export`. */
  readonly source: pulumi.Output<string>;
  /** Known once it is mounted. */
  readonly mountPoint: pulumi.Output<string>;
  /** The folder of the export that is ours, as the host sees it, once it is there. */
  readonly root: pulumi.Output<string>;

  constructor(name: string, args: ColdTierArgs, options?: pulumi.ComponentResourceOptions, given?: Order) {
    const { settings, on, configKey } = readArguments(name, args, coldArguments, (declared) => [
      ...findColdProblems(declared),
      ...findPlaceProblems([["", coldLayout(declared)]]),
    ]);
    super("jts-storage:ColdTier", name, {}, options);
    const { server, export: exported, mountPoint, mountOverFiles, keepFstab, version } = settings;
    const { owner, group, mode, folders } = settings;
    const order = given ?? new Order([coldLayout(settings)]);
    const mount = new NfsMount(
      `${name}-mount`,
      {
        ...on,
        server,
        export: exported,
        mountPoint,
        mountOverFiles,
        keepsLine: keepFstab,
        version,
        options: withNetworkOptions(settings.options, keepFstab),
        configKeys: { options: `${configKey}.options` },
      },
      { parent: this, dependsOn: order.before(mountPoint, []) },
    );
    const root = new Directory(
      `${name}-folders`,
      { ...on, path: coldRoot(settings), owner, group, mode, folders },
      { parent: this, dependsOn: order.before(mountPoint, [mount], settings) },
    );
    order.made([mountPoint], mount, root);

    this.settings = settings;
    this.source = pulumi.output(coldSource(settings));
    this.mountPoint = mount.mountPoint;
    this.root = root.path;
    this.registerOutputs({ source: this.source, mountPoint: this.mountPoint, root: this.root });
  }
}

export const cold = {
  settings: coldSettings,
  problems: findColdProblems,
  layout: coldLayout,
  component: (name, args, options, order) => new ColdTier(name, args, options, order),
} satisfies Tier<ColdSettings>;
