/** What of disks, mount points, NAS and resources may stand in the way of an `up`. */
import { posix } from "node:path";
import { PARTS } from "../../components/tiers.ts";
import { checkInputs } from "../../providers/engine/check.ts";
import type { Properties } from "../../providers/engine/resource.ts";
import { ToolMissing } from "../../providers/errors.ts";
import { deviceAt } from "../../providers/facts/device.ts";
import { orError, type Ask } from "../../providers/facts/fact.ts";
import { mountAt, mounts } from "../../providers/facts/mounts.ts";
import { pathStatus } from "../../providers/facts/pathStatus.ts";
import { signsOfUse } from "../../providers/facts/signsOfUse.ts";
import { notBlank, refuseNoDevice, wrongDevice } from "../../providers/resources/device.ts";
import { formatBytes } from "../../providers/values/size.ts";
import type { Comparison, HostResource } from "../stackFile.ts";
import { firstInside, rpc } from "./questions.ts";
import { advice, failed, ok, reasonOf, unasked, type Row } from "./row.ts";
import { EXPORTS, nfsNull, parseExports, PORT_OF_MOUNTD } from "./rpc.ts";

/** How a resource compares with the host, or why that can't be told. */
export interface Compared {
  readonly resource: HostResource;
  readonly outcome: Comparison | Error;
}

/** The packages that an `up` would install. */
export function missingPackages(compared: readonly Compared[]): readonly string[] {
  return compared.filter(isOf("Packages")).flatMap(({ outcome }) =>
    outcome instanceof Error
      ? []
      : // The arguments of the program that installs them.
        outcome.steps.flatMap(({ command }) => command.argv.slice(4)),
  );
}

/** With what follows from them. */
const inputsOf = ({ resource, outcome }: Compared): Properties =>
  (outcome instanceof Error ? checkInputs(resource.kind, {}, resource.inputs).inputs : outcome.inputs) ??
  resource.inputs;
const isOf = (kind: string) => (one: Compared) => one.resource.kind.name === kind;
const isConverged = ({ outcome }: Compared) =>
  !(outcome instanceof Error) && outcome.steps.length === 0 && outcome.refusals.length === 0;

/** A resource whose tools an `up` installs first: only then can it be compared. */
const waitsForTools = ({ outcome }: Compared) => outcome instanceof ToolMissing;

/** Those that have a disk of their own: the others are made on volumes. */
function withDevices(compared: readonly Compared[]): readonly Compared[] {
  const made = new Set(compared.filter(isOf("LogicalVolume")).map((one) => inputsOf(one).path));
  return compared.filter(
    (one) => isOf("PhysicalVolume")(one) || (isOf("Filesystem")(one) && !made.has(inputsOf(one).device)),
  );
}

export async function devices(ask: Ask, compared: readonly Compared[]): Promise<Row[]> {
  const rows = await Promise.all(
    withDevices(compared).map(async (one) => {
      try {
        return await deviceRows(ask, one);
      } catch (error) {
        return [unasked(one.resource.subject, error as Error)];
      }
    }),
  );
  return rows.flat();
}

interface DeviceInputs {
  readonly device: string;
  readonly sizeBytes?: number;
  readonly serial?: string;
}

async function deviceRows(ask: Ask, one: Compared): Promise<Row[]> {
  const wanted = inputsOf(one) as unknown as DeviceInputs;
  const { device: path } = wanted;
  const { subject } = one.resource;
  const device = await deviceAt(ask, path);
  if (device === undefined)
    return refuseNoDevice(path).refusals!.map(({ found, next }) => failed(subject, found, next));
  const serial = device.serial === undefined ? "" : `, serial ${device.serial}`;
  const about = `${path}, ${formatBytes(device.sizeBytes)}${serial}`;
  const { outcome } = one;
  if (!(outcome instanceof Error)) {
    if (outcome.refusals.length > 0) return outcome.refusals.map(({ found, next }) => failed(subject, found, next));
    return [
      ok(
        subject,
        `${about}: ${isConverged(one) ? "as declared" : outcome.steps.map(({ summary }) => summary).join("; ")}`,
      ),
    ];
  }
  // What can be told without the tools that know what is ours.
  const wrong = wrongDevice(wanted, device);
  if (wrong.length > 0) return wrong.map(({ found, next }) => failed(subject, found, next));
  if (!waitsForTools(one)) throw outcome;
  const signs = await ask(signsOfUse, path);
  if (signs.length === 0) return [ok(subject, `${about}: blank`)];
  // An adopted disk of ours shows signs, too.
  return notBlank(device, path, signs).map(({ found, next }) =>
    advice(subject, `${found}; whether it is as declared shows once its tools are installed`, next),
  );
}

/** Whether the volumes fit on the disks. */
export async function volumes(ask: Ask, compared: readonly Compared[]): Promise<Row[]> {
  return Promise.all(
    compared.filter(isOf("VolumeGroup")).map(async (group): Promise<Row> => {
      const { name, physicalVolumes } = inputsOf(group) as { name: string; physicalVolumes: readonly string[] };
      const subject = `volumes of ${name}`;
      const own = compared
        .filter(isOf("LogicalVolume"))
        .map(inputsOf)
        .filter(({ volumeGroup }) => volumeGroup === name);
      const found = await orError(Promise.all(physicalVolumes.map((path) => deviceAt(ask, path))));
      if (found instanceof Error) return unasked(subject, found);
      const wanted = own.reduce((sum, { sizeBytes }) => sum + Number(sizeBytes), 0);
      const there = found.reduce((sum, device) => sum + (device?.sizeBytes ?? 0), 0);
      const sums = `${own.length} volumes, ${formatBytes(wanted)} of ${formatBytes(there)}`;
      if (found.includes(undefined))
        return { state: "not asked", subject, found: `${formatBytes(wanted)} are wanted; a device is missing` };
      return wanted < there ? ok(subject, sums) : failed(subject, sums, "declare smaller volumes, or a larger device");
    }),
  );
}

/** Only what is not mounted yet: what is mounted is compared as a resource. */
export async function mountPoints(ask: Ask, compared: readonly Compared[]): Promise<Row[]> {
  const all = await ask(mounts, undefined);
  const entries = compared.filter((one) => isOf("FstabEntry")(one) || isOf("NfsMount")(one)).map(inputsOf);
  const bare = entries.filter(({ mountPoint }) => mountAt(all, String(mountPoint)) === undefined);
  const rows = await Promise.all(
    bare.map(async ({ mountPoint, mountOverFiles }) => {
      const point = String(mountPoint);
      try {
        return await mountPointRow(ask, point, mountOverFiles === true);
      } catch (error) {
        return unasked(`mount point ${point}`, error as Error);
      }
    }),
  );
  const bad = rows.filter((row) => row !== undefined);
  if (bad.length > 0) return bad;
  const mounted = entries.length - bare.length;
  return [ok("mount points", `${mounted} mounted, ${bare.length} empty or to be made`)];
}

/** Undefined: nothing is in the way. */
async function mountPointRow(ask: Ask, point: string, isOverFiles: boolean): Promise<Row | undefined> {
  const subject = `mount point ${point}`;
  const paths = [point, ...parentsOf(point)];
  const found = await ask(pathStatus, paths);
  const link = paths.find((path) => found.get(path)?.type === "symbolic link");
  if (link !== undefined)
    return failed(subject, `${link} is a symbolic link`, "declare the path that it leads to, or take it away");
  const type = found.get(point)?.type;
  if (type === undefined) return undefined;
  if (type !== "directory") return failed(subject, `is a ${type}`, "move it away, or declare another mount point");
  const inside = await ask(firstInside, point);
  if (inside === undefined) return undefined;
  const what = `is not empty (${inside}, …), and a mount would hide what is in it`;
  if (isOverFiles)
    return advice(subject, `${what}, as mountOverFiles wants it`, "nothing, if nobody needs it while it is mounted");
  return failed(
    subject,
    what,
    `look whose it is; stop the service that uses it, and move it away: mv ${point} ${point}.before; or set mountOverFiles, which keeps it underneath`,
  );
}

function parentsOf(path: string): string[] {
  const parent = posix.dirname(path);
  return parent === "/" ? [] : [parent, ...parentsOf(parent)];
}

/** NFS's port, nfs(5). */
const NFS_PORT = 2049;
/** The portmapper's, rpcbind(8). */
const PORTMAPPER_PORT = 111;

interface Nas {
  readonly server: string;
  readonly export: string;
  readonly version: string;
}

/** The host calls the server's own procedures: nothing is mounted, and no package is needed. */
export async function nas(ask: Ask, compared: readonly Compared[]): Promise<Row[]> {
  const all = compared.filter(isOf("NfsMount")).map((one) => inputsOf(one) as unknown as Nas);
  const servers = new Map(all.map((one) => [`${one.server} ${one.version}`, one]));
  const answers = await Promise.all([...servers.values()].map((one) => serverRow(ask, one)));
  const silent = new Set(
    [...servers.values()].filter((_, index) => answers[index]!.state !== "ok").map(({ server }) => server),
  );
  const exported = await Promise.all(
    all.map(async (one) => (silent.has(one.server) ? notAsked(one) : exportRow(ask, one))),
  );
  return [...answers, ...exported];
}

const notAsked = ({ server, export: folder }: Nas): Row => ({
  state: "not asked",
  subject: `export ${server}:${folder}`,
  found: "the NAS must answer first",
});

async function serverRow(ask: Ask, { server, version }: Nas): Promise<Row> {
  const subject = `NAS ${server}`;
  const reply = await orError(ask(rpc, { server, port: NFS_PORT, procedure: nfsNull(Number.parseInt(version)) }));
  if (!(reply instanceof Error)) return ok(subject, `NFS ${version.split(".")[0]} answers at TCP port ${NFS_PORT}`);
  return failed(
    subject,
    `NFS ${version} by TCP port ${NFS_PORT}: ${reasonOf(reply)}`,
    `on the host: ping ${server}; on the NAS: NFS ${version} must be on, and its firewall open for this host; docs/runbooks/nas-replaced.md where its address changed`,
  );
}

async function exportRow(ask: Ask, { server, export: folder, version }: Nas): Promise<Row> {
  const subject = `export ${server}:${folder}`;
  const exports = await exportsOf(ask, server);
  // Servers of NFS 4 alone have no such list, and their paths may have another root.
  const serious = version === "3" ? failed : advice;
  if (exports instanceof Error)
    return serious(
      subject,
      `the list of exports can't be asked: ${exports.message.split("\n", 1)[0]}`,
      `on the host, once nfs-common is there: showmount --exports ${server}; rpcinfo ${server}. NFS 3 needs the ports of rpcbind (111) and mountd, too`,
    );
  const found = exports.findLast(
    (one) => folder === one.folder || folder.startsWith(`${one.folder.replace(/\/$/, "")}/`),
  );
  if (found !== undefined) return ok(subject, `to ${found.clients.join(", ") || "all"}`);
  const names = exports.map((one) => one.folder).join(", ") || "nothing";
  return serious(
    subject,
    `the NAS exports ${names}`,
    "export it on the NAS, to this host; or correct cold.export, or its volume's",
  );
}

async function exportsOf(ask: Ask, server: string) {
  const reply = await orError(ask(rpc, { server, port: PORTMAPPER_PORT, procedure: PORT_OF_MOUNTD }));
  if (reply instanceof Error) return reply;
  const port = reply.length < 4 ? 0 : reply.readUInt32BE(0);
  if (port === 0) return new Error("the NAS has no mountd of version 3 on TCP");
  const list = await orError(ask(rpc, { server, port, procedure: EXPORTS }));
  if (list instanceof Error) return list;
  try {
    return parseExports(list);
  } catch (error) {
    return error as Error;
  }
}

/** At most so many steps of a part are named, each in so many letters. */
const NAMED = 3;
const LETTERS = 60;

type Part = (typeof PARTS)[number];

/** Parts of the host: what is refused, what can't be told, and what an `up` would do. */
export function parts(host: string, compared: readonly Compared[], which: (part: Part) => boolean): Row[] {
  const shown = new Set(withDevices(compared));
  return PARTS.filter(which).flatMap((part) => {
    const own = compared.filter(({ resource }) => partOf(host, resource) === part);
    return own.length === 0 ? [] : partRows(part, own, shown, compared);
  });
}

function partOf(host: string, { name, parent = "" }: HostResource): Part | undefined {
  const of = (component: string) => PARTS.find((part) => component === `${host}-${part}`);
  return of(parent) ?? of(name);
}

function partRows(
  part: string,
  own: readonly Compared[],
  shown: ReadonlySet<Compared>,
  all: readonly Compared[],
): Row[] {
  const rows: Row[] = [];
  const steps: string[] = [];
  let converged = 0;
  let waiting = 0;
  for (const one of own) {
    const { resource, outcome } = one;
    if (waitsForTools(one) || waitsForVolume(one, all)) waiting++;
    else if (outcome instanceof Error || outcome.refusals.length > 0) {
      // The rows of devices have these.
      if (shown.has(one)) continue;
      if (outcome instanceof Error) rows.push(unasked(resource.subject, outcome));
      else rows.push(...outcome.refusals.map(({ found, next }) => failed(resource.subject, found, next)));
    } else if (outcome.steps.length === 0) converged++;
    else {
      for (const { summary, risk } of outcome.steps)
        if (risk === "safe") steps.push(summary);
        else
          rows.push(
            advice(
              resource.subject,
              `an \`up\` would ${summary}, which interrupts what uses it`,
              "choose the hour of the `up`",
            ),
          );
    }
  }
  const more = steps.length > NAMED ? ` and ${steps.length - NAMED} more` : "";
  const found = [
    ...(converged > 0 ? [`${converged} as declared`] : []),
    ...(steps.length > 0 ? [`to do: ${steps.slice(0, NAMED).map(shortened).join("; ")}${more}`] : []),
    ...(waiting > 0 ? [`${waiting} to compare once the \`up\` has made what they need`] : []),
  ];
  return found.length === 0 ? rows : [...rows, ok(part, found.join("; "))];
}

const shortened = (text: string) => (text.length > LETTERS ? `${text.slice(0, LETTERS).trimEnd()}…` : text);

/** A filesystem on a volume that an `up` makes, or refuses to. */
function waitsForVolume(one: Compared, all: readonly Compared[]): boolean {
  if (!isOf("Filesystem")(one)) return false;
  const volume = all.filter(isOf("LogicalVolume")).find((other) => inputsOf(other).path === inputsOf(one).device);
  return volume !== undefined && !isConverged(volume);
}
