import { coldRoot, exportFor, exportsOf, type ColdExport } from "../cold/layout.ts";
import type { ArchiveKind } from "../cold/settings.ts";
import type { FolderTree } from "../places.ts";
import type { TierSettings } from "../tiers.ts";
import type { AutomationSettings } from "./settings.ts";

/** What the scripts write to on each tier: without it, their runs fail. */
const ON_WARM = ["daily-backups", "logs", "temp-processing"];
const ON_COLD = ["archives/configs", "archives/database"];
/** The folders of kinds of archives that a volume holds. The mover makes that of logs. */
const OF_KIND: Readonly<Partial<Record<ArchiveKind, string>>> = {
  configs: "archives/configs",
  database: "archives/database",
  backups: "archives/database",
};

/** Folders that the scripts need, and that the tiers' own lists leave out; `part` is the tier, or `cold-VOLUME`. */
export function missingFolders(
  { warm, cold }: TierSettings,
  { developmentFolders, postgresArchive = [] }: AutomationSettings,
): { readonly tier: "warm" | "cold"; readonly part: string; readonly tree: FolderTree }[] {
  const needed = ({ name, holds }: ColdExport) => {
    const own = name === "cold" ? ON_COLD : holds.flatMap((kind) => OF_KIND[kind] ?? []);
    const hasRecords = name === "cold" && postgresArchive.length > 0;
    const hasCopies = cold !== undefined && exportFor(cold, "development").name === name;
    return [
      ...new Set([
        ...own,
        ...(hasRecords ? ["archives/records"] : []),
        ...(hasCopies && developmentFolders.length > 0 ? ["development"] : []),
      ]),
    ];
  };
  return [
    ...(warm === undefined ? [] : missing("warm", "warm", { ...warm, path: warm.mountPoint }, ON_WARM)),
    ...exportsOf(cold).flatMap((one) =>
      missing("cold", one.name === "cold" ? "cold" : `cold-${one.name}`, { ...one, path: coldRoot(one) }, needed(one)),
    ),
  ];
}

function missing(
  tier: "warm" | "cold",
  part: string,
  { path, owner, group, mode, folders }: FolderTree,
  needed: readonly string[],
) {
  const absent = needed.filter((folder) => !folders.some((one) => `${one}/`.startsWith(`${folder}/`)));
  return absent.length === 0 ? [] : [{ tier, part, tree: { path, owner, group, mode, folders: absent } }];
}
