/** What an `up` of a blank host comes to, planned without a host: by the kinds' own plans. */
import { PARTS } from "../../components/tiers.ts";
import { checkInputs, parseInputs } from "../../providers/engine/check.ts";
import type { Refusal, Step } from "../../providers/engine/plan.ts";
import type { Properties } from "../../providers/engine/resource.ts";
import { groupExists, primaryGroups, userExists } from "../../providers/facts/accounts.ts";
import { cacheFile } from "../../providers/facts/cacheFile.ts";
import { contents } from "../../providers/facts/contents.ts";
import type { Ask, Fact } from "../../providers/facts/fact.ts";
import { file } from "../../providers/facts/file.ts";
import { fstab } from "../../providers/facts/fstab.ts";
import { kernelValues } from "../../providers/facts/kernelValues.ts";
import { labelled } from "../../providers/facts/labelled.ts";
import { ledger } from "../../providers/facts/ledger.ts";
import { blockDevices, type BlockDevice } from "../../providers/facts/lsblk.ts";
import { lvm } from "../../providers/facts/lvm.ts";
import { mounts } from "../../providers/facts/mounts.ts";
import { installedPackages, kernelRelease } from "../../providers/facts/packages.ts";
import { pathStatus } from "../../providers/facts/pathStatus.ts";
import { realMountPoints } from "../../providers/facts/realMountPoints.ts";
import { contentLinks, deviceLinks } from "../../providers/facts/realPath.ts";
import { scripts } from "../../providers/facts/scripts.ts";
import { signsOfUse } from "../../providers/facts/signsOfUse.ts";
import { unit } from "../../providers/facts/unit.ts";
import type { Output } from "../../providers/host/command.ts";
import { MissingNeed } from "../progress.ts";
import type { HostResource } from "../stackFile.ts";

/** What is done for one resource. */
export interface PlannedResource {
  readonly resource: HostResource;
  /** As checked. */
  readonly inputs: Properties;
  readonly steps: readonly Step[];
  readonly refusals: readonly Refusal[];
}

/** Stands for the size of a device that isn't declared: only the host knows it. */
export const UNKNOWN_BYTES = Number.POSITIVE_INFINITY;

const NOTHING_FOUND: Output = { stdout: "", stderr: "", exitCode: 1 };

/** The resources in an order in which they can be made, each planned on what those before it leave. */
export async function planBlankHost(resources: readonly HostResource[]): Promise<PlannedResource[]> {
  const ordered = inOrder(resources);
  const checked = ordered.map((resource) => {
    const { inputs, failures = [] } = checkInputs(resource.kind, {}, resource.inputs);
    if (inputs === undefined || failures.length > 0)
      throw new MissingNeed(`${resource.name}: ${failures.map(({ reason }) => reason).join("; ")}`);
    return { resource, inputs };
  });
  const host = blankHost(checked.map(({ inputs }) => inputs));
  const planned: PlannedResource[] = [];
  for (const { resource, inputs } of checked) {
    const { kind } = resource;
    const desired = parseInputs(kind, inputs);
    const { steps, refusals = [] } = kind.plan(desired, await kind.observe(host.ask, desired));
    for (const { foresees } of steps) if (foresees !== undefined) host.foresee(foresees.fact, foresees.value);
    planned.push({ resource, inputs, steps, refusals });
  }
  return planned;
}

/**
 * Each after what it depends on. Part by part, and in a part kind by kind, as far as that allows: what is alike is
 * together. Whatever was declared side by side, the order is the same.
 */
export function inOrder(resources: readonly HostResource[]): HostResource[] {
  const names = new Set(resources.map(({ name }) => name));
  const left = [...resources].sort((one, other) => compareWords(alike(one), alike(other)));
  const done = new Set<string>();
  const ordered: HostResource[] = [];
  while (left.length > 0) {
    const last = ordered.at(-1);
    const ready = left.filter(({ dependencies }) => dependencies.every((name) => done.has(name) || !names.has(name)));
    const first = ready.reduce<HostResource | undefined>(
      (best, one) => (best === undefined || rank(one) < rank(best) ? one : best),
      undefined,
    );
    if (first === undefined) throw new Error(`${left.map(({ name }) => name).join(", ")} wait for each other`);
    const next = ready.find((one) => one.kind === last?.kind && one.parent === last.parent) ?? first;
    left.splice(left.indexOf(next), 1);
    done.add(next.name);
    ordered.push(next);
  }
  return ordered;
}

/** What is of one kind by what it is, and then by whose it is: all `…-mount` before all `…-tree`. */
function alike({ subject }: HostResource): readonly string[] {
  return [subject.slice(subject.lastIndexOf("-") + 1), subject];
}

function compareWords([one = "", ...ones]: readonly string[], [other = "", ...others]: readonly string[]): number {
  if (one !== other) return one < other ? -1 : 1;
  return ones.length === 0 ? 0 : compareWords(ones, others);
}

/** The place of a resource's part among those of a host. */
function rank({ parent = "", inputs }: HostResource): number {
  const part = parent.slice(String(inputs.host).length + 1);
  return PARTS.findIndex((one) => one === part);
}

/**
 * A host that has the declared devices, blank, and a root filesystem; nothing else. It knows the facts that kinds ask
 * for; to any other question its answer is that of a command that found nothing.
 */
function blankHost(all: readonly Properties[]): { readonly ask: Ask; foresee(fact: unknown, value: unknown): void } {
  const devices = new Map(
    all.flatMap(devicesIn).map((device, index) => [device.path, { ...device, number: `259:${index}` }] as const),
  );
  const links = new Map(
    all.flatMap(({ device, label }) =>
      typeof device === "string" && typeof label === "string" ? [[`/dev/disk/by-label/${label}`, device] as const] : [],
    ),
  );
  const root = {
    target: "/",
    source: "/dev/root",
    type: "ext4",
    root: "/",
    number: "254:0",
    mountOptions: ["rw"],
    filesystemOptions: ["rw"],
  };
  const answers = new Map<unknown, (args: never) => unknown>([
    answer(blockDevices, () => devices),
    answer(deviceLinks, () => new Map()),
    answer(contentLinks, () => links),
    answer(contents, () => ({ signatures: [], bytes: undefined, unusableBytes: 0, devices: 1 })),
    answer(signsOfUse, () => []),
    answer(labelled, () => []),
    answer(lvm, () => ({ physicalVolumes: [], volumeGroups: [] })),
    answer(fstab, () => ""),
    answer(mounts, () => [root]),
    answer(realMountPoints, (paths) => new Map(paths.map((path) => [path, path]))),
    answer(ledger, () => new Set()),
    answer(file, () => undefined),
    answer(cacheFile, () => ({ sizeBytes: undefined, allocatedBytes: undefined, freeBytes: undefined })),
    answer(pathStatus, () => new Map()),
    answer(scripts, () => ({ entries: new Map(), leadsTo: undefined, listed: [] })),
    answer(unit, () => ({
      loadState: "not-found",
      fileState: "",
      activeState: "inactive",
      needsReload: false,
      path: "",
    })),
    answer(userExists, () => false),
    answer(groupExists, () => false),
    answer(primaryGroups, () => new Map()),
    answer(installedPackages, () => new Map()),
    // Newer than any that is asked for.
    answer(kernelRelease, () => String(Number.MAX_SAFE_INTEGER)),
    // Not as declared, whatever that is.
    answer(kernelValues, (paths) => new Map(paths.map((path) => [path, { value: "as the kernel has it" }]))),
  ]);
  return {
    ask: <A, T>(fact: Fact<A, T>, args: A) => {
      const known = answers.get(fact) as ((args: A) => T) | undefined;
      return Promise.resolve(known === undefined ? fact.parse(NOTHING_FOUND, args) : known(args));
    },
    foresee: (fact, value) => void answers.set(fact, () => value),
  };
}

function answer<A, T>(fact: Fact<A, T>, value: (args: A) => T): readonly [unknown, (args: never) => unknown] {
  return [fact, value];
}

/** The devices that a resource names, or makes. */
function devicesIn({ device, sizeBytes, serial, path, volumeGroup }: Properties): BlockDevice[] {
  const blank = (at: unknown, type: string): BlockDevice[] =>
    typeof at !== "string"
      ? []
      : [
          {
            path: at,
            type,
            sizeBytes: typeof sizeBytes === "number" ? sizeBytes : UNKNOWN_BYTES,
            serial: typeof serial === "string" ? serial : undefined,
            number: "",
            isInUse: false,
            logicalBlockBytes: 512,
            multipath: undefined,
          },
        ];
  // A logical volume has a path, which its filesystem names.
  return typeof volumeGroup === "string" && device === undefined ? blank(path, "lvm") : blank(device, "disk");
}
