import { createHash } from "node:crypto";
import { remote } from "@pulumi/command";
import * as pulumi from "@pulumi/pulumi";
import type { HostSettings } from "../config.ts";
import { shownOptions } from "../providers/filesystems/mountOptions.ts";
import { HostTuning } from "./hostTuning.ts";
import { BIND_OPTIONS, coldRoot, serviceFolders, volumesOf, warmAlsoAt, warmMount } from "./layout.ts";
import { asRoot, connectionArgs } from "./remote.ts";
import { INSTALLED, scriptsManifest, TieringAutomation } from "./tieringAutomation.ts";

export interface VerificationArgs {
  /** The whole host's: all of it is verified. */
  readonly settings: HostSettings;
}

/**
 * Verifies, once all is made and again when what is declared changed, that the host is as declared and works:
 * scripts/verify-tiers.py, which `npm run verify` runs too. Its table shows below the resource while the `up` runs.
 */
export class Verification extends pulumi.ComponentResource {
  constructor(name: string, { settings }: VerificationArgs, options?: pulumi.ComponentResourceOptions) {
    super("jts-storage:Verification", name, {}, options);
    const { connection } = settings;
    new remote.Command(
      `${name}-run`,
      {
        connection: connectionArgs(connection),
        create: asRoot(connection, "verify", INSTALLED),
        stdin: JSON.stringify(declarationOf(settings)),
        triggers: [createHash("sha256").update(scriptsManifest()).digest("hex")],
        logging: "stdoutAndStderr",
        addPreviousOutputInEnv: false,
      },
      { parent: this },
    );
    this.registerOutputs({});
  }
}

/** What is expected of a host, as scripts/verify-tiers.py reads it. */
export interface Declaration {
  /** Options are those that the kernel shows. */
  readonly mounts: readonly {
    readonly point: string;
    readonly source: string;
    readonly type: string;
    readonly options: readonly string[];
  }[];
  readonly folders: readonly {
    readonly path: string;
    readonly owner: string;
    readonly group: string;
    readonly mode: string;
    readonly folders: readonly string[];
  }[];
  /** Timer → its calendar. */
  readonly timers: Readonly<Record<string, string>>;
  /** The tiers that a file is sent through, in this order. */
  readonly moves: readonly { readonly tier: string; readonly path: string; readonly mount: string }[];
}

export function declarationOf(settings: HostSettings): Declaration {
  const { hot, warm, cold, tuning, automation } = settings;
  const mount = (point: string, source: string, type: string, options: readonly string[]) => ({
    point,
    source,
    type,
    options: shownOptions(type, options),
  });
  const bind = (point: string, source: string) => mount(point, source, "none", BIND_OPTIONS);
  const folder = (
    path: string,
    { owner, group, mode, folders }: { owner: string; group: string; mode: string; folders: readonly string[] },
  ) => ({ path, owner, group, mode, folders });
  const volumes = hot?.layout === "lvm" ? volumesOf(hot) : [];
  const hotFolders =
    hot === undefined
      ? []
      : hot.layout === "lvm"
        ? volumes.map((volume) => folder(volume.mountPoint, volume))
        : serviceFolders(hot).map((service) => folder(service.treePath, service));
  // A folder of root's, where there is one: no service could put something in the way.
  const hotPath = (hotFolders.findLast(({ owner }) => owner === "root") ?? hotFolders[0])?.path;
  return {
    mounts: [
      ...volumes.map(({ mountPoint, device, filesystem, options }) => mount(mountPoint, device, filesystem, options)),
      ...volumes.map(({ mountPoint, treePath }) => bind(treePath, mountPoint)),
      ...(warm === undefined
        ? []
        : [
            mount(warm.mountPoint, warmMount(warm).source, "btrfs", warmMount(warm).options),
            bind(warmAlsoAt(warm), warm.mountPoint),
          ]),
      ...(cold === undefined
        ? []
        : [mount(cold.mountPoint, `${cold.server}:${cold.export}`, "nfs", [`vers=${cold.version}`, ...cold.options])]),
    ],
    folders: [
      ...hotFolders,
      ...(warm === undefined ? [] : [folder(warm.mountPoint, warm)]),
      ...(cold === undefined ? [] : [folder(coldRoot(cold), cold)]),
    ],
    timers: {
      ...(hot === undefined || tuning === false ? {} : HostTuning.timersOf(tuning, hot)),
      ...(automation === undefined ? {} : TieringAutomation.timersOf(settings, automation)),
    },
    moves:
      warm === undefined || automation === undefined
        ? []
        : [
            ...(hotPath === undefined ? [] : [{ tier: "hot", path: hotPath, mount: hotPath }]),
            { tier: "warm", path: warm.mountPoint, mount: warm.mountPoint },
            ...(cold === undefined ? [] : [{ tier: "cold", path: coldRoot(cold), mount: cold.mountPoint }]),
          ],
  };
}
