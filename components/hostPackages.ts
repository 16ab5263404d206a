import { remote } from "@pulumi/command";
import * as pulumi from "@pulumi/pulumi";
import type { HostArgs } from "./arguments.ts";
import { remoteTo } from "./remote.ts";

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
    const { connection, asRoot } = remoteTo(args);
    new remote.Command(
      `${name}-install`,
      {
        connection,
        create: asRoot("install-packages", ...new Set([...EVERY_HOST, ...args.packages])),
        logging: "stderr",
        addPreviousOutputInEnv: false,
      },
      { parent: this },
    );
    this.registerOutputs({});
  }
}
