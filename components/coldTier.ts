import * as pulumi from "@pulumi/pulumi";
import type { ColdSettings } from "../config.ts";
import { Directory, NfsMount } from "../providers/index.ts";
import { coldRoot } from "./layout.ts";

export interface ColdTierArgs {
  /** The host's name: a key of `jts-storage:hosts`. */
  readonly host: string;
  readonly settings: ColdSettings;
}

/** The archive: an export of the NAS, and the folders on it that are ours. */
export class ColdTier extends pulumi.ComponentResource {
  constructor(name: string, { host, settings }: ColdTierArgs, options?: pulumi.ComponentResourceOptions) {
    super("jts-storage:ColdTier", name, {}, options);
    const {
      server,
      export: folder,
      mountPoint,
      mountOverFiles,
      version,
      options: mountOptions,
      owner,
      group,
      mode,
      folders,
    } = settings;
    const mount = new NfsMount(
      `${name}-mount`,
      {
        host,
        server,
        export: folder,
        mountPoint,
        mountOverFiles,
        version,
        options: mountOptions,
        configKeys: { options: `${host}.cold.options` },
      },
      { parent: this },
    );
    new Directory(
      `${name}-folders`,
      { host, path: coldRoot(settings), owner, group, mode, folders },
      { parent: this, dependsOn: [mount] },
    );
    this.registerOutputs({});
  }
}
