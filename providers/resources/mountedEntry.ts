import type { z } from "zod";
import { CONVERGED, refuse, refuseAll, step, toDo, type Refusal } from "../engine/plan.ts";
import type { InputsOf, ResourceKind } from "../engine/resource.ts";
import type { Ask } from "../facts/fact.ts";
import { fstab } from "../facts/fstab.ts";
import { ledger } from "../facts/ledger.ts";
import type { BlockDevice } from "../facts/lsblk.ts";
import { mountAt, mountOf, mounts, type Mount } from "../facts/mounts.ts";
import { realPath } from "../facts/realPath.ts";
import { sourceDevice } from "../facts/sourceDevice.ts";
import { canRemount, liveDifferences, refusedOptions } from "../filesystems/mountOptions.ts";
import { recordsProgram } from "../programs/program.ts";
import { findEntry, printEntry, putEntry, removeEntry, type FstabEntry } from "../values/fstabText.ts";
import { sha256 } from "../values/sha256.ts";
import { word } from "../values/words.ts";

export interface Seen {
  readonly text: string;
  readonly found: { readonly entry: FstabEntry; readonly isOurs: boolean } | undefined;
  readonly mount: Mount | undefined;
  /** Whether what is mounted is the declared source. */
  readonly isSource: boolean;
  /** Whether the line that was found names the declared source, maybe in another spelling. */
  readonly isSameSource: boolean;
  readonly made: ReadonlySet<string>;
}

/** What is declared of a mount point. */
type MountSchema = z.ZodObject<{ mountPoint: z.ZodString; mountOverFiles: z.ZodOptional<z.ZodBoolean> }>;

interface MountedEntry<Schema extends MountSchema> {
  readonly name: string;
  readonly inputs: Schema;
  readonly entry: (inputs: InputsOf<Schema>) => FstabEntry;
  /** What a line of fstab, and the mount, say of the inputs. */
  readonly read: (entry: FstabEntry, inputs: InputsOf<Schema>) => Partial<InputsOf<Schema>>;
}

/** A line of fstab and the mount that it describes: both are there, or neither. */
export function mountedEntry<Schema extends MountSchema>({
  name,
  inputs,
  entry,
  read,
}: MountedEntry<Schema>): ResourceKind<Schema, Seen> {
  return {
    name,
    inputs,
    identity: ["mountPoint"],
    changes: ["fstab", "mounts", "ledger"],
    turn: "host",
    id: ({ host, mountPoint }) => `${host}:${mountPoint}`,
    describe: ({ fstabLine }) => word(fstabLine),
    derive: (desired) => ({ fstabLine: printEntry(entry(desired)) }),
    refuse: (desired) => refusedOptions(entry(desired)).map(({ reason }) => ({ property: "options", reason })),

    async observe(ask, desired) {
      const wanted = entry(desired);
      // Together, so that they travel together.
      const [text, all, made, device] = await Promise.all([
        ask(fstab, undefined),
        ask(mounts, undefined),
        ask(ledger, undefined),
        isDevice(wanted) ? sourceDevice(ask, wanted.source) : undefined,
      ]);
      const found = findEntry(text, desired.mountPoint);
      const mount = mountAt(all, desired.mountPoint);
      // A device that isn't there is the same as no other.
      const isSameSource =
        found?.entry.source === wanted.source ||
        (found !== undefined &&
          device !== undefined &&
          (await sourceDevice(ask, found.entry.source))?.path === device.path);
      const isSource =
        mount !== undefined &&
        (isDevice(wanted)
          ? await isOnDevice(ask, mount, device)
          : isBind(wanted)
            ? isBoundTo(all, wanted.source, mount)
            : mount.source === wanted.source);
      return { text, found, mount, isSource, isSameSource, made };
    },

    // A first mount that failed leaves its mount point, which is ours to take back.
    isAbsent: ({ mountPoint }, { found, mount, made }) =>
      found === undefined && mount === undefined && !isMade(made, mountPoint),

    plan(desired, { text, found, mount, isSource, isSameSource }) {
      const wanted = entry(desired);
      const { mountPoint } = wanted;
      const refusals: Refusal[] = [];
      if (found !== undefined && !found.isOurs && !isSameSource) {
        refusals.push({
          found: `/etc/fstab already has a line for ${mountPoint}: ${printEntry(found.entry)}`,
          next: "take that line out, or declare another mount point.",
        });
      }
      if (mount !== undefined && !isSource && found?.isOurs !== true) {
        refusals.push({
          found: `${mount.source} is mounted at ${mountPoint}`,
          next: `umount ${mountPoint}, or declare another mount point.`,
        });
      }
      if (refusals.length > 0) return refuseAll(refusals);

      const hasLine = found?.isOurs === true && printEntry(found.entry) === printEntry(wanted);
      const differences =
        mount === undefined
          ? []
          : liveDifferences(wanted.type, wanted.options, [...mount.mountOptions, ...mount.filesystemOptions]);
      const action =
        mount === undefined
          ? "mount"
          : !isSource
            ? "replace"
            : differences.length === 0
              ? "none"
              : canRemount(wanted.type, differences)
                ? "remount"
                : "replace";
      if (hasLine && action === "none") return CONVERGED;
      const verb = action === "replace" ? "unmount and mount" : action;
      const why = differences.length === 0 ? "" : ` (${differences.join(", ")})`;
      const doing = [
        ...(hasLine ? [] : [`write the line of ${mountPoint} into fstab`]),
        ...(action === "none" ? [] : [`${verb} ${mountPoint}${why}`]),
      ];
      const newText = hasLine ? text : putEntry(text, wanted);
      const overFiles = desired.mountOverFiles === true ? ["over-files"] : [];
      const record = [mountPoint, action, sha256(text), printEntry(wanted), ...overFiles];
      return toDo(
        step(doing.join(" and "), recordsProgram("mount-entry", record, newText), {
          risk: action === "replace" ? "interrupts-service" : "safe",
          owesReload: action === "mount",
          foresees: { fact: fstab, value: newText },
        }),
      );
    },

    planDestroy({ mountPoint }, { text, found, mount, isSource, made }) {
      const isOurs = found?.isOurs === true || isMade(made, mountPoint);
      if (!isOurs && !isSource) return CONVERGED;
      if (mount !== undefined && !isSource) {
        return refuse(
          `${mount.source} is mounted at ${mountPoint}, which isn't what was declared`,
          `look whose it is, and umount ${mountPoint}; then destroy again.`,
        );
      }
      const newText = removeEntry(text, mountPoint);
      return toDo(
        step(
          `unmount ${mountPoint} and take its line out of fstab`,
          recordsProgram("unmount-entry", [mountPoint, sha256(text)], newText),
          { risk: "interrupts-service", owesReload: true, foresees: { fact: fstab, value: newText } },
        ),
      );
    },

    report: (desired, { found }) => (found?.isOurs === true ? { inputs: read(found.entry, desired) } : {}),
  };
}

function isMade(made: ReadonlySet<string>, mountPoint: string): boolean {
  return made.has(`immutable ${mountPoint}`) || made.has(`directory ${mountPoint}`);
}

function isBind({ options }: FstabEntry): boolean {
  return options.includes("bind") || options.includes("rbind");
}

function isDevice({ source }: FstabEntry): boolean {
  return /^(\/dev\/|LABEL=|UUID=|PARTLABEL=|PARTUUID=)/.test(source);
}

/** btrfs has numbers of its own, and shows one of its device's paths. */
async function isOnDevice(ask: Ask, mount: Mount, device: BlockDevice | undefined): Promise<boolean> {
  if (device === undefined || mount.number === device.number) return device !== undefined;
  return mount.source.startsWith("/dev/") && (await realPath(ask, mount.source)) === device.path;
}

/** Whether a mount shows the folder `source`: the same filesystem, and the same folder of it. */
function isBoundTo(all: readonly Mount[], source: string, mount: Mount): boolean {
  const holder = mountOf(all, source);
  if (holder === undefined || holder.number !== mount.number) return false;
  const below = source.slice(holder.target === "/" ? 0 : holder.target.length);
  return mount.root === (holder.root === "/" ? below || "/" : holder.root + below);
}
