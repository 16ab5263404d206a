import * as pulumi from "@pulumi/pulumi";
import type { WarmSettings } from "../config.ts";
import { Directory, Filesystem, FstabEntry, type OnDelete } from "../providers/index.ts";
import { BIND_OPTIONS, warmAlsoAt, warmMount } from "./layout.ts";

export interface WarmTierArgs {
  /** The host's name: a key of `jts-storage:hosts`. */
  readonly host: string;
  readonly settings: WarmSettings;
  readonly onDelete: OnDelete;
}

/** The roomy tier: a compressed btrfs on one partition. */
export class WarmTier extends pulumi.ComponentResource {
  constructor(name: string, { host, settings, onDelete }: WarmTierArgs, options?: pulumi.ComponentResourceOptions) {
    super("jts-storage:WarmTier", name, {}, options);
    const { device, label, mountPoint, mountOverFiles, mkfsOptions, owner, group, mode, folders } = settings;
    const key = `${host}.warm`;
    const configKeys = {
      device: `${key}.device.path`,
      label: `${key}.label`,
      mkfsOptions: `${key}.mkfsOptions`,
      options: `${key}.options`,
    };
    const filesystem = new Filesystem(
      `${name}-fs`,
      {
        host,
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
    const { source, options: mountOptions } = warmMount(settings);
    const mount = new FstabEntry(
      `${name}-mount`,
      { host, source, mountPoint, mountOverFiles, type: "btrfs", options: [...mountOptions], configKeys },
      { parent: this, dependsOn: [filesystem] },
    );
    new Directory(
      `${name}-folders`,
      { host, path: mountPoint, owner, group, mode, folders },
      { parent: this, dependsOn: [mount] },
    );
    new FstabEntry(
      `${name}-also`,
      { host, source: mountPoint, mountPoint: warmAlsoAt(settings), type: "none", options: [...BIND_OPTIONS] },
      { parent: this, dependsOn: [mount] },
    );
    this.registerOutputs({});
  }
}
