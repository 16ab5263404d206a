import * as pulumi from "@pulumi/pulumi";
import type { HotSettings, LvmSettings } from "../config.ts";
import {
  Directory,
  Filesystem,
  FstabEntry,
  LogicalVolume,
  PhysicalVolume,
  SystemUser,
  VolumeGroup,
  type OnDelete,
} from "../providers/index.ts";
import {
  accountsOf,
  BIND_OPTIONS,
  devicesOf,
  serviceFolders,
  volumesOf,
  type ServiceFolder,
  type VolumeLayout,
} from "./layout.ts";

export interface HotTierArgs {
  /** The host's name: a key of `jts-storage:hosts`. */
  readonly host: string;
  readonly settings: HotSettings;
  readonly onDelete: OnDelete;
}

/** The fast tier: a logical volume for each service, or plain folders; the same tree, users, owners and modes either way. */
export class HotTier extends pulumi.ComponentResource {
  readonly #name: string;
  readonly #args: HotTierArgs;
  /** By the owner and group that they are for. */
  readonly #accounts = new Map<string, SystemUser>();

  constructor(name: string, args: HotTierArgs, options?: pulumi.ComponentResourceOptions) {
    super("jts-storage:HotTier", name, {}, options);
    this.#name = name;
    this.#args = args;
    if (args.settings.layout === "lvm") this.#volumes(args.settings);
    else
      for (const folder of serviceFolders(args.settings))
        this.#folders(folder, folder.treePath, [], this.#accountOf(folder, []));
    this.registerOutputs({});
  }

  /** The account that a service's folders belong to, made once for all that share it; undefined: root's. */
  #accountOf({ owner, group }: ServiceFolder, dependsOn: readonly pulumi.Resource[]): SystemUser | undefined {
    const { host, settings, onDelete } = this.#args;
    const ownership = `${owner}:${group}`;
    const account = accountsOf(settings).get(ownership);
    if (account === undefined || this.#accounts.has(ownership)) return this.#accounts.get(ownership);
    const which =
      account.user === undefined ? `group-${group}` : owner === group ? `user-${owner}` : `user-${owner}-${group}`;
    const made = new SystemUser(
      `${this.#name}-${which}`,
      { host, ...account, onDelete },
      { parent: this, dependsOn: [...dependsOn] },
    );
    this.#accounts.set(ownership, made);
    return made;
  }

  #volumes(settings: LvmSettings): void {
    const { host, onDelete } = this.#args;
    const { volumeGroup } = settings;
    const devices = devicesOf(settings);
    const physicalVolumes = devices.map((device, index) => {
      const at = index === 0 ? "device" : `additionalDevices.${index - 1}`;
      // The main device is the tier's; each further one is known by its path.
      const name = index === 0 ? "pv" : `pv-${device.path.slice("/dev/".length).replaceAll("/", "-")}`;
      return new PhysicalVolume(
        `${this.#name}-${name}`,
        {
          host,
          device: device.path,
          sizeBytes: device.size,
          serial: device.serial,
          volumeGroup: volumeGroup.name,
          dataAlignmentBytes: volumeGroup.dataAlignment,
          onDelete,
          configKeys: this.#keys({
            device: `${at}.path`,
            sizeBytes: `${at}.size`,
            serial: `${at}.serial`,
            volumeGroup: "volumeGroup.name",
            dataAlignmentBytes: "volumeGroup.dataAlignment",
          }),
        },
        this.#holdsData(),
      );
    });
    const group = new VolumeGroup(
      `${this.#name}-vg`,
      {
        host,
        name: volumeGroup.name,
        physicalVolumes: devices.map(({ path }) => path),
        extentSizeBytes: volumeGroup.extentSize,
        onDelete,
        configKeys: this.#keys({ extentSizeBytes: "volumeGroup.extentSize" }),
      },
      this.#holdsData(...physicalVolumes),
    );
    for (const volume of volumesOf(settings)) this.#volume(volume, group);
  }

  #volume(volume: VolumeLayout, volumeGroup: VolumeGroup): void {
    const { host, onDelete } = this.#args;
    const {
      service,
      name,
      device,
      sizeBytes,
      filesystem: type,
      mkfsOptions,
      mountPoint,
      mountOverFiles,
      options,
      pass,
      treePath,
    } = volume;
    const child = `${this.#name}-${service}`;
    const at = `volumes.${service}`;
    const configKeys = this.#keys({
      sizeBytes: `${at}.size`,
      volumeGroup: "volumeGroup.name",
      device: "volumeGroup.name",
      type: `${at}.filesystem`,
      mkfsOptions: `${at}.mkfsOptions`,
      options: `${at}.options`,
    });
    const logicalVolume = new LogicalVolume(
      `${child}-lv`,
      { host, volumeGroup: volumeGroup.name, name, sizeBytes, onDelete, configKeys },
      this.#holdsData(volumeGroup),
    );
    const filesystem = new Filesystem(
      `${child}-fs`,
      { host, device, sizeBytes, type, mkfsOptions: [...mkfsOptions], onDelete, configKeys },
      this.#holdsData(logicalVolume),
    );
    // Not before, since filesystems take longest.
    const account = this.#accountOf(volume, [logicalVolume]);
    const mount = new FstabEntry(
      `${child}-mount`,
      { host, source: device, mountPoint, mountOverFiles, type, options: [...options], pass, configKeys },
      { parent: this, dependsOn: [filesystem] },
    );
    this.#folders(volume, mountPoint, [mount], account);
    new FstabEntry(
      `${child}-tree`,
      { host, source: mountPoint, mountPoint: treePath, type: "none", options: [...BIND_OPTIONS] },
      { parent: this, dependsOn: [mount] },
    );
  }

  #folders(
    { service, owner, group, mode, folders }: ServiceFolder,
    path: string,
    mounts: readonly FstabEntry[],
    account: SystemUser | undefined,
  ): void {
    const { host } = this.#args;
    const dependsOn = account === undefined ? [...mounts] : [...mounts, account];
    new Directory(
      `${this.#name}-${service}-folders`,
      { host, path, owner, group, mode, folders: [...folders] },
      { parent: this, dependsOn },
    );
  }

  #keys(keys: Readonly<Record<string, string>>): Record<string, string> {
    return Object.fromEntries(
      Object.entries(keys).map(([property, key]) => [property, `${this.#args.host}.hot.${key}`]),
    );
  }

  #holdsData(...dependsOn: pulumi.Resource[]): pulumi.CustomResourceOptions {
    return { parent: this, dependsOn, protect: this.#args.onDelete === "protect" };
  }
}
