import * as pulumi from "@pulumi/pulumi";
import { packagesOf } from "../../providers/filesystems/index.ts";
import { Directory, Filesystem, FstabEntry } from "../../providers/index.ts";
import { readArguments, type TierArgs } from "../arguments.ts";
import { BIND_OPTIONS } from "../mounts.ts";
import { findPlaceProblems, Order } from "../places.ts";
import type { Tier } from "../tier.ts";
import { findWarmProblems, warmLayout, warmMount } from "./layout.ts";
import { warmArguments, warmSettings, type WarmInput, type WarmSettings } from "./settings.ts";

export interface WarmTierArgs extends TierArgs, WarmInput {}

/**
 * The roomy tier: a compressed btrfs on one partition.
 *
 * @example
 * const warm = new WarmTier("data", {
 *   host: "backup",
 *   device: { path: "/dev/disk/by-id/ata-X-part2" },
 *   mountPoint: "/srv/data",
 * });
 */
export class WarmTier extends pulumi.ComponentResource {
  /** Debian's packages that it needs: see HostPackages. */
  static readonly packages = packagesOf("btrfs");

  readonly settings: WarmSettings;
  /** The device that the filesystem is on, once it is there. */
  readonly device: pulumi.Output<string>;
  /** Known once it is mounted. */
  readonly mountPoint: pulumi.Output<string>;
  /** The other folder that shows the same, once it does; undefined: there is none. */
  readonly alsoAt: pulumi.Output<string> | undefined;

  constructor(name: string, args: WarmTierArgs, options?: pulumi.ComponentResourceOptions, given?: Order) {
    const { settings, on, onDelete, configKey } = readArguments(name, args, warmArguments, (declared) => [
      ...findWarmProblems(declared),
      ...findPlaceProblems([["", warmLayout(declared)]]),
    ]);
    super("jts-storage:WarmTier", name, {}, options);
    const { device, label, mountPoint, mountOverFiles, alsoAt, keepFstab, mkfsOptions } = settings;
    const { owner, group, mode, folders } = settings;
    const configKeys = {
      device: `${configKey}.device.path`,
      label: `${configKey}.label`,
      mkfsOptions: `${configKey}.mkfsOptions`,
      options: `${configKey}.options`,
    };
    const order = given ?? new Order([warmLayout(settings)]);
    const { source, type, options: mountOptions } = warmMount(settings);
    const filesystem = new Filesystem(
      `${name}-fs`,
      {
        ...on,
        device: device.path,
        sizeBytes: device.size,
        serial: device.serial,
        type: "btrfs",
        label,
        mkfsOptions,
        onDelete,
        configKeys,
      },
      { parent: this, protect: onDelete === "protect" },
    );
    const mount = new FstabEntry(
      `${name}-mount`,
      { ...on, source, mountPoint, mountOverFiles, keepsLine: keepFstab, type, options: [...mountOptions], configKeys },
      { parent: this, dependsOn: order.before(mountPoint, [filesystem], settings) },
    );
    const tree = new Directory(
      `${name}-folders`,
      { ...on, path: mountPoint, owner, group, mode, folders },
      { parent: this, dependsOn: order.before(mountPoint, [mount], settings) },
    );
    const also =
      alsoAt === false
        ? undefined
        : new FstabEntry(
            `${name}-also`,
            {
              ...on,
              source: mountPoint,
              mountPoint: alsoAt,
              keepsLine: keepFstab,
              type: "none",
              options: [...BIND_OPTIONS],
            },
            { parent: this, dependsOn: order.before(alsoAt, [mount]) },
          );
    const paths = [mountPoint, ...(alsoAt === false ? [] : [alsoAt])];
    order.made(paths, mount, tree, ...(also === undefined ? [] : [also]));

    this.settings = settings;
    this.device = filesystem.device;
    this.mountPoint = mount.mountPoint;
    this.alsoAt = also?.mountPoint;
    this.registerOutputs({ device: this.device, mountPoint: this.mountPoint, alsoAt: this.alsoAt });
  }
}

export const warm = {
  settings: warmSettings,
  problems: findWarmProblems,
  layout: warmLayout,
  component: (name, args, options, order) => new WarmTier(name, args, options, order),
} satisfies Tier<WarmSettings>;
