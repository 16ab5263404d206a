/**
 * The parts of a storage host, for any Pulumi program: its tiers, what works on them, and the resources that all of
 * these are made of. Each takes the host's name, its connection, and settings, of which those with a default may be
 * left out. What is wrong with a component's settings is thrown at once, all of it; with a resource's, it fails the
 * preview.
 *
 * @example
 * const connection = { host: "192.0.2.10", hostKey: "ssh-ed25519 AAAA…" };
 * const packages = new HostPackages("packages", { host: "backup", connection, packages: WarmTier.packages });
 * const data = new WarmTier(
 *   "data",
 *   { host: "backup", connection, device: { path: "/dev/disk/by-id/ata-X-part2" }, mountPoint: "/srv/data" },
 *   { dependsOn: [packages] },
 * );
 * export const mountPoint = data.mountPoint;
 */
export * from "../providers/index.ts";
export type { ConnectionArgs, HostArgs, TierArgs } from "./arguments.ts";
export { TieringAutomation, type TieringAutomationArgs } from "./automation/tieringAutomation.ts";
export { ColdTier, type ColdTierArgs, type ColdVolume } from "./cold/coldTier.ts";
export { HostPackages, type HostPackagesArgs } from "./hostPackages.ts";
export { HotTier, type HotTierArgs, type HotVolume } from "./hot/hotTier.ts";
export { HostTuning, type HostTuningArgs } from "./tuning/hostTuning.ts";
export { Verification, type VerificationArgs } from "./verification.ts";
export { WarmTier, type WarmTierArgs } from "./warm/warmTier.ts";
