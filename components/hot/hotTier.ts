import * as pulumi from "@pulumi/pulumi";
import {
  Directory,
  Filesystem,
  FstabEntry,
  LogicalVolume,
  PhysicalVolume,
  SystemUser,
  VolumeGroup,
} from "../../providers/index.ts";
import { readArguments, type Arguments, type TierArgs } from "../arguments.ts";
import { BIND_OPTIONS } from "../mounts.ts";
import { findPlaceProblems, Order } from "../places.ts";
import type { Tier } from "../tier.ts";
import {
  accountResource,
  accountsOf,
  deviceKey,
  deviceResource,
  devicesOf,
  hotLayout,
  LVM_PACKAGES,
  namesOf,
  serviceFolders,
  volumesOf,
  type ServiceFolder,
  type VolumeLayout,
} from "./layout.ts";
import { findHotProblems } from "./problems.ts";
import { hotSettings, type HotInput, type HotSettings, type LvmSettings } from "./settings.ts";

export type HotTierArgs = TierArgs & HotInput;

/** Where a service's data is; each is known once it is there. */
export interface HotVolume {
  /** /dev/VG/LV; undefined with the layout `directories`. */
  readonly device?: pulumi.Output<string>;
  /** Where its folders are. */
  readonly path: pulumi.Output<string>;
  /** Where the hot tree shows them; without a tree, `path`. */
  readonly treePath: pulumi.Output<string>;
}

/**
 * The fast tier: a logical volume for each service, or plain folders. The tree, users, owners and modes are the same.
 *
 * @example
 * const hot = new HotTier("hot", {
 *   host: "db1",
 *   device: { path: "/dev/disk/by-id/nvme-X", size: "4TB" },
 *   volumes: { postgres: { size: "800GiB" }, scratch: { size: "10%VG", mountPoint: "/srv/scratch" } },
 * });
 * export const data = hot.volumes.postgres?.path;
 */
export class HotTier extends pulumi.ComponentResource {
  /** Debian's packages that it needs on LVM, and btrfs-progs where a volume is btrfs: see HostPackages. */
  static readonly packages = LVM_PACKAGES;

  readonly settings: HotSettings;
  /** By service. */
  readonly volumes: Readonly<Record<string, HotVolume>>;
  /** Undefined with the layout `directories`. */
  readonly volumeGroup: pulumi.Output<string> | undefined;
  /** Where volumes are mounted, and where the tree shows them. */
  readonly mountPoints: pulumi.Output<string[]>;

  readonly #name: string;
  readonly #declared: Arguments<HotSettings>;
  /** By the owner and group that they are for. */
  readonly #accounts = new Map<string, SystemUser>();

  readonly #order: Order;
  readonly #keepsLines: boolean | undefined;

  constructor(name: string, args: HotTierArgs, options?: pulumi.ComponentResourceOptions, order?: Order) {
    const declared = readArguments(name, args, hotSettings, (settings) => [
      ...findHotProblems(settings),
      ...findPlaceProblems([["", hotLayout(settings)]]),
    ]);
    super("jts-storage:HotTier", name, {}, options);
    this.#name = name;
    this.#declared = declared;
    const { settings } = declared;
    this.settings = settings;
    this.#keepsLines = settings.layout === "lvm" ? settings.keepFstab : undefined;
    this.#order = order ?? new Order([hotLayout(settings)]);

    if (settings.layout === "lvm") {
      const group = this.#makeVolumeGroup(settings);
      this.volumeGroup = group.name;
      this.volumes = Object.fromEntries(
        volumesOf(settings).map((volume) => [volume.service, this.#makeVolume(volume, group)]),
      );
      this.mountPoints = pulumi
        .all(Object.values(this.volumes).flatMap(({ path, treePath }) => [path, treePath]))
        .apply((paths) => (settings.tree === false ? [...new Set(paths)] : paths));
    } else {
      this.volumeGroup = undefined;
      this.volumes = Object.fromEntries(
        serviceFolders(settings).map((folder) => [
          folder.service,
          this.#makeDirectory(folder, `${settings.tree}/${folder.treeFolder}`),
        ]),
      );
      this.mountPoints = pulumi.output([]);
    }
    this.#reportAccounts();
    this.registerOutputs({ volumes: this.volumes, volumeGroup: this.volumeGroup, mountPoints: this.mountPoints });
  }

  #makeVolumeGroup(settings: LvmSettings): VolumeGroup {
    const { on, onDelete } = this.#declared;
    const { volumeGroup } = settings;
    const devices = devicesOf(settings);
    const physicalVolumes = devices.map((device, index) => {
      const key = deviceKey(index);
      return new PhysicalVolume(
        `${this.#name}-${deviceResource(index, device.path)}`,
        {
          ...on,
          device: device.path,
          sizeBytes: device.size,
          serial: device.serial,
          volumeGroup: volumeGroup.name,
          dataAlignmentBytes: volumeGroup.dataAlignment,
          onDelete,
          configKeys: this.#keys({
            device: `${key}.path`,
            sizeBytes: `${key}.size`,
            serial: `${key}.serial`,
            volumeGroup: "volumeGroup.name",
            dataAlignmentBytes: "volumeGroup.dataAlignment",
          }),
        },
        this.#holdsData(),
      );
    });
    return new VolumeGroup(
      `${this.#name}-vg`,
      {
        ...on,
        name: volumeGroup.name,
        physicalVolumes: devices.map(({ path }) => path),
        extentSizeBytes: volumeGroup.extentSize,
        onDelete,
        configKeys: this.#keys({ extentSizeBytes: "volumeGroup.extentSize" }),
      },
      this.#holdsData(...physicalVolumes),
    );
  }

  #makeVolume(volume: VolumeLayout, volumeGroup: VolumeGroup): HotVolume {
    const { on, onDelete } = this.#declared;
    const { service, name, device, sizeBytes, filesystem: type, mkfsOptions } = volume;
    const { mountPoint, mountOverFiles, options, pass, treePath } = volume;
    const child = `${this.#name}-${service}`;
    const key = `volumes.${service}`;
    const configKeys = this.#keys({
      sizeBytes: `${key}.size`,
      volumeGroup: "volumeGroup.name",
      device: "volumeGroup.name",
      type: `${key}.filesystem`,
      mkfsOptions: `${key}.mkfsOptions`,
      options: `${key}.options`,
    });
    const logicalVolume = new LogicalVolume(
      `${child}-lv`,
      { ...on, volumeGroup: volumeGroup.name, name, sizeBytes, onDelete, configKeys },
      this.#holdsData(volumeGroup),
    );
    const filesystem = new Filesystem(
      `${child}-fs`,
      {
        ...on,
        device,
        sizeBytes,
        type,
        mkfsOptions: [...mkfsOptions],
        onDelete,
        configKeys,
      },
      this.#holdsData(logicalVolume),
    );
    // Not before, since filesystems take longest.
    const account = this.#accountOf(volume, [logicalVolume]);
    const mount = new FstabEntry(
      `${child}-mount`,
      {
        ...on,
        source: device,
        mountPoint,
        mountOverFiles,
        keepsLine: this.#keepsLines,
        type,
        options: [...options],
        pass,
        configKeys,
      },
      { parent: this, dependsOn: this.#order.before(mountPoint, [filesystem], volume) },
    );
    const folders = this.#makeFolders(volume, mountPoint, [mount, ...account]);
    if (treePath === undefined) {
      this.#order.made([mountPoint], mount, folders);
      return { device: logicalVolume.path, path: folders.path, treePath: folders.path };
    }
    const tree = new FstabEntry(
      `${child}-tree`,
      {
        ...on,
        source: mountPoint,
        mountPoint: treePath,
        keepsLine: this.#keepsLines,
        type: "none",
        options: [...BIND_OPTIONS],
      },
      { parent: this, dependsOn: this.#order.before(treePath, [mount]) },
    );
    // The tree's mount is a peer of the volume's: what is mounted in one shows in the other, and keeps it busy.
    this.#order.made([mountPoint, treePath], mount, folders, tree);
    return { device: logicalVolume.path, path: folders.path, treePath: tree.mountPoint };
  }

  #makeDirectory(folder: ServiceFolder, treePath: string): HotVolume {
    const dependsOn = this.#order.before(treePath, this.#accountOf(folder, []));
    const folders = this.#makeFolders(folder, treePath, dependsOn);
    this.#order.made([treePath], folders);
    return { path: folders.path, treePath: folders.path };
  }

  #makeFolders(
    { service, owner, group, mode, folders }: ServiceFolder,
    path: string,
    dependsOn: pulumi.Input<pulumi.Resource[]>,
  ): Directory {
    return new Directory(
      `${this.#name}-${service}-folders`,
      { ...this.#declared.on, path, owner, group, mode, folders: [...folders] },
      { parent: this, dependsOn },
    );
  }

  /** The account that a service's folders belong to, made once for all that share it; none: they are root's. */
  #accountOf({ owner, group }: ServiceFolder, dependsOn: pulumi.Resource[]): SystemUser[] {
    const ownership = `${owner}:${group}`;
    const account = accountsOf(this.settings).get(ownership);
    if (account === undefined) return [];
    let user = this.#accounts.get(ownership);
    if (user === undefined) {
      user = new SystemUser(
        `${this.#name}-${accountResource(account)}`,
        { ...this.#declared.on, ...account, onDelete: this.#declared.onDelete },
        { parent: this, dependsOn },
      );
      this.#accounts.set(ownership, user);
    }
    return [user];
  }

  #reportAccounts(): void {
    const made = [...accountsOf(this.settings)].flatMap(([ownership, account]) =>
      namesOf(account).map((name) => ({ name, account: this.#accounts.get(ownership)! })),
    );
    for (const [name, all] of Map.groupBy(made, ({ name }) => name))
      this.#order.made([name], ...all.map(({ account }) => account));
  }

  #keys(keys: Readonly<Record<string, string>>): Record<string, string> {
    return Object.fromEntries(
      Object.entries(keys).map(([property, key]) => [property, `${this.#declared.configKey}.${key}`]),
    );
  }

  #holdsData(...dependsOn: pulumi.Resource[]): pulumi.CustomResourceOptions {
    return { parent: this, dependsOn, protect: this.#declared.onDelete === "protect" };
  }
}

export const hot = {
  settings: hotSettings,
  problems: findHotProblems,
  layout: hotLayout,
  component: (name, args, options, order) => new HotTier(name, args, options, order),
} satisfies Tier<HotSettings>;
