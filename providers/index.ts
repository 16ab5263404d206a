import * as pulumi from "@pulumi/pulumi";

/** What `destroy`, and removal from the program, do to what holds data; read from the state, so an `up` must have set it. */
export type OnDelete = "retain" | "wipe" | "protect";

/** What every resource takes. */
export interface HostArgs {
  /** The host's name: a key of `jts-storage:hosts`, which has its connection. A change makes another resource. */
  host: pulumi.Input<string>;
  /** Property → the configuration's key that it comes from, for what a preview refuses. It enters no state. Default: none. */
  configKeys?: Readonly<Record<string, string>>;
}

export interface PhysicalVolumeArgs extends HostArgs {
  /** The device's path, any that leads to it; /dev/disk/by-id/… stays the same over boots. It can't change. */
  device: pulumi.Input<string>;
  /** The device's size in bytes, checked on the host. Default: any. */
  sizeBytes?: pulumi.Input<number | undefined>;
  /** The serial number of the device, or of its disk, checked on the host. Default: any. */
  serial?: pulumi.Input<string | undefined>;
  /** The VG that it may be in; a PV of another one is refused. Default: any. */
  volumeGroup?: pulumi.Input<string | undefined>;
  /** Where the first extent starts is a multiple of this, in bytes. Default: 4 MiB. It can't change. */
  dataAlignmentBytes?: pulumi.Input<number>;
  /** Default: retain. */
  onDelete?: pulumi.Input<OnDelete>;
}

export interface VolumeGroupArgs extends HostArgs {
  /** As lvm(8) takes it. A change makes another resource. */
  name: pulumi.Input<string>;
  /**
   * Paths of devices that are PVs. One that is added joins by vgextend(8); one that is left out is emptied by pvmove(8),
   * while its volumes are in use, where the others have room, and then leaves by vgreduce(8).
   */
  physicalVolumes: pulumi.Input<pulumi.Input<string>[]>;
  /** In bytes, a power of 2. Default: 4 MiB. It can't change. */
  extentSizeBytes?: pulumi.Input<number>;
  /** Default: retain. */
  onDelete?: pulumi.Input<OnDelete>;
}

export interface LogicalVolumeArgs extends HostArgs {
  /** The VG's name. It can't change. */
  volumeGroup: pulumi.Input<string>;
  /** As lvm(8) takes it. It can't change. */
  name: pulumi.Input<string>;
  /** In bytes; LVM rounds up to whole extents. It can grow, online, and never shrink. */
  sizeBytes: pulumi.Input<number>;
  /** Default: retain. */
  onDelete?: pulumi.Input<OnDelete>;
}

export interface FilesystemArgs extends HostArgs {
  /** The path of a device; it must be proved blank, or already hold this very filesystem. It can't change. */
  device: pulumi.Input<string>;
  /** The device's size in bytes, checked on the host. Default: any. */
  sizeBytes?: pulumi.Input<number | undefined>;
  /** The serial number of the device, or of its disk, checked on the host. Default: any. */
  serial?: pulumi.Input<string | undefined>;
  /** It can't change: see docs/runbooks/change-a-filesystem.md. */
  type: pulumi.Input<"ext4" | "xfs" | "btrfs">;
  /** At most 16 characters for ext4, 12 for xfs, 255 for btrfs. Default: none. It can't change. */
  label?: pulumi.Input<string | undefined>;
  /** Arguments for mkfs.ext4(8), mkfs.xfs(8) or mkfs.btrfs(8), one each. A change counts for a new filesystem alone. */
  mkfsOptions?: pulumi.Input<pulumi.Input<string>[]>;
  /** Default: retain. */
  onDelete?: pulumi.Input<OnDelete>;
}

export interface FstabEntryArgs extends HostArgs {
  /** fs_spec of fstab(5): LABEL=, UUID=, a path that stays the same over boots, or a folder to bind. */
  source: pulumi.Input<string>;
  /** fs_file. Made where it is absent, and immutable while nothing is mounted on it. A change makes another resource. */
  mountPoint: pulumi.Input<string>;
  /** Mounts over a folder that isn't empty: what is in it is kept, and hidden. Default: false, that is refused. */
  mountOverFiles?: pulumi.Input<boolean | undefined>;
  /** fs_vfstype; `none` for a bind mount. */
  type: pulumi.Input<string>;
  /** fs_mntops, one each. Default: defaults. */
  options?: pulumi.Input<pulumi.Input<string>[]>;
  /** fs_freq. Default: 0. */
  dump?: pulumi.Input<number>;
  /** fs_passno. Default: 0, no fsck(8) at boot. */
  pass?: pulumi.Input<number>;
}

export interface NfsMountArgs extends HostArgs {
  /** Name or address of the NFS server. */
  server: pulumi.Input<string>;
  /** The exported folder on the server. */
  export: pulumi.Input<string>;
  /** Made where it is absent, and immutable while nothing is mounted on it. A change makes another resource. */
  mountPoint: pulumi.Input<string>;
  /** Mounts over a folder that isn't empty: what is in it is kept, and hidden. Default: false, that is refused. */
  mountOverFiles?: pulumi.Input<boolean | undefined>;
  /** The protocol's version, see nfs(5). Default: 4.2. */
  version?: pulumi.Input<"3" | "4" | "4.1" | "4.2">;
  /** Further mount options, one each. A server may grant smaller rsize and wsize: that is no drift. Default: none. */
  options?: pulumi.Input<pulumi.Input<string>[]>;
}

/** Directives of a section of a unit file; a list writes the directive once for each value. */
export type Directives = Record<string, pulumi.Input<string | number | boolean | string[]>>;

export interface SystemdTimerArgs extends HostArgs {
  /** The units' name, without `.timer` and `.service`. A change makes another resource. */
  name: pulumi.Input<string>;
  /** Description= of both units. */
  description: pulumi.Input<string>;
  /** When it elapses, see systemd.time(7), "Calendar events". */
  onCalendar: pulumi.Input<string>;
  /** RandomizedDelaySec=. Default: 0. */
  randomizedDelaySeconds?: pulumi.Input<number>;
  /** Whether a run that was missed is made up for, once. Default: true. */
  persistent?: pulumi.Input<boolean>;
  /** [Unit] of the service. Default: its description alone. */
  unit?: Directives;
  /** [Service] of the service; Type= is oneshot where it isn't given. */
  service: Directives;
}

export interface DirectoryArgs extends HostArgs {
  /** The absolute path of the topmost folder. A change makes another resource. */
  path: pulumi.Input<string>;
  /** A user that exists. Default: root. */
  owner?: pulumi.Input<string>;
  /** A group that exists. Default: root. */
  group?: pulumi.Input<string>;
  /** Octal digits. Default: 755. */
  mode?: pulumi.Input<string>;
  /** Paths below, of the same owner, group and mode. Default: none. */
  folders?: pulumi.Input<pulumi.Input<string>[]>;
}

export interface SystemUserArgs extends HostArgs {
  /** A system group, made where it is absent. */
  group: pulumi.Input<string>;
  /** A system user of the group, without a login shell, made where it is absent. Default: the group alone. */
  user?: pulumi.Input<string | undefined>;
  /** The user's home, which is not made. Default: /nonexistent. */
  home?: pulumi.Input<string>;
  /** `wipe` removes accounts that were made here; else they stay, since files bear their numbers. Default: retain. */
  onDelete?: pulumi.Input<OnDelete>;
}

/** What brings a file into effect in the running system. */
export type Activation =
  | { kind: "none" }
  /** sysctl --load; the kernel's values are compared too, and put back on delete. */
  | { kind: "sysctl" }
  /** udev's rules are read and applied to one block device, whose attribute in sysfs then has this value. */
  | { kind: "udev"; device: string; attribute: string; value: string };

export interface ConfigFileArgs extends HostArgs {
  /** An absolute path. A file that is there already and differs is refused. A change makes another resource. */
  path: pulumi.Input<string>;
  content: pulumi.Input<string>;
  /** Default: root. */
  owner?: pulumi.Input<string>;
  /** Default: root. */
  group?: pulumi.Input<string>;
  /** Octal digits. Default: 644. */
  mode?: pulumi.Input<string>;
  /** Default: none. */
  activation?: pulumi.Input<Activation>;
}

/**
 * A dynamic resource whose provider is a name, not code: state stays small, and a new version of this program
 * changes no resource. The text is the wire format of Pulumi's dynamic providers.
 */
abstract class HostResource extends pulumi.CustomResource {
  /** What the host has otherwise than declared, where no other property shows it; empty after an `up`. */
  declare readonly drift: pulumi.Output<string[]>;
  /** In a preview alone: why this can't be. */
  declare private readonly refused: pulumi.Output<readonly { readonly property: string; readonly reason: string }[]>;

  constructor(
    kind: string,
    name: string,
    { configKeys = {}, ...properties }: pulumi.Inputs & Pick<HostArgs, "configKeys">,
    options?: pulumi.CustomResourceOptions,
  ) {
    const preview = pulumi.runtime.isDryRun() ? { isPreview: true, refused: undefined } : {};
    super(
      `pulumi-nodejs:dynamic/jts-storage:${kind}`,
      name,
      { ...properties, ...preview, drift: undefined, __provider: providerText(kind) },
      options,
    );
    if (pulumi.runtime.isDryRun()) {
      this.refused.apply((refused) => {
        for (const { property, reason } of refused ?? []) {
          void pulumi.log.error(`${configKeys[property] ?? property}: ${reason}`, this);
          process.exitCode = TOLD_WHAT_IS_WRONG;
        }
      });
    }
  }
}

/** By this exit code the language host knows that a program failed and that nothing is to be added to what it said. */
const TOLD_WHAT_IS_WRONG = 32;

/** Exactly what enters the state; entry.ts keeps every name that it ever had. */
export function providerText(kind: string): string {
  return `exports.handler = () => require("./providers/entry.ts").v1.${kind}()`;
}

/** An LVM physical volume on a whole device. Refused on anything that isn't proved blank, or the wrong device. */
export class PhysicalVolume extends HostResource {
  declare readonly device: pulumi.Output<string>;
  declare readonly uuid: pulumi.Output<string>;
  constructor(name: string, args: PhysicalVolumeArgs, options?: pulumi.CustomResourceOptions) {
    super("PhysicalVolume", name, { ...args, uuid: undefined }, options);
  }
}

/** An LVM volume group. One of this name on other devices is refused. */
export class VolumeGroup extends HostResource {
  declare readonly name: pulumi.Output<string>;
  declare readonly uuid: pulumi.Output<string>;
  constructor(name: string, args: VolumeGroupArgs, options?: pulumi.CustomResourceOptions) {
    super("VolumeGroup", name, { ...args, uuid: undefined }, options);
  }
}

/** A linear LVM logical volume. A larger one of this name is refused. */
export class LogicalVolume extends HostResource {
  declare readonly name: pulumi.Output<string>;
  /** /dev/VG/LV, known in previews. */
  declare readonly path: pulumi.Output<string>;
  declare readonly sizeBytes: pulumi.Output<number>;
  declare readonly uuid: pulumi.Output<string>;
  constructor(name: string, args: LogicalVolumeArgs, options?: pulumi.CustomResourceOptions) {
    super("LogicalVolume", name, { ...args, path: undefined, uuid: undefined }, options);
  }
}

/** A filesystem on a device. Made only where the device is proved blank; grown to its device, online. */
export class Filesystem extends HostResource {
  declare readonly device: pulumi.Output<string>;
  declare readonly uuid: pulumi.Output<string>;
  constructor(name: string, args: FilesystemArgs, options?: pulumi.CustomResourceOptions) {
    super("Filesystem", name, { ...args, uuid: undefined }, options);
  }
}

/** A line of fstab(5) and its mount. A mount point that isn't empty is refused; options that don't mount fail in preview. */
export class FstabEntry extends HostResource {
  declare readonly mountPoint: pulumi.Output<string>;
  /** The line without its line end, and without the option that marks it as ours. */
  declare readonly fstabLine: pulumi.Output<string>;
  constructor(name: string, args: FstabEntryArgs, options?: pulumi.CustomResourceOptions) {
    super("FstabEntry", name, { ...args, fstabLine: undefined }, options);
  }
}

/** An NFS export in fstab(5) and its mount. Nothing here waits for a server without a bound. */
export class NfsMount extends HostResource {
  declare readonly mountPoint: pulumi.Output<string>;
  declare readonly fstabLine: pulumi.Output<string>;
  constructor(name: string, args: NfsMountArgs, options?: pulumi.CustomResourceOptions) {
    super("NfsMount", name, { ...args, fstabLine: undefined }, options);
  }
}

/** A timer, enabled and running, with the service that it starts. Both are checked by systemd-analyze(1) first. */
export class SystemdTimer extends HostResource {
  declare readonly name: pulumi.Output<string>;
  constructor(name: string, args: SystemdTimerArgs, options?: pulumi.CustomResourceOptions) {
    super("SystemdTimer", name, { ...args }, options);
  }
}

/** A folder and those below it. Deleting removes those that were made here and are empty. */
export class Directory extends HostResource {
  declare readonly path: pulumi.Output<string>;
  constructor(name: string, args: DirectoryArgs, options?: pulumi.CustomResourceOptions) {
    super("Directory", name, { ...args }, options);
  }
}

/** A system group and user; those that exist are left as they are. */
export class SystemUser extends HostResource {
  constructor(name: string, args: SystemUserArgs, options?: pulumi.CustomResourceOptions) {
    super("SystemUser", name, { ...args }, options);
  }
}

/** A file of ours, replaced in one step, and what it brings about in the running kernel. */
export class ConfigFile extends HostResource {
  declare readonly path: pulumi.Output<string>;
  constructor(name: string, args: ConfigFileArgs, options?: pulumi.CustomResourceOptions) {
    super("ConfigFile", name, { ...args }, options);
  }
}
