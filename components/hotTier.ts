import * as pulumi from "@pulumi/pulumi";
import type { HotSettings, LvmSettings } from "../config.ts";
import { Directory, Filesystem, FstabEntry, LogicalVolume, PhysicalVolume, SystemUser, VolumeGroup, type OnDelete } from "../providers/index.ts";
import { accountsOf, BIND_OPTIONS, serviceFolders, volumesOf, type ServiceFolder, type VolumeLayout } from "./layout.ts";

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

  constructor(name: string, args: HotTierArgs, options?: pulumi.ComponentResourceOptions) {
    super("jts-storage:HotTier", name, {}, options);
    this.#name = name;
    this.#args = args;
    if (args.settings.layout === "lvm") this.#volumes(args.settings);
    else {
      const users = this.#users();
      for (const folder of serviceFolders(args.settings)) this.#folders(folder, folder.treePath, users, []);
    }
    this.registerOutputs({});
  }

  /** By the owner and group that they are for. */
  #users(dependsOn: readonly pulumi.Resource[] = []): ReadonlyMap<string, SystemUser> {
    const { host, settings, onDelete } = this.#args;
    return new Map(
      [...accountsOf(settings)].map(([ownership, { user, group, home }]) => {
        const which = user === undefined ? `group-${group}` : user === group ? `user-${user}` : `user-${user}-${group}`;
        return [ownership, new SystemUser(`${this.#name}-${which}`, { host, group, user, ...(home === undefined ? {} : { home }), onDelete }, { parent: this, dependsOn: [...dependsOn] })];
      }),
    );
  }

  #volumes(settings: LvmSettings): void {
    const { host, onDelete } = this.#args;
    const { device, volumeGroup } = settings;
    const physicalVolume = new PhysicalVolume(
      `${this.#name}-pv`,
      { host, device: device.path, sizeBytes: device.size, serial: device.serial, dataAlignmentBytes: volumeGroup.dataAlignment, onDelete },
      this.#holdsData(),
    );
    const group = new VolumeGroup(
      `${this.#name}-vg`,
      { host, name: volumeGroup.name, physicalVolumes: [device.path], extentSizeBytes: volumeGroup.extentSize, onDelete },
      this.#holdsData(physicalVolume),
    );
    // Accounts are made while filesystems are, which takes longest.
    const users = this.#users([group]);
    for (const volume of volumesOf(settings)) this.#volume(volume, group, users);
  }

  #volume(volume: VolumeLayout, group: VolumeGroup, users: ReadonlyMap<string, SystemUser>): void {
    const { host, onDelete } = this.#args;
    const { service, name, device, sizeBytes, filesystem: type, mkfsOptions, mountPoint, options, pass, treePath } = volume;
    const child = `${this.#name}-${service}`;
    const logicalVolume = new LogicalVolume(`${child}-lv`, { host, volumeGroup: group.name, name, sizeBytes, onDelete }, this.#holdsData(group));
    const filesystem = new Filesystem(`${child}-fs`, { host, device, sizeBytes, type, mkfsOptions: [...mkfsOptions], onDelete }, this.#holdsData(logicalVolume));
    const mount = new FstabEntry(`${child}-mount`, { host, source: device, mountPoint, type, options: [...options], pass }, { parent: this, dependsOn: [filesystem] });
    this.#folders(volume, mountPoint, users, [mount]);
    new FstabEntry(`${child}-tree`, { host, source: mountPoint, mountPoint: treePath, type: "none", options: [...BIND_OPTIONS] }, { parent: this, dependsOn: [mount] });
  }

  #folders({ service, owner, group, mode, folders }: ServiceFolder, path: string, users: ReadonlyMap<string, SystemUser>, mounts: readonly FstabEntry[]): void {
    const { host } = this.#args;
    const account = users.get(`${owner}:${group}`);
    const dependsOn = account === undefined ? [...mounts] : [...mounts, account];
    new Directory(`${this.#name}-${service}-folders`, { host, path, owner, group, mode, folders: [...folders] }, { parent: this, dependsOn });
  }

  #holdsData(...dependsOn: pulumi.Resource[]): pulumi.CustomResourceOptions {
    return { parent: this, dependsOn, protect: this.#args.onDelete === "protect" };
  }
}
