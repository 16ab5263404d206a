import * as pulumi from "@pulumi/pulumi";
import { Packages } from "../providers/index.ts";
import type { HostArgs } from "./arguments.ts";

export interface HostPackagesArgs extends HostArgs {
  /** Names of Debian's packages, besides those that every host needs. One that is named twice counts once. */
  readonly packages: readonly string[];
}

/** psmisc has fuser(1), which names those who keep a mount busy. */
const EVERY_HOST = ["psmisc"];

/** The Debian packages that a host's tiers and scripts need; those that are absent are installed, none is removed. */
export class HostPackages extends pulumi.ComponentResource {
  constructor(name: string, args: HostPackagesArgs, options?: pulumi.ComponentResourceOptions) {
    super("jts-storage:HostPackages", name, {}, options);
    const { host, connection, packages } = args;
    new Packages(
      `${name}-installed`,
      {
        host,
        ...(connection === undefined ? {} : { connection }),
        names: [...new Set([...EVERY_HOST, ...packages])],
      },
      { parent: this },
    );
    this.registerOutputs({});
  }
}
