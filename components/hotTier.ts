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
    const users = this.#users();
    if (args.settings.layout === "lvm") this.#volumes(args.settings, users);
    else for (const folder of serviceFolders(args.settings)) this.#folders(folder, folder.treePath, users);
    this.registerOutputs({});
  }

  #users(): SystemUser[] {
    const { host, settings, onDelete } = this.#args;
    return accountsOf(settings).map(({ user, group, home }) => new SystemUser(`${this.#name}-user-${user ?? group}`, { host, group, user, ...(home === undefined ? {} : { home }), onDelete }, { parent: this }));
  }

  #volumes(settings: LvmSettings, users: readonly SystemUser[]): void {
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
    for (const volume of volumesOf(settings)) this.#volume(volume, group, users);
  }

  #volume(volume: VolumeLayout, group: VolumeGroup, users: readonly SystemUser[]): void {
    const { host, onDelete } = this.#args;
    const { service, name, device, sizeBytes, filesystem: type, mkfsOptions, mountPoint, options, pass, treePath } = volume;
    const child = `${this.#name}-${service}`;
    const logicalVolume = new LogicalVolume(`${child}-lv`, { host, volumeGroup: group.name, name, sizeBytes, onDelete }, this.#holdsData(group));
    const filesystem = new Filesystem(`${child}-fs`, { host, device, type, mkfsOptions: [...mkfsOptions], onDelete }, this.#holdsData(logicalVolume));
    const mount = new FstabEntry(`${child}-mount`, { host, source: device, mountPoint, type, options: [...options], pass }, { parent: this, dependsOn: [filesystem] });
    this.#folders(volume, mountPoint, [...users, mount]);
    new FstabEntry(`${child}-tree`, { host, source: mountPoint, mountPoint: treePath, type: "none", options: [...BIND_OPTIONS] }, { parent: this, dependsOn: [mount] });
  }

  #folders({ service, owner, group, mode, folders }: ServiceFolder, path: string, dependsOn: readonly pulumi.Resource[]): void {
    const { host } = this.#args;
    new Directory(`${this.#name}-${service}-folders`, { host, path, owner, group, mode, folders: [...folders] }, { parent: this, dependsOn: [...dependsOn] });
  }

  #holdsData(...dependsOn: pulumi.Resource[]): pulumi.CustomResourceOptions {
    return { parent: this, dependsOn, protect: this.#args.onDelete === "protect" };
  }
}
