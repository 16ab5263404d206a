import * as pulumi from "@pulumi/pulumi";
import { packagesOf } from "../../providers/filesystems/index.ts";
import { findOptionProblems, findReadOnlyProblems } from "../mounts.ts";
import type { Problem } from "../problem.ts";
import type { TierLayout } from "../tier.ts";
import type { ColdSettings } from "./settings.ts";

/** What is mounted as the cold tier, as `server:/export`. */
export function coldSource({ server, export: exported }: ColdSettings): pulumi.Input<string> {
  const isKnown = typeof server === "string" && typeof exported === "string";
  return isKnown ? `${server}:${exported}` : pulumi.interpolate`${server}:${exported}`;
}

/** The folder of the export that is ours, as the host sees it. */
export function coldRoot({ mountPoint, root }: ColdSettings): string {
  return `${mountPoint}/${root}`;
}

/** What no host could carry out. */
export function findColdProblems({ server, version, options, folders }: ColdSettings): Problem[] {
  const ofVersion = `vers=${version}`;
  return [
    ...findTransportProblems(server, options),
    // No rule is about an export's name.
    ...findOptionProblems(
      { type: "nfs", source: "", options: [ofVersion, ...options], pass: 0 },
      { [ofVersion]: "version" },
    ),
    // The export may have our folder already.
    ...(folders.length === 0 ? [] : findReadOnlyProblems(options, ", or write folders: [] where the export has them")),
  ];
}

/** Which address family an NFS transport is for: netid in nfs(5). */
function findTransportProblems(server: unknown, options: readonly string[]): Problem[] {
  if (typeof server !== "string" || !server.startsWith("[")) return [];
  const tcp = options.find((option) => /^(proto=(tcp|udp|rdma)|tcp|udp|rdma)$/.test(option));
  if (tcp === undefined) return [];
  return [{ key: "options", message: `${tcp} is for IPv4, and the server is an IPv6 address; write proto=tcp6` }];
}

export function coldLayout(cold: ColdSettings) {
  const { mountPoint, version, owner, group, mode, folders } = cold;
  const root = coldRoot(cold);
  const source = coldSource(cold);
  return {
    packages: packagesOf("nfs"),
    devices: [],
    mountPoints: [{ key: "mountPoint", path: mountPoint, part: "mountPoint" }],
    folders: [{ path: root, owner, group, mode, folders }],
    probe: { path: root, mount: mountPoint },
    script: { mountPoint, source, root },
    summary: { source, filesystem: `NFS ${version}`, mountPoint, folders: root },
  } satisfies TierLayout;
}
