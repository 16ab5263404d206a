import { z } from "zod";
import { CONVERGED, refuse, refuseAll, step, toDo, type Step } from "../engine/plan.ts";
import type { InputsOf, ResourceKind } from "../engine/resource.ts";
import { deviceAt } from "../facts/device.ts";
import type { Ask } from "../facts/fact.ts";
import { file } from "../facts/file.ts";
import { kernelValues } from "../facts/kernelValues.ts";
import { ledger } from "../facts/ledger.ts";
import type { BlockDevice } from "../facts/lsblk.ts";
import type { PathStatus } from "../facts/pathStatus.ts";
import { cmd } from "../host/command.ts";
import { program, recordsProgram } from "../programs/program.ts";
import { accountName, line, mode, path, strictObject } from "../values/fields.ts";
import { isSameKernelValue, kernelValuesIn, refusedKernelValues } from "../values/sysctl.ts";
import { list, word } from "../values/words.ts";
import { kindInputs } from "./inputs.ts";
import { lookAtOthers, refusalsOf, removalOf, takeOver, wasReplaced, type Others } from "./takeOver.ts";

const inputs = kindInputs({
  /** An absolute path. A file that is there already and differs is refused. A change makes another resource. */
  path,
  /** The whole text of the file. */
  content: z.string().refine((text) => !text.includes("\0"), { error: "must not hold a NUL" }),
  /** A user that exists. Default: root. */
  owner: accountName.default("root"),
  /** A group that exists. Default: root. */
  group: accountName.default("root"),
  /** Octal digits, see chmod(1). Default: 644. */
  mode: mode.default("644"),
  /** What brings the file into effect in the running system. Default: none. */
  activation: z
    .discriminatedUnion("kind", [
      strictObject({ kind: z.literal("none") }),
      strictObject({
        /** sysctl --load; the kernel's values are compared too, and put back on delete. See sysctl(8). */
        kind: z.literal("sysctl"),
      }),
      strictObject({
        /**
         * udev's rules are read and applied to block devices, whose attribute in sysfs then has this value. One that
         * has no such attribute, or no choice, is left alone. See udev(7).
         */
        kind: z.literal("udev"),
        /** The block device's path. A queue is that of the disk, where this is a partition. */
        device: path,
        /** Further devices that the rules are for. Default: none. */
        additionalDevices: z.array(path).optional(),
        /** The attribute: a path below the device's folder in /sys/class/block. */
        attribute: z.string().regex(/^[a-z0-9_]+(\/[a-z0-9_]+)*$/, {
          error: "must be a path below the device's folder in /sys/class/block",
        }),
        /** The attribute's value once the rules are applied; of a choice the chosen one. */
        value: line,
      }),
    ])
    .default({ kind: "none" }),
  /**
   * The path, where another's file may be there: it is kept on the host, replaced, and put back on delete. Default:
   * none, so that such a file is refused.
   */
  takeOver,
});
type Inputs = InputsOf<typeof inputs>;

/** A file of the kernel that the activation sets, and what it should and does hold. */
interface Live {
  readonly path: string;
  readonly wanted: string;
  /** Undefined: the kernel has no such file, or doesn't let it be read. */
  readonly value: string | undefined;
  /** What can be chosen, where it is a choice. */
  readonly choices?: readonly string[] | undefined;
  /** Whether it is left alone where there is no such file. Default: no. */
  readonly mayBeMissing?: boolean;
}

export interface Seen {
  readonly others?: Others;
  readonly file: (PathStatus & { readonly content: string }) | undefined;
  readonly live: readonly Live[];
  readonly made: ReadonlySet<string>;
}

/** A file of ours, replaced in one step, and what it brings about in the running kernel. */
export const configFile: ResourceKind<typeof inputs, Seen> = {
  name: "ConfigFile",
  inputs,
  identity: ["path"],
  changes: ["files", "kernel", "ledger"],
  turn: "host",
  id: ({ host, path }) => `${host}:${path}`,
  describe: ({ path, activation }) =>
    list(word(path), word((activation as Partial<Inputs["activation"]> | undefined)?.kind).replace("none", "")),

  refuse: ({ content, activation }) =>
    activation.kind === "sysctl"
      ? refusedKernelValues(kernelValuesIn(content)).map(({ reason }) => ({ property: "content", reason }))
      : [],

  async observe(ask, desired) {
    const [seen, made, wanted] = await Promise.all([
      ask(file, desired.path),
      ask(ledger, undefined),
      wantedValues(ask, desired),
    ]);
    const paths = wanted.map((one) => one.path);
    const values = paths.length === 0 ? undefined : await ask(kernelValues, paths);
    const foreign = isForeign(desired, { file: seen, made }) ? [desired.path] : [];
    return {
      file: seen,
      live: wanted.map((one) => ({ ...one, value: undefined, ...values?.get(one.path) })),
      made,
      others: await lookAtOthers(ask, [desired.path], foreign, made),
    };
  },
  isAbsent: ({ path }, { file: found, made }) => found === undefined && !made.has(`file ${path}`),

  plan(desired, seen) {
    const { path, content, owner, group, mode, activation } = desired;
    const { file: found, live, made, others = {} } = seen;
    const isTaken = isForeign(desired, seen);
    if (isTaken) {
      const byHand = `compare it with what is declared, and move it away: mv ${path} ${path}.before`;
      const refusals = refusalsOf([path], desired.takeOver, others, byHand);
      if (refusals.length > 0) return refuseAll(refusals);
    }
    const leftAlone = live.filter((one) => isLeftAlone(one));
    const wrongLive = live.filter((one) => !isAsWanted(one) && !isLeftAlone(one));
    const missing = activation.kind === "sysctl" ? wrongLive.filter(({ value }) => value === undefined) : [];
    if (missing.length > 0) {
      return refuse(
        missing.map((one) => `the kernel shows no value ${one.path}`),
        "correct the key; or load the kernel's module that has it, by modprobe(8) and for each boot by modules-load.d(5).",
      );
    }
    const differs = isDifferent(desired, found);
    if (!differs && wrongLive.length === 0) return CONVERGED;
    const keep = step(`keep the ${path} of before, for destroy to put back`, recordsProgram("keep-files", [path]));
    const write = step(`write ${path}`, recordsProgram("write-file", [path, owner, group, mode], content));
    return toDo(
      ...putBack(activation.kind === "sysctl" ? droppedValues(found?.content ?? "", content, made) : []),
      ...(isTaken ? [keep] : []),
      ...(differs ? [write] : []),
      ...(activation.kind === "none" ? [] : [activate(desired, wrongLive, leftAlone)]),
    );
  },

  planDestroy({ path }, { made, live, others = {} }) {
    const remembered = live
      .filter((one) => [...made].some((entry) => entry.startsWith(`kernel ${one.path} `)))
      .map((one) => one.path);
    const { how, note } = removalOf(path, made, others);
    const remove = step(
      how === "put-back" ? `put back the ${path} of before` : `${how} ${path}`,
      recordsProgram("remove-file", how === "remove" ? [path] : [path, how]),
    );
    const isOurs = made.has(`file ${path}`) || wasReplaced(path, made);
    return {
      ...toDo(...(isOurs ? [remove] : []), ...putBack(remembered)),
      ...(note === undefined ? {} : { notes: [note] }),
    };
  },

  report: (_inputs, { file: found }) =>
    found === undefined
      ? {}
      : { inputs: { content: found.content, owner: found.owner, group: found.group, mode: found.mode } },
};

function isDifferent({ content, owner, group, mode }: Inputs, found: Seen["file"]): boolean {
  return (
    found === undefined ||
    found.type !== "regular file" ||
    found.content !== content ||
    found.owner !== owner ||
    found.group !== group ||
    found.mode !== mode
  );
}

/** Whether another's file is at the path. One that is just as declared is as good as ours. */
function isForeign(desired: Inputs, { file: found, made }: Pick<Seen, "file" | "made">): boolean {
  return found !== undefined && isDifferent(desired, found) && !made.has(`file ${desired.path}`);
}

async function wantedValues(ask: Ask, { content, activation }: Inputs): Promise<readonly Omit<Live, "value">[]> {
  switch (activation.kind) {
    case "none":
      return [];
    case "sysctl":
      return kernelValuesIn(content).map((one) => ({
        path: one.file,
        wanted: one.value,
        ...(one.mayBeMissing ? { mayBeMissing: true } : {}),
      }));
    case "udev": {
      const { attribute, value } = activation;
      const devices = await Promise.all(devicesOf(activation).map((device) => deviceAt(ask, device)));
      return devices.flatMap((device) =>
        device === undefined
          ? []
          : [{ path: `${folderWith(attribute, device)}/${attribute}`, wanted: value, mayBeMissing: true }],
      );
    }
  }
}

type Udev = Extract<Inputs["activation"], { kind: "udev" }>;

const devicesOf = ({ device, additionalDevices = [] }: Udev): string[] => [device, ...additionalDevices];

/** The folder in sysfs of the device that has the attribute: a partition has no queue, its disk has. */
function folderWith(attribute: string, { path, type }: BlockDevice): string {
  const name = path.slice(path.lastIndexOf("/") + 1);
  // As the kernel names partitions.
  const disk =
    type === "part" && attribute.startsWith("queue/") ? /^(.*\d(?=p\d+$)|.*\D(?=\d+$))/.exec(name)?.[0] : name;
  return `/sys/class/block/${disk ?? name}`;
}

/** Whether it holds what it should, in whatever way the kernel shows that. */
function isAsWanted({ path, wanted, value }: Live): boolean {
  return value !== undefined && isSameKernelValue(path, wanted, value);
}

/**
 * Whether nothing can be set there: no such file, or no other choice, as for a device that is made of others. What
 * isn't among several choices may be a module that isn't loaded yet.
 */
function isLeftAlone({ path, wanted, value, choices, mayBeMissing = false }: Live): boolean {
  if (value === undefined) return mayBeMissing;
  if (wanted === value || !path.startsWith("/sys/")) return false;
  return choices === undefined ? value === "none" : choices.length < 2;
}

/** The kernel's files that the old text set and the new one doesn't, where the value before us is known. */
function droppedValues(oldText: string, newText: string, made: ReadonlySet<string>): string[] {
  const kept = new Set(kernelValuesIn(newText).map((one) => one.file));
  return kernelValuesIn(oldText).flatMap((one) =>
    !kept.has(one.file) && [...made].some((entry) => entry.startsWith(`kernel ${one.file} `)) ? [one.file] : [],
  );
}

function putBack(kernelFiles: readonly string[]): Step[] {
  return kernelFiles.length === 0
    ? []
    : [step(`put back ${kernelFiles.join(", ")}`, program("restore-kernel-values", ...kernelFiles))];
}

function activate({ path, content, activation }: Inputs, wrong: readonly Live[], leftAlone: readonly Live[]): Step {
  const done =
    wrong.length === 0
      ? `activate ${path}`
      : wrong.map((one) => `set ${one.path} to ${one.wanted} (it is ${one.value ?? "absent"})`).join(", ");
  const alone = leftAlone.map(
    (one) => `leave ${one.path} alone (it ${one.value === undefined ? "is absent" : `can only be ${one.value}`})`,
  );
  const summary = [done, ...alone].join(", ");
  switch (activation.kind) {
    case "none":
      return step(summary, cmd`true`);
    case "sysctl": {
      const missing = new Set(leftAlone.map((one) => one.path));
      const files = kernelValuesIn(content).flatMap((one) => (missing.has(one.file) ? [] : [one.file]));
      return step(summary, program("activate-sysctl", path, ...files));
    }
    case "udev": {
      const { attribute, value } = activation;
      return step(summary, program("activate-udev", attribute, value, ...devicesOf(activation)));
    }
  }
}
