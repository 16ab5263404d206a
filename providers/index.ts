/**
 * The resources, as a program declares them. Their args are those of the kinds' own schemas, by types only: a program's
 * process loads no kind, since all that enters the state is a kind's name (docs/adr/0002).
 */
import * as pulumi from "@pulumi/pulumi";
import type { z } from "zod";
import type { kinds } from "./kinds.ts";

export type { OnDelete } from "./values/fields.ts";

type Kind = keyof typeof kinds;
type SchemaOf<K extends Kind> = (typeof kinds)[K]["inputs"];
type Declared<K extends Kind> = z.input<SchemaOf<K>>;
type Checked<K extends Kind> = z.output<SchemaOf<K>>;

/** A value that may come from another resource, whole or in part. */
type Given<T> = pulumi.Input<
  T extends readonly (infer Item)[] ? Given<Item>[] : T extends object ? { [P in keyof T]: Given<T[P]> } : T
>;

/** What a resource takes: what its kind's schema does, and what enters no state. */
type Args<K extends Kind> = { [P in keyof Declared<K>]: Given<Declared<K>[P]> } & {
  /**
   * Property → the configuration's key that it comes from, for what a preview refuses. It enters no state. Default:
   * none.
   */
  configKeys?: Readonly<Record<string, string>>;
};

export type PackagesArgs = Args<"Packages">;
export type PhysicalVolumeArgs = Args<"PhysicalVolume">;
export type VolumeGroupArgs = Args<"VolumeGroup">;
export type SystemUserArgs = Args<"SystemUser">;
export type LogicalVolumeArgs = Args<"LogicalVolume">;
export type FilesystemArgs = Args<"Filesystem">;
export type FstabEntryArgs = Args<"FstabEntry">;
export type NfsCacheArgs = Args<"NfsCache">;
export type NfsMountArgs = Args<"NfsMount">;
export type DirectoryArgs = Args<"Directory">;
export type ConfigFileArgs = Args<"ConfigFile">;
export type ScriptsArgs = Args<"Scripts">;
export type SystemdTimerArgs = Args<"SystemdTimer">;

/** What brings a file into effect in the running system. */
export type Activation = NonNullable<Declared<"ConfigFile">["activation"]>;
/** Directives of a section of a unit file; a list writes the directive once for each value. */
export type Directives = { [name: string]: Given<Declared<"SystemdTimer">["service"][string]> };

/**
 * A dynamic resource whose provider is a name, not code: state stays small, and a new version of this program
 * changes no resource. The text is the wire format of Pulumi's dynamic providers.
 */
abstract class HostResource extends pulumi.CustomResource {
  /** What the host has otherwise than declared, where no other property shows it; empty after an `up`. */
  declare readonly drift: pulumi.Output<string[]>;
  /** Only in a preview: why this can't be. */
  declare private readonly refused: pulumi.Output<readonly { readonly property: string; readonly reason: string }[]>;

  constructor(
    kind: Kind,
    name: string,
    { configKeys = {}, ...properties }: pulumi.Inputs & { readonly configKeys?: Readonly<Record<string, string>> },
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
          process.exitCode = SAID_WHAT_IS_WRONG;
        }
      });
    }
  }
}

/** By this exit code the language host knows that a program failed and that nothing is to be added to what it said. */
const SAID_WHAT_IS_WRONG = 32;

/**
 * Exactly what enters the state: where the provider's server finds the kind. In a checkout that is a file of the
 * program's folder; where the package is installed, and so is JavaScript, it is the package's.
 * @param module this module's own URL
 */
export function providerText(kind: string, module: string = import.meta.url): string {
  const entry = module.endsWith(".ts") ? "./providers/entry.ts" : "jts-storage/provider";
  return `exports.handler = () => require("${entry}").v1.${kind}()`;
}

/** A kind's resource: what was declared, as outputs, and what follows from it. */
type Resource<K extends Kind, Outputs> = HostResource & {
  readonly [P in keyof Checked<K>]: pulumi.Output<Checked<K>[P]>;
} & { readonly [P in keyof Outputs]: pulumi.Output<string> };

/** @param outputs what is known only after an `up`, or follows from the inputs */
function resource<K extends Kind, Outputs extends Readonly<Record<string, undefined>>>(kind: K, outputs: Outputs) {
  return class extends HostResource {
    constructor(name: string, args: Args<K>, options?: pulumi.CustomResourceOptions) {
      super(kind, name, { ...args, ...outputs }, options);
    }
  } as new (name: string, args: Args<K>, options?: pulumi.CustomResourceOptions) => Resource<K, Outputs>;
}

/** Debian packages. Those that are absent are installed, and none is ever removed. */
export class Packages extends resource("Packages", {}) {}

/** An LVM physical volume on a whole device. Refused on anything that isn't proved blank, or the wrong device. */
export class PhysicalVolume extends resource("PhysicalVolume", {
  /** As pvs(8) shows it; only the PV of this UUID will be removed. */
  uuid: undefined,
}) {}

/** An LVM volume group. One of this name on other devices is refused. */
export class VolumeGroup extends resource("VolumeGroup", {
  /** As vgs(8) shows it; only the VG of this UUID will be removed. */
  uuid: undefined,
}) {}

/** A system group and user; those that exist are left as they are. */
export class SystemUser extends resource("SystemUser", {}) {}

/** A linear LVM logical volume. A larger one of this name is refused. */
export class LogicalVolume extends resource("LogicalVolume", {
  /** /dev/VG/LV, known in previews. */
  path: undefined,
  /** As lvs(8) shows it; only the volume of this UUID will be removed. */
  uuid: undefined,
}) {}

/** A filesystem on a device. Made only where the device is proved blank; grown to its device, online. */
export class Filesystem extends resource("Filesystem", {
  /** As blkid(8) shows it; only the filesystem of this UUID will be wiped. */
  uuid: undefined,
}) {}

/**
 * A line of fstab(5) and its mount. A mount point that isn't empty is refused; options that don't mount fail in
 * preview.
 */
export class FstabEntry extends resource("FstabEntry", {
  /** The line without its line end, and without the option that marks it as ours. Known in previews. */
  fstabLine: undefined,
}) {}

/** A cache of a fixed size for NFS mounts with `fsc`, kept by cachefilesd(8). A host has at most one. */
export class NfsCache extends resource("NfsCache", {}) {}

/** An NFS export in fstab(5) and its mount. Nothing here waits for a server without a bound. */
export class NfsMount extends resource("NfsMount", {
  /** The line without its line end, and without the option that marks it as ours. Known in previews. */
  fstabLine: undefined,
}) {}

/** A folder and those below it. Deleting removes those that were made here and are empty. */
export class Directory extends resource("Directory", {}) {}

/** A file of ours, replaced in one step, and what it brings about in the running kernel. */
export class ConfigFile extends resource("ConfigFile", {}) {}

/** This package's scripts in a folder of a host, and a link to one of them. Deleting removes what was made here. */
export class Scripts extends resource("Scripts", {}) {}

/** A timer, enabled and running, with the service that it starts. Both are checked by systemd-analyze(1) first. */
export class SystemdTimer extends resource("SystemdTimer", {}) {}
