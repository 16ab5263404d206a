import { snapshotBytesPerDay, volumesOf } from "../hot/layout.ts";
import { layoutsOf, type TierSettings } from "../tiers.ts";
import { metaOf } from "../rows.ts";
import { automationSettings, type AutomationSettings } from "./settings.ts";

/** What the scripts on the host read. */
export const SETTINGS_FILE = "/etc/jts-storage/settings.json";
/** Where the scripts keep what they must remember. */
export const STATE_FOLDER = "/var/lib/jts-storage";
/** Which file went from where to where, on the host: one line of JSON for each. */
export const MOVES_JOURNAL = `${STATE_FOLDER}/moves.jsonl`;

/** How long a filesystem may take to answer the scripts, and all looks of a health report together, in seconds. */
const PROBE_SECONDS = 5;
const LOOKS_SECONDS = 180;

/** The document in {@link SETTINGS_FILE}: scripts/jts_storage/settings.py has the same keys. An absent tier is null. */
export function scriptSettings(tiers: TierSettings, automation: AutomationSettings, timers: readonly string[]) {
  const { hot, warm, cold } = layoutsOf(tiers);
  const { transfers, ...values } = valuesOf(automation);
  return {
    hot: hot?.script ?? null,
    warm: warm?.script ?? null,
    cold: cold?.script ?? null,
    automation: {
      ...values,
      ...transfersOf(transfers),
      systemLogs: automation.systemLogs ? "/var/log" : null,
      backupVolumes: Object.fromEntries(
        backupVolumes(tiers, automation).map(({ name, snapshotBytes }) => [name, snapshotBytes]),
      ),
    },
    timers,
    movesJournal: MOVES_JOURNAL,
    stateFolder: STATE_FOLDER,
    probeSeconds: PROBE_SECONDS,
    budgetSeconds: LOOKS_SECONDS,
    ...(cold !== undefined && Object.keys(cold.volumeScripts).length > 0 && { coldVolumes: cold.volumeScripts }),
  };
}

export type ScriptSettings = ReturnType<typeof scriptSettings>;

/** Rows that are null where they are left out, as they always were. Any other row is not in the document then. */
export const NULL_WHEN_LEFT_OUT = ["notify", "coldRetention"] as const satisfies (keyof AutomationSettings)[];

type Nullable = (typeof NULL_WHEN_LEFT_OUT)[number];
type OnHost = Omit<AutomationSettings, Nullable> & {
  [K in Nullable]: Exclude<AutomationSettings[K], undefined> | null;
};

/** The rows that the scripts read. */
function valuesOf(automation: AutomationSettings): OnHost {
  const rows = Object.entries(automationSettings.shape).filter(([, row]) => metaOf(row, "onHost") !== false);
  const values = rows.map(([key]) => [key, automation[key as keyof AutomationSettings]] as const);
  const given = values.filter(([, value]) => value !== undefined);
  const nulls = NULL_WHEN_LEFT_OUT.filter((key) => automation[key] === undefined);
  return Object.fromEntries([...given, ...nulls.map((key) => [key, null])]) as OnHost;
}

/** Of the transfers, the rows that the scripts read; none where there are none. */
function transfersOf({ nconnect: _, ...rows }: NonNullable<AutomationSettings["transfers"]> = {}): {
  readonly transfers?: Omit<NonNullable<AutomationSettings["transfers"]>, "nconnect">;
} {
  return Object.values(rows).some((value) => value !== undefined) ? { transfers: rows } : {};
}

/** The volumes that are archived from snapshots, with the size of those. */
export function backupVolumes(
  { hot }: TierSettings,
  { backupVolumes: chosen }: AutomationSettings,
): { readonly service: string; readonly name: string; readonly snapshotBytes: number }[] {
  if (hot?.layout !== "lvm") return [];
  return volumesOf(hot).flatMap(({ service, name, filesystem }) => {
    // Of btrfs no snapshot by LVM is safe: the kernel takes it for the volume itself.
    const byDefault = filesystem === "btrfs" ? 0 : snapshotBytesPerDay(service);
    const bytes = chosen === undefined ? byDefault : (chosen[service] ?? 0);
    // LVM takes whole sectors.
    return bytes === 0 ? [] : [{ service, name, snapshotBytes: Math.ceil(bytes / 512) * 512 }];
  });
}
