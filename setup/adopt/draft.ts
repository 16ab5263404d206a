/** From what a host has to the configuration that leaves it as it is, and what that leaves out. Pure. */
import { coldVolumeName } from "../../components/cold/settings.ts";
import { profileOf } from "../../components/hot/profiles.ts";
import { COMMON_OPTIONS } from "../../components/mounts.ts";
import { MADE_TYPES } from "../../providers/filesystems/index.ts";
import { refusedOptions } from "../../providers/filesystems/mountOptions.ts";
import { plainPath, printEntry } from "../../providers/values/fstabText.ts";
import { formatBytes, parseSize } from "../../providers/values/size.ts";
import type { Found, FoundLine, FoundVolume } from "./found.ts";

/** What a person is told. */
export interface Note {
  /** `obstacle`: it stands in the way; `left`: it stays outside; `advice`: it works, and could be better. */
  readonly kind: "obstacle" | "left" | "advice";
  readonly text: string;
  /** What to do; empty: nothing need be done. */
  readonly next: string;
  /** In which order obstacles go away, as {@link ABOUT} has it; 0 for what is none. */
  readonly rank: number;
}

/** What obstacles are about: each goes away only after those before it. */
const ABOUT = ["device", "volume", "filesystem", "mount", "folder"] as const;
export type About = (typeof ABOUT)[number];

/** A section of a host, as it is written in the stack's configuration. */
export type Section = Record<string, unknown>;

export interface Draft {
  readonly sections: { hot?: Section; warm?: Section; cold?: Section };
  readonly notes: readonly Note[];
}

/** What a Debian host is installed on, and no tier. */
const SYSTEM = /^\/($|boot(\/|$)|efi(\/|$)|usr(\/|$)|var$|var\/(log|tmp|lib|cache)$|home$|tmp$|root$|opt$|etc$|srv$)/;

export function draft(found: Found): Draft {
  const notes: Note[] = [];
  const ours = found.lines.filter(({ entry }) => entry.mountPoint.startsWith("/") && !SYSTEM.test(entry.mountPoint));
  const sections = {
    ...section("hot", draftHot(found, ours, notes)),
    ...section("warm", draftWarm(found, ours, notes)),
    ...section("cold", draftCold(found, ours, notes)),
  };
  notes.push(...findUnused(found, ours, notes, sections), ...adviseOnLines(found), ...adviseOnSettings(found));
  return { sections, notes };
}

function section<Key extends string>(key: Key, value: Section | undefined): { readonly [K in Key]?: Section } {
  return value === undefined ? {} : ({ [key]: value } as { readonly [K in Key]: Section });
}

export function obstacle(about: About, text: string, next: string): Note {
  return { kind: "obstacle", text, next, rank: ABOUT.indexOf(about) };
}

export const left = (text: string, next = ""): Note => ({ kind: "left", text, next, rank: 0 });
export const advice = (text: string, next: string): Note => ({ kind: "advice", text, next, rank: 0 });

/** The volume group that has most volumes of data; a host has one hot tier. */
function draftHot(found: Found, lines: readonly FoundLine[], notes: Note[]): Section | undefined {
  const groups = found.groups
    .map((group) => {
      const volumes = found.volumes.filter((volume) => volume.group === group.name);
      return { group, volumes, usable: volumes.flatMap((volume) => usableVolume(found, lines, volume) ?? []) };
    })
    .filter(({ usable }) => usable.length > 0)
    .sort((one, other) => other.usable.length - one.usable.length);
  const [chosen, ...others] = groups;
  for (const { group, usable } of others)
    notes.push(
      left(
        `the volume group ${group.name}, with ${usable.map(({ name }) => name).join(", ")}: a host has one hot tier`,
      ),
    );
  const considered = chosen === undefined ? found.groups : [chosen.group];
  for (const volume of found.volumes.filter(({ group }) => considered.some(({ name }) => name === group)))
    if (chosen?.usable.every(({ name }) => name !== volume.name) !== false) notes.push(...whyNot(found, lines, volume));
  if (chosen === undefined) return undefined;
  const { group, usable } = chosen;
  const physical = group.physicalVolumes.map(({ name, number }) => {
    const device = [...found.devices.values()].find((one) => one.number === number);
    return device === undefined ? { path: name } : deviceSection(found, device.path);
  });
  const [device, ...additionalDevices] = physical;
  const tree = treeOf(found, usable);
  const isOurs = usable.every(({ line }) => line.isOurs);
  return {
    layout: "lvm",
    device,
    ...(additionalDevices.length === 0 ? {} : { additionalDevices }),
    volumeGroup: { name: group.name, extentSize: exactSize(group.extentBytes) },
    volumes: Object.fromEntries(usable.map(({ service, settings }) => [service, settings])),
    tree,
    ...(isOurs ? {} : { keepFstab: true }),
  };
}

interface UsableVolume {
  readonly service: string;
  readonly name: string;
  readonly line: FoundLine;
  readonly settings: Section;
}

function usableVolume(found: Found, lines: readonly FoundLine[], volume: FoundVolume): UsableVolume | undefined {
  const line = lineOf(lines, volume);
  if (volume.oddity !== "" || line === undefined || whyNotMounted(found, line) !== undefined) return undefined;
  const type = line.mount!.type;
  const service = serviceName(volume.name);
  const owners = ownersOf(line);
  if (!isMade(type) || service === undefined || owners === undefined) return undefined;
  const profile = profileOf(service);
  const mountPoint = plainPath(line.entry.mountPoint);
  return {
    service,
    name: volume.name,
    line,
    settings: {
      ...(volume.name === `lv_${service}` ? {} : { name: volume.name }),
      size: exactSize(volume.sizeBytes),
      filesystem: type,
      mountPoint,
      options: declarableOptions(line, type),
      ...owners,
      folders: foldersThatFit(found, mountPoint, owners, profile?.folders ?? []),
    },
  };
}

/** Why a volume isn't taken over. */
function whyNot(found: Found, lines: readonly FoundLine[], volume: FoundVolume): Note[] {
  const name = `/dev/${volume.group}/${volume.name}`;
  const line = lineOf(lines, volume);
  if (volume.oddity !== "") {
    if (line === undefined) return [left(`${name}: it ${volume.oddity}`)];
    return [
      obstacle(
        "volume",
        `${name} ${volume.oddity}, and fstab mounts it at ${line.entry.mountPoint}`,
        `lvchange --activate y ${name}; lvs --all ${volume.group} shows more.`,
      ),
    ];
  }
  const system = found.mounts.find(({ number, target }) => number === volume.device?.number && SYSTEM.test(target));
  if (system !== undefined) return [left(`${name}: the system has it at ${system.target}`)];
  if (line === undefined) {
    const mount = found.mounts.find(({ number }) => number === volume.device?.number);
    if (mount === undefined) return [left(`${name}, ${formatBytes(volume.sizeBytes)}: nothing of fstab mounts it`)];
    return [
      obstacle(
        "mount",
        `${name} is mounted at ${mount.target}, and fstab has no line for it`,
        `write one, or declare it here: then \`up\` writes the line.`,
      ),
    ];
  }
  const reason = whyNotMounted(found, line);
  if (reason !== undefined) return [reason];
  const type = line.mount!.type;
  if (!isMade(type))
    return [
      left(`${name} at ${line.entry.mountPoint}: this program makes ${MADE_TYPES.join(", ")}, and it is ${type}`),
    ];
  if (serviceName(volume.name) === undefined)
    return [left(`${name}: its name can't be a service's, which has lower-case letters, digits and _`)];
  return [noOwner(line)];
}

/** Why a line's mount isn't what the line says; undefined: it is. */
function whyNotMounted({ features }: Found, line: FoundLine): Note | undefined {
  const { entry, device, mount } = line;
  const written = printEntry(entry);
  if (device === undefined && /^\/dev\/|^[A-Z]+=/.test(entry.source))
    return obstacle(
      "device",
      `fstab names ${entry.source} for ${entry.mountPoint}, and there is no such device`,
      `make it, or connect it, or take the line out: ${written}`,
    );
  if (mount === undefined) {
    const lacksJournal = device !== undefined && features.get(device.path)?.includes("has_journal") === false;
    const reasons = refusedOptions({
      ...entry,
      pass: 0,
      source: "",
      ...(lacksJournal ? { mkfsOptions: ["-O", "^has_journal"] } : {}),
    });
    const why = reasons.length === 0 ? "" : `: ${reasons.map(({ reason }) => reason).join("; ")}`;
    const first = reasons.length === 0 ? "" : "correct its options in /etc/fstab; then ";
    return obstacle(
      "mount",
      `nothing is mounted at ${entry.mountPoint}, though fstab has a line for it${why}`,
      `${first}mount ${entry.mountPoint}; if that fails: dmesg | tail. The line: ${written}`,
    );
  }
  if (device !== undefined && mount.type !== "btrfs" && mount.number !== device.number)
    return obstacle(
      "mount",
      `${mount.source} is mounted at ${entry.mountPoint}, where fstab has ${entry.source}`,
      `umount ${entry.mountPoint}; mount ${entry.mountPoint}`,
    );
  return undefined;
}

function lineOf(lines: readonly FoundLine[], { device }: FoundVolume): FoundLine | undefined {
  return device === undefined ? undefined : lines.find((line) => line.device?.path === device.path);
}

/** `lv_postgres`, `postgres` and `pg-data` are the services postgres, postgres and pg_data. */
function serviceName(volume: string): string | undefined {
  const name = volume
    .replace(/^lv_/, "")
    .toLowerCase()
    .replaceAll(/[^a-z0-9_]/g, "_");
  return /^[a-z][a-z0-9_]*$/.test(name) ? name : undefined;
}

const isMade = (type: string): boolean => (MADE_TYPES as readonly string[]).includes(type);

function ownersOf({ top }: FoundLine): { owner: string; group: string; mode: string } | undefined {
  if (top === undefined || [top.owner, top.group].includes("UNKNOWN")) return undefined;
  return { owner: top.owner, group: top.group, mode: top.mode };
}

function noOwner({ entry, top }: FoundLine): Note {
  if (top === undefined)
    return obstacle(
      "folder",
      `${entry.mountPoint} did not say whose it is`,
      `ls -ld ${entry.mountPoint}; then adopt again.`,
    );
  return obstacle(
    "folder",
    `${entry.mountPoint} belongs to a number that no account has`,
    `ls -ldn ${entry.mountPoint}; make the account, or chown ${entry.mountPoint}; then adopt again.`,
  );
}

/** As people write it, where that is exact; else in bytes. */
function exactSize(bytes: number): string | number {
  const text = formatBytes(bytes).replaceAll(" ", "");
  const parsed = parseSize(text);
  return "bytes" in parsed && parsed.bytes === bytes ? text : bytes;
}

/** Those of a line that a configuration may have: the rest does nothing, or stands for what is so anyway. */
function declarableOptions({ entry, isOurs }: FoundLine, type: string): string[] {
  const refused = new Set(refusedOptions({ ...entry, type, source: "", pass: 0 }).map(({ option }) => option));
  const implied = isOurs && type !== "nfs" ? COMMON_OPTIONS : ["defaults"];
  return entry.options.filter((option) => !implied.includes(option) && !refused.has(option));
}

/** Folders that this program would make there, and that are there just so. */
function foldersThatFit(
  { folders }: Found,
  top: string,
  { owner, group, mode }: { readonly owner: string; readonly group: string; readonly mode: string },
  wanted: readonly string[],
): string[] {
  return wanted.filter((folder) => {
    const [first = ""] = folder.split("/");
    const status = folders.get(`${top}/${first}`);
    return folder === first && status?.owner === owner && status.group === group && status.mode === mode;
  });
}

/** Where bind mounts show all volumes side by side, by the names that this program gives them; false: nowhere. */
function treeOf({ lines }: Found, usable: readonly UsableVolume[]): string | false {
  const trees = usable.map(({ service, settings }) => {
    const folder = profileOf(service)?.treeFolder ?? service;
    const bind = lines.find(
      ({ entry }) =>
        entry.options.includes("bind") &&
        plainPath(entry.source) === settings.mountPoint &&
        entry.mountPoint.endsWith(`/${folder}`),
    );
    return bind?.entry.mountPoint.slice(0, -folder.length - 1);
  });
  const [tree] = trees;
  return tree !== undefined && trees.every((one) => one === tree) ? tree : false;
}

function deviceSection(found: Found, path: string): Section {
  const device = found.devices.get(path);
  return {
    path: found.stablePath(path),
    ...(device === undefined ? {} : { size: device.sizeBytes }),
    ...(device?.serial === undefined ? {} : { serial: device.serial }),
  };
}

/** The largest btrfs that isn't the system's and isn't on LVM. */
function draftWarm(found: Found, lines: readonly FoundLine[], notes: Note[]): Section | undefined {
  const candidates = lines
    .filter(
      ({ entry, device, mount }) =>
        (mount?.type ?? entry.type) === "btrfs" && device !== undefined && device.type !== "lvm",
    )
    .sort((one, other) => (other.device?.sizeBytes ?? 0) - (one.device?.sizeBytes ?? 0));
  const [line, ...others] = candidates;
  for (const { entry } of others) notes.push(left(`${entry.source} at ${entry.mountPoint}: a host has one warm tier`));
  if (line?.device === undefined) return undefined;
  const reason = whyNotMounted(found, line);
  const owners = ownersOf(line);
  const mountPoint = plainPath(line.entry.mountPoint);
  const label = found.labels.get(line.device.path) ?? "";
  if (reason !== undefined || owners === undefined) {
    notes.push(reason ?? noOwner(line));
    return undefined;
  }
  if (!/^[\w.-]{1,255}$/.test(label)) {
    const has = label === "" ? "has no label" : `has the label "${label}"`;
    notes.push(
      obstacle(
        "filesystem",
        `the btrfs at ${mountPoint} ${has}, and the warm tier is found by one of letters, digits and _ . -`,
        `give it one, in use, which changes no data: btrfs filesystem label ${mountPoint} jts-warm-storage; then adopt again.`,
      ),
    );
    return undefined;
  }
  const options = declarableOptions(line, "btrfs");
  const compress = options.find((option) => option.startsWith("compress="));
  const also = alsoOf(found, mountPoint);
  return {
    device: deviceSection(found, line.device.path),
    label,
    mountPoint,
    alsoAt: also,
    compression: compress?.slice("compress=".length) ?? "no",
    options: options.filter((option) => option !== compress),
    ...owners,
    folders: foldersThatFit(found, mountPoint, owners, ["daily-backups", "logs", "temp-processing"]),
    ...(line.isOurs ? {} : { keepFstab: true }),
  };
}

/** Another folder that shows the same by a bind mount; false: none. */
function alsoOf({ lines }: Found, mountPoint: string): string | false {
  const bind = lines.find(({ entry }) => entry.options.includes("bind") && plainPath(entry.source) === mountPoint);
  return bind === undefined ? false : plainPath(bind.entry.mountPoint);
}

/** The first export of NFS that has a folder of ours, or only one folder at all, and others that have ours. */
function draftCold(found: Found, lines: readonly FoundLine[], notes: Note[]): Section | undefined {
  const [line, ...others] = lines.filter(({ entry }) => /^nfs4?$/.test(entry.type));
  const own = line === undefined ? undefined : draftExport(found, line, notes);
  const volumes: Record<string, Section> = {};
  for (const other of others) {
    const { source } = other.entry;
    const mountPoint = plainPath(other.entry.mountPoint);
    const name = mountPoint.slice(mountPoint.lastIndexOf("/") + 1).toLowerCase();
    const isFree = coldVolumeName.safeParse(name).success && volumes[name] === undefined;
    const isOurs = found.folders.has(`${mountPoint}/${OUR_FOLDER}`);
    const volume = own !== undefined && isFree && isOurs ? draftExport(found, other, notes) : undefined;
    if (volume !== undefined) volumes[name] = volume;
    else
      notes.push(
        left(
          `${source} at ${mountPoint}: a further export becomes a volume of the cold tier only where it has the folder ` +
            OUR_FOLDER,
          "nothing, if it is not ours; else declare it in cold.volumes.",
        ),
      );
  }
  if (own === undefined || Object.keys(volumes).length === 0) return own;
  return { ...own, volumes };
}

const OUR_FOLDER = "jts";

function draftExport(found: Found, line: FoundLine, notes: Note[]): Section | undefined {
  const { entry, mount } = line;
  const mountPoint = plainPath(entry.mountPoint);
  const reason = whyNotMounted(found, line);
  if (reason !== undefined || mount === undefined) {
    if (reason !== undefined) notes.push(reason);
    return undefined;
  }
  const inside = [...found.folders].flatMap(([path, status]) =>
    path.startsWith(`${mountPoint}/`) ? [{ name: path.slice(mountPoint.length + 1), ...status }] : [],
  );
  const root = inside.find(({ name }) => name === OUR_FOLDER) ?? (inside.length === 1 ? inside[0] : undefined);
  if (root === undefined || !/^(?!\.)[^/\p{Cc}]+$/u.test(root.name)) {
    const has =
      inside.length === 0
        ? "no folder"
        : `the folders ${inside
            .map(({ name }) => name)
            .sort()
            .join(", ")}`;
    notes.push(
      obstacle(
        "folder",
        `${entry.source} at ${mountPoint} has ${has}, and the cold tier keeps its files in one of its own`,
        `mkdir ${mountPoint}/jts; then adopt again. Or write the section cold by hand, with root.`,
      ),
    );
    return undefined;
  }
  const [, server = "", exported = ""] = /^(\[[^\]]+\]|[^:]+):(\/.*)$/.exec(entry.source) ?? [];
  const version = /(?:^|,)vers=([\d.]+)/.exec(mount.filesystemOptions.join(","))?.[1] ?? "3";
  return {
    server,
    export: exported,
    mountPoint,
    version: version === "4.0" ? "4" : version,
    options: declarableOptions(line, "nfs").filter((option) => !/^(nfs)?vers=/.test(option)),
    root: root.name,
    owner: root.owner,
    group: root.group,
    mode: root.mode,
    folders: [],
    ...(line.isOurs ? {} : { keepFstab: true }),
  };
}

/** Lines of fstab that no tier has. */
function findUnused(
  found: Found,
  lines: readonly FoundLine[],
  notes: readonly Note[],
  { hot, warm, cold }: Draft["sections"],
): Note[] {
  const volumes = Object.values((hot?.volumes ?? {}) as Record<string, Section>);
  const tree = typeof hot?.tree === "string" ? hot.tree : undefined;
  const exports = [cold, ...Object.values((cold?.volumes ?? {}) as Record<string, Section>)];
  const taken = [...[...volumes, ...exports].map((one) => one?.mountPoint), warm?.mountPoint, warm?.alsoAt];
  return lines.flatMap((line) => {
    const at = plainPath(line.entry.mountPoint);
    const isTold = notes.some(
      ({ text }) => text.includes(` ${line.entry.mountPoint}`) || text.includes(`${line.entry.source} `),
    );
    const isTaken = taken.includes(at) || (tree !== undefined && at.startsWith(`${tree}/`));
    if (isTold || isTaken || line.entry.type === "swap") return [];
    const reason =
      line.device === undefined && !/^\/dev\/|^[A-Z]+=/.test(line.entry.source)
        ? undefined
        : whyNotMounted(found, line);
    return [reason ?? left(`${line.entry.source} at ${at}: no tier of this program is like it`)];
  });
}

/** Options and fields of lines that work, and that this program would write otherwise; each once, with all lines. */
function adviseOnLines({ lines, features }: Found): Note[] {
  const advised = lines
    .filter(({ isOurs, entry }) => !isOurs && entry.mountPoint.startsWith("/") && !SYSTEM.test(entry.mountPoint))
    .flatMap(({ entry, device }) => {
      const type = entry.type === "nfs4" ? "nfs" : entry.type;
      const isBind = entry.options.includes("bind");
      const about = (what: string, next: string) => ({ what, next, place: entry.mountPoint });
      const told = isBind
        ? []
        : refusedOptions({ ...entry, type }).map(({ reason }) => about(reason, "correct it in /etc/fstab."));
      if (
        entry.options.some((option) => /^barrier=0$|^nobarrier$/.test(option)) &&
        told.every(({ what }) => !/barrier/.test(what))
      )
        told.push(
          about(
            "write barriers are off, so that a loss of power can damage the filesystem",
            "leave that option out, unless the disk's cache has a battery: edit /etc/fstab; then mount -o remount,barrier=1 …",
          ),
        );
      if (!entry.options.includes("nofail"))
        told.push(
          about(
            "without nofail, a disk or server that is away stops the boot in the emergency mode",
            "add nofail in /etc/fstab, which the next boot goes by; then adopt again, so that the configuration has it.",
          ),
        );
      if (type === "nfs" && !entry.options.includes("_netdev"))
        told.push(
          about(
            "without _netdev, nothing says that the network must be up first",
            "add _netdev in /etc/fstab; then adopt again, so that the configuration has it.",
          ),
        );
      if (device !== undefined && features.get(device.path)?.includes("sparse_super2") === true)
        told.push(
          about(
            "the ext4 has the feature sparse_super2: it keeps only two copies of the superblock, and not every tool knows it",
            "nothing now, since it can't be taken out; leave it out where the filesystem is made anew.",
          ),
        );
      return told;
    });
  return [...Map.groupBy(advised, ({ what, next }) => `${what}\n${next}`).values()].map((all) => {
    const [{ what, next }] = all as [(typeof all)[number]];
    return advice(`${all.map(({ place }) => place).join(", ")}: ${what}`, next);
  });
}

/** Settings beside those that this program would make. */
function adviseOnSettings({ settings }: Found): Note[] {
  return [...settings]
    .filter(([file]) => !/jts-storage/.test(file))
    .flatMap(([file, all]) => {
      const trims = all.filter((setting) => /fstrim/.test(setting));
      const others = all.filter((setting) => !/fstrim/.test(setting));
      return [
        ...(others.length === 0
          ? []
          : [
              advice(
                `${file} sets what \`tuning\` sets, too: ${others.join("; ")}`,
                `once tuning is on, take that out of ${file}.`,
              ),
            ]),
        ...trims.map((rule) =>
          advice(
            `${file} runs fstrim by a rule of udev, at each event of the disk, and udev ends what takes long: ${rule}`,
            `take that line out of ${file}; \`tuning\` trims weekly, by a timer.`,
          ),
        ),
      ];
    });
}
