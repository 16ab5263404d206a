import fc from "fast-check";
import type { CommonInputs, ResourceKind } from "../../../../providers/engine/resource.ts";
import { configFile } from "../../../../providers/resources/configFile.ts";
import { directory } from "../../../../providers/resources/directory.ts";
import { filesystem } from "../../../../providers/resources/filesystem.ts";
import { fstabEntry } from "../../../../providers/resources/fstabEntry.ts";
import { logicalVolume } from "../../../../providers/resources/logicalVolume.ts";
import { nfsMount } from "../../../../providers/resources/nfsMount.ts";
import { physicalVolume } from "../../../../providers/resources/physicalVolume.ts";
import { systemdTimer } from "../../../../providers/resources/systemdTimer.ts";
import { systemUser } from "../../../../providers/resources/systemUser.ts";
import { volumeGroup } from "../../../../providers/resources/volumeGroup.ts";
import { putEntry } from "../../../../providers/values/fstabText.ts";

/** Every kind of resource with what may be declared of it, and what may be seen of that on a host. */

const MIB = 1024 ** 2;
const EXTENT = 4 * MIB;

type InputsOf<K> = K extends ResourceKind<infer I, infer _S> ? I : never;
export type SeenOf<K> = K extends ResourceKind<infer _I, infer S> ? S : never;

/** What the properties need to know of a kind. */
interface Case {
  readonly name: string;
  readonly kind: ResourceKind<CommonInputs, unknown>;
  readonly inputs: fc.Arbitrary<CommonInputs>;
  /** What is seen when the host is as declared. */
  readonly converged: (inputs: CommonInputs) => unknown;
  /** What may be seen otherwise. */
  readonly any: (inputs: CommonInputs) => fc.Arbitrary<unknown>;
  /** For every declaration: what is seen when the host is as declared, and what may be seen otherwise. */
  readonly check: (property: (one: Planned) => void) => void;
}

type Properties = Readonly<Record<string, unknown>>;

interface Planned {
  readonly inputs: Properties;
  readonly converged: Outcome;
  readonly any: Outcome;
  readonly sameAgain: readonly unknown[];
}

interface Outcome {
  readonly plan: ReturnType<ResourceKind<CommonInputs, unknown>["plan"]>;
  readonly destroyed: ReturnType<ResourceKind<CommonInputs, unknown>["plan"]>;
  readonly isAbsent: boolean;
  readonly reported: Properties;
  readonly seen: unknown;
}

function kindCase<I extends CommonInputs, S>(
  kind: ResourceKind<I, S>,
  inputs: fc.Arbitrary<I>,
  converged: (inputs: I) => S,
  any: (inputs: I) => fc.Arbitrary<S>,
): Case {
  const outcome = (desired: I, seen: S, uuid: string): Outcome => ({
    plan: kind.plan(desired, seen),
    destroyed: kind.planDestroy({ ...desired, uuid } as unknown as I & Properties, seen),
    isAbsent: kind.isAbsent(desired, seen),
    reported: { ...desired, ...kind.report(desired, seen).inputs } as Properties,
    seen,
  });
  return {
    name: kind.name,
    ...({ kind, inputs, converged, any } as unknown as Pick<Case, "kind" | "inputs" | "converged" | "any">),
    check(property) {
      fc.assert(
        fc.property(
          inputs.chain((desired) => fc.tuple(fc.constant(desired), any(desired), uuid)),
          ([desired, seen, stateUuid]) => {
            property({
              inputs: desired as unknown as Properties,
              converged: outcome(desired, converged(desired), "uuid-1"),
              any: outcome(desired, seen, stateUuid),
              sameAgain: kind.refuseChange?.(desired, desired) ?? [],
            });
          },
        ),
        { numRuns: 200 },
      );
    },
  };
}

const word = fc.string({ unit: fc.constantFrom(..."abz019_"), minLength: 1, maxLength: 6 }).map((text) => `n${text}`);
const path = fc.array(word, { minLength: 1, maxLength: 3 }).map((names) => `/${names.join("/")}`);
const uuid = fc.constantFrom("uuid-1", "uuid-2");
export const onDelete = fc.constantFrom("retain" as const, "wipe" as const, "protect" as const);
export const bytes = fc.oneof(
  fc.integer({ min: 1, max: 4 * 1024 * 1024 * MIB }),
  fc.integer({ min: 1, max: 1024 * 1024 }).map((extents) => extents * EXTENT),
);
const mode = fc.constantFrom("750", "755", "1777", "000");
const optional = <T>(value: fc.Arbitrary<T>) => fc.option(value, { nil: undefined });
const signs = fc.constantFrom<string[][]>([], ["a signature of gpt"], ["mounted at /data", "in use as swap"]);
const device = fc.record({
  path: fc.constant("/dev/sda"),
  type: fc.constant("disk"),
  sizeBytes: bytes,
  serial: optional(fc.constantFrom("S1", "S2")),
  number: fc.constant("8:0"),
  isInUse: fc.boolean(),
});
const roundUp = (size: number) => Math.ceil(size / EXTENT) * EXTENT;

const none = { usedBytes: 0, freeBytes: 1000 * EXTENT, tags: [] };
const pvOf = (name: string, tags: string[] = []) => ({
  name,
  uuid: `uuid of ${name}`,
  volumeGroup: "vg",
  deviceBytes: 1000 * EXTENT,
  sizeBytes: 1000 * EXTENT,
  dataStartBytes: EXTENT,
  ...none,
  tags,
});

export const pv = kindCase<InputsOf<typeof physicalVolume>, SeenOf<typeof physicalVolume>>(
  physicalVolume,
  fc.record({
    host: word,
    device: path,
    sizeBytes: optional(bytes),
    serial: optional(fc.constantFrom("S1", "S2")),
    dataAlignmentBytes: fc.constantFrom(MIB, EXTENT),
    onDelete,
  }),
  ({ sizeBytes = 1000 * EXTENT, serial, dataAlignmentBytes }) => ({
    device: { path: "/dev/sda", type: "disk", sizeBytes, serial, number: "8:0", isInUse: false },
    volume: {
      name: "/dev/sda",
      uuid: "uuid-1",
      volumeGroup: "",
      deviceBytes: sizeBytes,
      sizeBytes: sizeBytes - dataAlignmentBytes,
      dataStartBytes: dataAlignmentBytes,
      ...none,
    },
    signs: [],
  }),
  () =>
    fc.record({
      device: optional(device),
      volume: optional(
        fc.record({
          name: fc.constant("/dev/sda"),
          uuid,
          volumeGroup: fc.constantFrom("", "vg"),
          deviceBytes: bytes,
          sizeBytes: bytes,
          dataStartBytes: fc.constantFrom(MIB, EXTENT, 1000),
          usedBytes: fc.constant(0),
          freeBytes: fc.constant(0),
          tags: fc.constant([]),
        }),
      ),
      signs,
    }),
);

const vg = kindCase<InputsOf<typeof volumeGroup>, SeenOf<typeof volumeGroup>>(
  volumeGroup,
  fc.record({
    host: word,
    name: word,
    physicalVolumes: fc.uniqueArray(path, { minLength: 1, maxLength: 3 }),
    extentSizeBytes: fc.constantFrom(EXTENT, 2 * EXTENT),
    onDelete,
  }),
  ({ name, physicalVolumes, extentSizeBytes }) => ({
    group: {
      name,
      uuid: "uuid-1",
      extentBytes: extentSizeBytes,
      extents: 9,
      freeExtents: 9,
      physicalVolumes: physicalVolumes.map((one) =>
        pvOf(`real ${one}`, physicalVolumes.length > 1 ? ["jts-storage"] : []),
      ),
      logicalVolumes: [],
    },
    names: new Map(physicalVolumes.map((one) => [one, `real ${one}`])),
  }),
  ({ name, physicalVolumes }) => {
    const devices = fc.subarray([
      ...physicalVolumes.map((one) => pvOf(`real ${one}`)),
      pvOf("/dev/other"),
      pvOf("/dev/leaving", ["jts-storage"]),
    ]);
    const volumes = fc.constantFrom<{ name: string; uuid: string; sizeBytes: number; origin: undefined }[][]>(
      [],
      [{ name: "lv", uuid: "u", sizeBytes: 1, origin: undefined }],
    );
    return fc.record({
      group: optional(
        fc.record({
          name: fc.constant(name),
          uuid,
          extentBytes: fc.constantFrom(EXTENT, 2 * EXTENT),
          extents: fc.constant(9),
          freeExtents: fc.constant(9),
          physicalVolumes: devices,
          logicalVolumes: volumes,
        }),
      ),
      names: fc
        .subarray(physicalVolumes)
        .map((there) => new Map(physicalVolumes.map((one) => [one, there.includes(one) ? `real ${one}` : undefined]))),
    });
  },
);

export const lv = kindCase<InputsOf<typeof logicalVolume>, SeenOf<typeof logicalVolume>>(
  logicalVolume,
  fc.record({ host: word, volumeGroup: word, name: word, sizeBytes: bytes, onDelete }),
  ({ volumeGroup: group, name, sizeBytes }) => ({
    group: {
      name: group,
      uuid: "u",
      extentBytes: EXTENT,
      extents: 9,
      freeExtents: 9,
      physicalVolumes: [],
      logicalVolumes: [],
    },
    volume: { name, uuid: "uuid-1", sizeBytes: roundUp(sizeBytes), origin: undefined },
  }),
  ({ volumeGroup: group, name }) =>
    fc.record({
      group: optional(
        fc.constant({
          name: group,
          uuid: "u",
          extentBytes: EXTENT,
          extents: 9,
          freeExtents: 9,
          physicalVolumes: [],
          logicalVolumes: [],
        }),
      ),
      volume: optional(
        fc.record({ name: fc.constant(name), uuid, sizeBytes: bytes.map(roundUp), origin: optional(word) }),
      ),
    }),
);

export const fs = kindCase<InputsOf<typeof filesystem>, SeenOf<typeof filesystem>>(
  filesystem,
  fc.record({
    host: word,
    device: path,
    sizeBytes: optional(bytes),
    serial: optional(fc.constantFrom("S1", "S2")),
    type: fc.constantFrom("ext4" as const, "xfs" as const, "btrfs" as const),
    label: optional(word),
    mkfsOptions: fc.constantFrom<string[][]>([], ["-K"]),
    onDelete,
  }),
  ({ sizeBytes = 1000 * EXTENT, serial, type, label }) => ({
    device: { path: "/dev/sda", type: "disk", sizeBytes, serial, number: "8:0", isInUse: false },
    filesystem: { type, label, uuid: "uuid-1", bytes: Math.max(1, sizeBytes - EXTENT) },
    signs: [],
  }),
  ({ type }) =>
    fc.record({
      device: optional(device),
      filesystem: optional(fc.record({ type: fc.constant(type), label: optional(word), uuid, bytes })),
      signs,
    }),
);

const live = fc.record({
  target: fc.constant("/nm"),
  source: fc.constantFrom("/dev/sda", "nas:/a"),
  type: fc.constant("ext4"),
  root: fc.constant("/"),
  number: fc.constant("8:1"),
  mountOptions: fc.subarray(["rw", "ro", "noatime", "nosuid"]),
  filesystemOptions: fc.subarray(["rw", "commit=30", "data=writeback"]),
});
const text = fc.constantFrom("", "LABEL=root / ext4 defaults 0 1\n", "# comment\nproc /proc proc");
function mountedSeen(mountPoint: string): fc.Arbitrary<SeenOf<typeof fstabEntry>> {
  const entry = fc.record({
    source: fc.constantFrom("LABEL=a", "/dev/sda", "nas:/a"),
    mountPoint: fc.constant(mountPoint),
    type: fc.constantFrom("ext4", "xfs", "nfs"),
    options: fc.subarray(["noatime", "commit=30", "vers=3"], { minLength: 1 }),
    dump: fc.constant(0),
    pass: fc.constantFrom(0, 2),
  });
  return fc.record({
    text,
    found: optional(fc.record({ entry, isOurs: fc.boolean() })),
    mount: optional(live.map((mount) => ({ ...mount, target: mountPoint }))),
    isSource: fc.boolean(),
    isSameSource: fc.boolean(),
    made: fc.subarray([`immutable ${mountPoint}`, `directory ${mountPoint}`]).map((lines) => new Set(lines)),
  });
}

const fstab = kindCase<InputsOf<typeof fstabEntry>, SeenOf<typeof fstabEntry>>(
  fstabEntry,
  fc.record({
    host: word,
    source: fc.constantFrom("LABEL=a", "UUID=1"),
    mountPoint: path,
    type: fc.constantFrom("ext4", "xfs", "btrfs"),
    options: fc.subarray(["noatime", "nofail", "commit=30", "x-systemd.device-timeout=5min", "defaults"], {
      minLength: 1,
    }),
    dump: fc.constant(0),
    pass: fc.constant(0),
  }),
  ({ host: _, ...entry }) => ({
    text: putEntry("", entry),
    found: { entry, isOurs: true },
    mount: {
      target: entry.mountPoint,
      source: "/dev/sda",
      type: entry.type,
      root: "/",
      number: "8:1",
      mountOptions: ["rw", ...entry.options.filter((option) => option === "noatime")],
      filesystemOptions: ["rw", ...entry.options.filter((option) => option === "commit=30")],
    },
    isSource: true,
    isSameSource: true,
    made: new Set(),
  }),
  ({ mountPoint }) => mountedSeen(mountPoint),
);

const nfs = kindCase<InputsOf<typeof nfsMount>, SeenOf<typeof nfsMount>>(
  nfsMount,
  fc.record({
    host: word,
    server: fc.constantFrom("nas", "192.168.1.101", "[fd00::1]"),
    export: path,
    mountPoint: path,
    version: fc.constantFrom("3" as const, "4" as const, "4.1" as const, "4.2" as const),
    options: fc.subarray(["rw", "hard", "rsize=1048576", "_netdev", "timeo=600"]),
  }),
  ({ server, export: folder, mountPoint, version, options }) => {
    const entry = {
      source: `${server}:${folder}`,
      mountPoint,
      type: "nfs",
      options: [`vers=${version}`, ...options],
      dump: 0,
      pass: 0,
    };
    const shown = [
      "rw",
      `vers=${version === "4" ? "4.2" : version}`,
      "rsize=65536",
      "hard",
      "timeo=600",
      "addr=192.168.1.101",
    ];
    return {
      text: putEntry("", entry),
      found: { entry, isOurs: true },
      mount: {
        target: mountPoint,
        source: entry.source,
        type: "nfs",
        root: "/",
        number: "0:40",
        mountOptions: ["rw", "relatime"],
        filesystemOptions: shown,
      },
      isSource: true,
      isSameSource: true,
      made: new Set(),
    };
  },
  ({ mountPoint }) => mountedSeen(mountPoint),
);

const tree = kindCase<InputsOf<typeof directory>, SeenOf<typeof directory>>(
  directory,
  fc.record({
    host: word,
    path,
    owner: word,
    group: word,
    mode,
    folders: fc.uniqueArray(
      fc.array(word, { minLength: 1, maxLength: 3 }).map((names) => names.join("/")),
      { maxLength: 4 },
    ),
  }),
  ({ path: root, owner, group, mode, folders }) => ({
    paths: new Map(
      [
        root,
        ...folders.flatMap((folder) =>
          folder.split("/").map((_, index, names) => `${root}/${names.slice(0, index + 1).join("/")}`),
        ),
      ].map((one) => [one, { type: "directory", owner, group, mode }]),
    ),
    made: new Set([`directory ${root}`]),
  }),
  ({ path: root, folders }) => {
    const all = [root, ...folders.map((folder) => `${root}/${folder}`)];
    const status = fc.record({
      type: fc.constantFrom("directory", "regular file", "symbolic link"),
      owner: word,
      group: word,
      mode,
    });
    return fc.record({
      paths: fc.array(fc.tuple(fc.constantFrom(...all), status)).map((entries) => new Map(entries)),
      made: fc.subarray([...all, `${root}/other`].map((one) => `directory ${one}`)).map((lines) => new Set(lines)),
    });
  },
);

const user = kindCase<InputsOf<typeof systemUser>, SeenOf<typeof systemUser>>(
  systemUser,
  fc.record({ host: word, group: word, user: optional(word), home: path, onDelete }),
  () => ({ group: true, user: true, made: new Set() }),
  ({ group, user: name }) =>
    fc.record({
      group: fc.boolean(),
      user: fc.boolean(),
      made: fc.subarray([`group ${group}`, `user ${name}`]).map((lines) => new Set(lines)),
    }),
);

const config = kindCase<InputsOf<typeof configFile>, SeenOf<typeof configFile>>(
  configFile,
  fc.record({
    host: word,
    path,
    content: fc.string(),
    owner: word,
    group: word,
    mode,
    activation: fc.constantFrom(
      { kind: "none" as const },
      { kind: "sysctl" as const },
      { kind: "udev" as const, device: "/dev/sda", attribute: "queue/scheduler", value: "none" },
    ),
  }),
  ({ content, owner, group, mode, activation }) => ({
    file: { type: "regular file", content, owner, group, mode },
    live: activation.kind === "none" ? [] : [{ path: "/proc/a", wanted: "1", value: "1" }],
    made: new Set(),
  }),
  ({ path: file, content }) =>
    fc.record({
      file: optional(
        fc.record({
          type: fc.constantFrom("regular file", "directory", "symbolic link"),
          owner: word,
          group: word,
          mode,
          content: fc.oneof(fc.constant(content), fc.string()),
        }),
      ),
      live: fc.array(
        fc.record({
          path: fc.constant("/proc/a"),
          wanted: fc.constant("1"),
          value: optional(fc.constantFrom("1", "2")),
        }),
        { maxLength: 1 },
      ),
      made: fc.subarray([`file ${file}`, "kernel /proc/a 0"]).map((lines) => new Set(lines)),
    }),
);

const timerInputs = fc.record({
  host: word,
  name: word,
  description: word,
  onCalendar: fc.constantFrom("daily", "weekly"),
  randomizedDelaySeconds: fc.nat(99),
  persistent: fc.boolean(),
  unit: fc.constant({}),
  service: fc.constantFrom<InputsOf<typeof systemdTimer>["service"][]>(
    { ExecStart: "/bin/true" },
    { Type: "exec", ExecStart: ["", "/bin/false"] },
  ),
});
const timerTexts = (desired: InputsOf<typeof systemdTimer>): readonly string[] =>
  systemdTimer
    .plan(desired, { timerText: undefined, serviceText: undefined, timer: unitStatus(true), made: new Set() })
    .steps[0]?.command.argv.slice(-2) ?? [];
const unitStatus = (runs: boolean) => ({
  loadState: "loaded",
  fileState: runs ? "enabled" : "disabled",
  activeState: runs ? "active" : "failed",
  needsReload: false,
});
const timer = kindCase<InputsOf<typeof systemdTimer>, SeenOf<typeof systemdTimer>>(
  systemdTimer,
  timerInputs,
  (desired) => ({
    timerText: timerTexts(desired)[0],
    serviceText: timerTexts(desired)[1],
    timer: unitStatus(true),
    made: new Set(),
  }),
  (desired) =>
    fc.record({
      timerText: fc.constantFrom(undefined, timerTexts(desired)[0], "[Timer]\nOnCalendar=hourly\n"),
      serviceText: fc.constantFrom(undefined, timerTexts(desired)[1], "[Service]\n"),
      timer: fc.boolean().map(unitStatus),
      made: fc
        .subarray(["timer", "service"].map((unit) => `file /etc/systemd/system/${desired.name}.${unit}`))
        .map((lines) => new Set(lines)),
    }),
);

export const everyKind = [pv, vg, lv, fs, fstab, nfs, tree, user, config, timer];
