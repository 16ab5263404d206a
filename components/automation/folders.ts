import { coldRoot } from "../cold/layout.ts";
import type { FolderTree } from "../places.ts";
import type { TierSettings } from "../tiers.ts";
import type { AutomationSettings } from "./settings.ts";

/** What the scripts write to on each tier: without it, their runs fail. */
const ON_WARM = ["daily-backups", "logs", "temp-processing"];
const ON_COLD = ["archives/configs", "archives/database"];

/** Folders that the scripts need, and that the tiers' own lists leave out; by tier. */
export function missingFolders(
  { warm, cold }: TierSettings,
  { developmentFolders, postgresArchive = [] }: AutomationSettings,
): { readonly tier: "warm" | "cold"; readonly tree: FolderTree }[] {
  const onCold = [
    ...ON_COLD,
    ...(postgresArchive.length > 0 ? ["archives/records"] : []),
    ...(developmentFolders.length > 0 ? ["development"] : []),
  ];
  return [
    ...(warm === undefined ? [] : missing("warm", { ...warm, path: warm.mountPoint }, ON_WARM)),
    ...(cold === undefined ? [] : missing("cold", { ...cold, path: coldRoot(cold) }, onCold)),
  ];
}

function missing(tier: "warm" | "cold", { path, owner, group, mode, folders }: FolderTree, needed: readonly string[]) {
  const absent = needed.filter((folder) => !folders.some((one) => `${one}/`.startsWith(`${folder}/`)));
  return absent.length === 0 ? [] : [{ tier, tree: { path, owner, group, mode, folders: absent } }];
}
