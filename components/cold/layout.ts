import { findOptionProblems, type KnownMount } from "../mounts.ts";
import type { Problem } from "../problem.ts";
import type { TierLayout } from "../tier.ts";
import type { ColdSettings } from "./settings.ts";

/** The entry of fstab(5) that mounts the cold tier. */
export function coldMount({ server, export: folder, mountPoint, version, options }: ColdSettings): KnownMount {
  return { point: mountPoint, source: `${server}:${folder}`, type: "nfs", options: [`vers=${version}`, ...options] };
}

/** The folder of the export that is ours, as the host sees it. */
export function coldRoot({ mountPoint, root }: ColdSettings): string {
  return `${mountPoint}/${root}`;
}

/** What no host could carry out. */
export function findColdProblems(cold: ColdSettings): Problem[] {
  const { source, type } = coldMount(cold);
  return findOptionProblems({ type, source, options: cold.options, pass: 0 });
}

export function coldLayout(cold: ColdSettings) {
  const { mountPoint, version, owner, group, mode, folders } = cold;
  const root = coldRoot(cold);
  const mount = coldMount(cold);
  return {
    packages: ["nfs-common"],
    devices: [],
    mountPoints: [{ key: "mountPoint", path: mountPoint }],
    mounts: [mount],
    folders: [{ path: root, owner, group, mode, folders }],
    probe: { path: root, mount: mountPoint },
    script: { mountPoint, source: mount.source, root },
    summary: { source: mount.source, filesystem: `NFS ${version}`, mountPoint, folders: root },
  } satisfies TierLayout;
}
