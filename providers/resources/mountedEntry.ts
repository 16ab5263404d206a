import type { z } from "zod";
import { CONVERGED, refuse, refuseAll, step, toDo, type Refusal } from "../engine/plan.ts";
import type { InputsOf, ResourceKind } from "../engine/resource.ts";
import { orError, type Ask } from "../facts/fact.ts";
import { fstab } from "../facts/fstab.ts";
import { labelled, type Labelled } from "../facts/labelled.ts";
import { ledger } from "../facts/ledger.ts";
import { blockDevices, type BlockDevice } from "../facts/lsblk.ts";
import { hiderOf, isAutomount, mountOf, mounts, mountsAt, optionsInForce, type Mount } from "../facts/mounts.ts";
import { realMountPoints } from "../facts/realMountPoints.ts";
import { realPath } from "../facts/realPath.ts";
import { sourceDevice } from "../facts/sourceDevice.ts";
import { unit } from "../facts/unit.ts";
import { filesystemOf } from "../filesystems/index.ts";
import { liveDifferences, optionsShown, refusedOptions, remountOptions } from "../filesystems/mountOptions.ts";
import { recordsProgram } from "../programs/program.ts";
import {
  findEntries,
  foreignMountPoints,
  OURS,
  plainPath,
  plainSource,
  printEntry,
  putEntry,
  removeEntry,
  type FoundEntry,
  type FstabEntry,
} from "../values/fstabText.ts";
import { sha256 } from "../values/sha256.ts";
import { quote } from "../values/shellWord.ts";
import { word } from "../values/words.ts";

export interface Seen {
  readonly text: string;
  /** The first line that means the mount point. */
  readonly found: FoundEntry | undefined;
  /** Further lines that mean it, of which nothing takes notice. */
  readonly twins: readonly FstabEntry[];
  /** Mount points of foreign lines that go by symbolic links, and where they lead. */
  readonly links: ReadonlyMap<string, string>;
  /** What is seen at the mount point. */
  readonly mount: Mount | undefined;
  /** Options in force that the mount doesn't show; asked only where it seems to lack some. */
  readonly inForce: readonly string[];
  /** What is mounted over the declared source, here or at a folder above, so that nobody reaches it by its path. */
  readonly hider: Mount | undefined;
  /** Filesystems that the declared LABEL= means, where it means several. */
  readonly namesakes: readonly Labelled[];
  /** Whether systemd waits there for an access, to mount what its line says: systemd.automount(5). */
  readonly hasAutomount: boolean;
  /** A unit file by which systemd mounts something there, whatever fstab says; asked only where no line is ours. */
  readonly unitFile: string | undefined;
  /** Whether what is mounted is the declared source. */
  readonly isSource: boolean;
  /** Whether the line that was found names the declared source, maybe in another spelling. */
  readonly isSameSource: boolean;
  /** Whether the place of a bind mount is a link to the folder that it would show. */
  readonly isLink: boolean;
  readonly made: ReadonlySet<string>;
}

/** What is declared of a mount point. */
type MountSchema = z.ZodObject<{
  mountPoint: z.ZodString;
  mountOverFiles: z.ZodOptional<z.ZodBoolean>;
  keepsLine: z.ZodOptional<z.ZodBoolean>;
}>;

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
      const [text, all, made, device, namesakes] = await Promise.all([
        ask(fstab, undefined),
        ask(mounts, undefined),
        ask(ledger, undefined),
        isDevice(wanted) ? sourceDevice(ask, wanted.source) : undefined,
        namesakesOf(ask, wanted.source),
      ]);
      const links = await linksOf(ask, text, all);
      const [found, ...twins] = findEntries(text, desired.mountPoint, resolveBy(links));
      const here = mountsAt(all, desired.mountPoint);
      const mount = here.at(-1);
      // A device that isn't there is the same as no other.
      const isSameSource =
        found !== undefined &&
        (plainSource(found.entry.source) === plainSource(wanted.source) ||
          (device !== undefined && (await sourceDevice(ask, found.entry.source))?.path === device.path));
      const isDeclared = async (one: Mount) =>
        isDevice(wanted)
          ? showsAll(wanted, one) && (await isOnDevice(ask, one, device))
          : isBind(wanted)
            ? isBoundTo(all, plainPath(wanted.source), one)
            : plainSource(one.source) === plainSource(wanted.source);
      const areDeclared = await Promise.all(here.map(isDeclared));
      const isSource = areDeclared.at(-1) === true;
      const unitFile = found?.isOurs === true ? undefined : await unitFileOf(ask, desired.mountPoint);
      return {
        text,
        found,
        twins: twins.map(({ entry }) => entry),
        links,
        mount,
        inForce: mount === undefined ? [] : await unshownOptions(ask, wanted, mount),
        hider: mount && (isSource ? hiderOf(all, mount) : areDeclared.includes(true) ? mount : undefined),
        namesakes,
        hasAutomount: all.some((one) => one.target === desired.mountPoint && isAutomount(one)),
        unitFile,
        isSource,
        isSameSource,
        isLink:
          isBind(wanted) &&
          found === undefined &&
          mount === undefined &&
          (await leadsTo(ask, all, desired.mountPoint, wanted.source)),
        made,
      };
    },

    // A first mount that failed leaves its mount point, which is ours to take back.
    isAbsent: ({ mountPoint }, { found, mount, isLink, made }) =>
      found === undefined && mount === undefined && !isLink && !isMade(made, mountPoint),

    // An update may mount another source, since the state says whose mount it is. A new resource may not.
    refuseCreate({ mountPoint }, { found, isSameSource }) {
      if (found?.isOurs !== true || isSameSource) return [];
      return [
        {
          found: `${mountPoint} is already the mount point of another resource, by its line in /etc/fstab: ${printEntry(found.entry)}`,
          next:
            "if a volume's key was changed, write the old key again: the key names the volume. " +
            "To mount another volume there, take the old one out of the configuration, run `pulumi up`, and then add it " +
            "(onDelete says what becomes of the old one's data). " +
            `If no stack has that line any more: umount ${mountPoint}, and take the line out.`,
        },
      ];
    },

    plan(desired, seen) {
      if (seen.isLink) return CONVERGED;
      const { text, found, twins, links, mount, inForce, hider } = seen;
      const { namesakes, hasAutomount, unitFile, isSource, isSameSource } = seen;
      const wanted = entry(desired);
      const { mountPoint } = wanted;
      const refusals: Refusal[] = [];
      if (namesakes.length > 0) {
        const who = namesakes.map(({ device, uuid }) => `${device}${uuid === undefined ? "" : ` (UUID ${uuid})`}`);
        refusals.push({
          found: `${wanted.source} means ${namesakes.length} filesystems, of which a boot may mount any at ${mountPoint}: ${who.join(", ")}`,
          next: "disconnect the disk that doesn't belong here; or give its filesystem another label, which keeps its data: btrfs filesystem label, e2label, xfs_admin -L.",
        });
      }
      if (found !== undefined && twins.length > 0) {
        const written = [found.entry, ...twins].map(printEntry);
        refusals.push({
          found: `/etc/fstab has ${written.length} lines for ${mountPoint}, of which only the first one counts: ${written.join("; ")}`,
          next: `take out all of them but one; keep the one with ${OURS}, if there is one.`,
        });
      }
      if (hider !== undefined) refusals.push(hiddenBy(mountPoint, hider));
      if (hasAutomount && found?.isOurs !== true && !isSameSource) {
        const unit = `"$(systemd-escape --path --suffix=automount ${mountPoint})"`;
        refusals.push({
          found: `an automount unit of systemd waits at ${mountPoint}`,
          next: `look whose it is: systemctl cat ${unit}; then systemctl disable --now ${unit}, or declare another mount point.`,
        });
      }
      if (unitFile !== undefined && found?.isOurs !== true) {
        const name = quote(unitFile.slice(unitFile.lastIndexOf("/") + 1));
        const file = quote(unitFile);
        refusals.push({
          found: `a unit file of systemd says what is mounted at ${mountPoint} at each boot, whatever fstab says: ${unitFile}`,
          next: `look whose it is: systemctl cat ${name}; to have this program mount it, which leaves what is mounted now: systemctl disable ${name}; mv ${file} ${file}.before; systemctl daemon-reload. Or declare another mount point.`,
        });
      }
      if (found !== undefined && !found.isOurs && !isSameSource) {
        refusals.push({
          found: `/etc/fstab already has a line for ${mountPoint}: ${printEntry(found.entry)}`,
          next: "take that line out, or declare another mount point.",
        });
      }
      if (mount !== undefined && mount !== hider && !isSource && found?.isOurs !== true) {
        refusals.push({
          found: `${mount.source} is mounted at ${mountPoint}`,
          next: `umount ${mountPoint}, or declare another mount point.`,
        });
      }
      if (refusals.length > 0) return refuseAll(refusals);

      const hasLine =
        found !== undefined &&
        (keepsLine(desired, seen)
          ? asksForTheSame(found.entry, wanted)
          : found.isOurs && printEntry(found.entry) === printEntry(wanted));
      const differences =
        mount === undefined ? [] : liveDifferences(wanted.type, wanted.options, shownBy(mount), inForce);
      const isAutomounted = automountWords(wanted) !== "";
      // systemd begins to wait only where nothing is mounted, and for as long as it was told then.
      const waits =
        hasAutomount === isAutomounted &&
        (!isAutomounted || found?.isOurs !== true || automountWords(found.entry) === automountWords(wanted));
      const action =
        mount === undefined
          ? isAutomounted && hasAutomount && hasLine
            ? "none"
            : "mount"
          : !isSource || !waits
            ? "replace"
            : differences.length === 0
              ? "none"
              : (remountOptions(wanted.type, wanted.options, differences) ?? "replace");
      if (hasLine && action === "none") return CONVERGED;
      const verb = action === "replace" ? "unmount and mount" : action.split(",", 1)[0];
      const reasons = [
        ...differences.map(({ words }) => words),
        ...(mount === undefined || waits
          ? []
          : [`systemd ${isAutomounted ? "does not wait there as declared" : "waits there for an access"}`]),
      ];
      const why = reasons.length === 0 ? "" : ` (${reasons.join(", ")})`;
      const doing = [
        ...(hasLine ? [] : [`write the line of ${mountPoint} into fstab`]),
        ...(action === "none" ? [] : [`${verb} ${mountPoint}${why}`]),
      ];
      const newText = hasLine ? text : putEntry(text, wanted, resolveBy(links));
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

    planDestroy(declared, seen) {
      const { mountPoint } = declared;
      const { text, found, mount, hider, isSource, made } = seen;
      if (seen.isLink || keepsLine(declared, seen)) return CONVERGED;
      const isOurs = found?.isOurs === true || isMade(made, mountPoint);
      if (!isOurs && !isSource) return CONVERGED;
      if (hider !== undefined) return refuseAll([hiddenBy(mountPoint, hider)]);
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

    expect(olds, news) {
      const before = entry(olds);
      const { mountPoint, type, source, options } = before;
      const isSameSource = plainSource(source) === plainSource(entry(news).source);
      const text = putEntry("", before);
      const [line] = findEntries(text, mountPoint);
      return {
        text,
        // Whose a line is that was to be kept, only the host knows; the least that may happen is that it stays.
        found: line && { ...line, isOurs: olds.keepsLine !== true },
        isLink: false,
        twins: [],
        links: new Map(),
        mount: {
          target: mountPoint,
          source,
          type,
          root: "/",
          number: "",
          mountOptions: [],
          filesystemOptions: optionsShown(type, options),
        },
        inForce: [],
        hider: undefined,
        namesakes: [],
        hasAutomount: automountWords(before) !== "",
        unitFile: undefined,
        isSource: isSameSource,
        isSameSource,
        made: new Set(),
      };
    },

    report: (desired, { found }) => (found?.isOurs === true ? { inputs: read(found.entry, desired) } : {}),
  };
}

/** The filesystem's own options, where the mount seems to lack some of those declared. */
async function unshownOptions(ask: Ask, { type, options }: FstabEntry, mount: Mount): Promise<readonly string[]> {
  const { optionsFile } = filesystemOf(type);
  const lacks = liveDifferences(type, options, shownBy(mount)).some(({ missing }) => missing !== undefined);
  if (optionsFile === undefined || !lacks) return [];
  const all = await ask(blockDevices, undefined);
  const device = [...all.values()].find(({ number }) => number === mount.number);
  return device === undefined ? [] : ask(optionsInForce, optionsFile(device.path.slice("/dev/".length)));
}

async function namesakesOf(ask: Ask, source: string): Promise<readonly Labelled[]> {
  const [, label] = /^LABEL=(.*)$/s.exec(plainSource(source)) ?? [];
  const all = label === undefined ? [] : (await ask(labelled, undefined)).filter((one) => one.label === label);
  return all.some(({ uuid }) => uuid !== all[0]?.uuid) ? all : [];
}

/** systemd takes a path for its mount unit; what it makes of fstab itself, or of a mount, lies in /run. */
async function unitFileOf(ask: Ask, mountPoint: string): Promise<string | undefined> {
  const found = await orError(ask(unit, mountPoint));
  // Where systemd doesn't answer, it mounts nothing.
  return found instanceof Error || !/^\/(?!run\/)/.test(found.path) ? undefined : found.path;
}

/** Whether the line is somebody's, for the declared source, and was to be left to them. */
function keepsLine({ keepsLine }: { readonly keepsLine?: boolean | undefined }, { found, isSameSource }: Seen) {
  return keepsLine === true && found?.isOurs === false && isSameSource;
}

/** Whether a line asks for the declared mount. What can't be declared, such as what does nothing, doesn't count. */
function asksForTheSame(line: FstabEntry, wanted: FstabEntry): boolean {
  if (isBind(wanted)) return isBind(line);
  if (![wanted.type, "auto"].includes(line.type.replace(/^nfs4$/, "nfs"))) return false;
  const said = line.options.map((option) => option.replace(/^nfsvers=/, "vers="));
  const refused = refusedOptions({ ...line, type: wanted.type, options: said });
  const undeclarable = new Set(refused.map(({ option }) => option));
  const namesVersion = said.some((option) => option.startsWith("vers="));
  const own = said.filter((option) => option !== "defaults" && !undeclarable.has(option));
  const declared = wanted.options.filter(
    (option) => option !== "defaults" && (namesVersion || !option.startsWith("vers=")),
  );
  return declared.every((option) => own.includes(option)) && own.every((option) => declared.includes(option));
}

/** Whether a path is a link, or goes by one, to a folder. */
async function leadsTo(ask: Ask, all: readonly Mount[], path: string, folder: string): Promise<boolean> {
  if (!isNear(mountOf(all, path))) return false;
  return (await ask(realMountPoints, [path])).get(path) === plainPath(folder);
}

const shownBy = ({ mountOptions, filesystemOptions }: Mount) => [...mountOptions, ...filesystemOptions];

function isMade(made: ReadonlySet<string>, mountPoint: string): boolean {
  return made.has(`immutable ${mountPoint}`) || made.has(`directory ${mountPoint}`);
}

/** What says that systemd waits for the first access, and how long it then stays mounted; empty: nothing says so. */
function automountWords({ options }: FstabEntry): string {
  const isAutomounted = options.some((option) => /^(x-systemd\.|comment=systemd\.)automount$/.test(option));
  const idle = options.filter((option) => /^x-systemd\.idle-timeout=/.test(option));
  return isAutomounted ? ["automount", ...idle].join() : "";
}

function hiddenBy(mountPoint: string, { source, target }: Mount): Refusal {
  return {
    found: `${source} is mounted over ${target === mountPoint ? "what was declared there, at" : `${target}, and hides`} ${mountPoint}`,
    next: `look whose it is; then umount ${target}.`,
  };
}

/** Where foreign lines lead that nothing is mounted at by the path that they say: that may go by symbolic links. */
async function linksOf(ask: Ask, text: string, all: readonly Mount[]): Promise<Seen["links"]> {
  const unknown = [...new Set(foreignMountPoints(text))].filter(
    (point) => point !== "/" && !all.some(({ target }) => target === point) && isNear(mountOf(all, point)),
  );
  return unknown.length === 0 ? new Map() : ask(realMountPoints, unknown);
}

/** Whether a look below a mount asks no server. */
function isNear(mount: Mount | undefined): boolean {
  return mount === undefined || mount.source.startsWith("/dev/") || /^(tmpfs|overlay|zfs)$/.test(mount.type);
}

function resolveBy(links: Seen["links"]): (mountPoint: string) => string {
  return (mountPoint) => links.get(plainPath(mountPoint)) ?? plainPath(mountPoint);
}

/** Whether a mount shows a whole filesystem, or a whole subvolume: a bind mount may show only a folder of it. */
function showsAll({ options }: FstabEntry, { root, filesystemOptions }: Mount): boolean {
  if (options.some((option) => option.startsWith("X-mount.subdir="))) return true;
  const subvolume = filesystemOptions.find((option) => option.startsWith("subvol="));
  return root === (subvolume?.slice("subvol=".length) ?? "/");
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

/**
 * Whether a mount shows the folder `source`: the same filesystem, and the same folder of it. What others mount over the
 * source appears at the bind mount, too, where mounts are shared, and to unmount it there unmounts it here: the first
 * mount at the source is meant.
 */
function isBoundTo(all: readonly Mount[], source: string, mount: Mount): boolean {
  const last = mountOf(all, source);
  const holder = last === undefined || last.target === "/" ? last : mountsAt(all, last.target)[0];
  if (holder === undefined || holder.number !== mount.number) return false;
  const below = source.slice(holder.target === "/" ? 0 : holder.target.length);
  return mount.root === (holder.root === "/" ? below || "/" : holder.root + below);
}
