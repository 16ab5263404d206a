import { remote } from "@pulumi/command";
import * as pulumi from "@pulumi/pulumi";
import type { HostSettings } from "../config.ts";
import { volumesOf } from "./layout.ts";
import { asRoot, connectionArgs } from "./remote.ts";

export interface HostPackagesArgs {
  readonly settings: HostSettings;
}

/** The Debian packages that a host's tiers and scripts need; those that are absent are installed, none is removed. */
export class HostPackages extends pulumi.ComponentResource {
  constructor(name: string, { settings }: HostPackagesArgs, options?: pulumi.ComponentResourceOptions) {
    super("jts-storage:HostPackages", name, {}, options);
    const { connection } = settings;
    new remote.Command(
      `${name}-install`,
      {
        connection: connectionArgs(connection),
        create: asRoot(connection, "install-packages", ...packagesFor(settings)),
        logging: "stderr",
        addPreviousOutputInEnv: false,
      },
      { parent: this },
    );
    this.registerOutputs({});
  }
}

/** What the tiers of a host need of Debian's packages. */
export function packagesFor({ hot, warm, cold, automation }: HostSettings): string[] {
  // psmisc's fuser names those who keep a mount busy.
  return [
    "psmisc",
    ...(hot?.layout === "lvm" ? ["lvm2", "xfsprogs", "e2fsprogs"] : []),
    ...(warm !== undefined || (hot?.layout === "lvm" && volumesOf(hot).some(({ filesystem }) => filesystem === "btrfs"))
      ? ["btrfs-progs"]
      : []),
    ...(cold === undefined ? [] : ["nfs-common"]),
    ...(automation === undefined
      ? []
      : ["python3", "python3-xxhash", "python3-zstandard", "zstd", "rsync", "smartmontools", "sysstat", "fio"]),
  ];
}
