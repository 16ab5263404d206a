import { z } from "zod";
import { CONVERGED, refuse, step, toDo, type Step } from "../engine/plan.ts";
import type { InputsOf, ResourceKind } from "../engine/resource.ts";
import type { Ask } from "../facts/fact.ts";
import { file } from "../facts/file.ts";
import { kernelValues } from "../facts/kernelValues.ts";
import { ledger } from "../facts/ledger.ts";
import type { PathStatus } from "../facts/pathStatus.ts";
import { realPath } from "../facts/realPath.ts";
import { cmd } from "../host/command.ts";
import { program, recordsProgram } from "../programs/program.ts";
import { accountName, line, mode, path, strictObject } from "../values/fields.ts";
import { list, word } from "../values/words.ts";
import { kindInputs } from "./inputs.ts";

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
         * udev's rules are read and applied to one block device, whose attribute in sysfs then has this value. See
         * udev(7).
         */
        kind: z.literal("udev"),
        /** The block device's path. */
        device: path,
        /** The attribute: a path below the device's folder in /sys/class/block. */
        attribute: z.string().regex(/^[a-z0-9_]+(\/[a-z0-9_]+)*$/, {
          error: "must be a path below the device's folder in /sys/class/block",
        }),
        /** The attribute's value once the rules are applied; of a choice the chosen one. */
        value: line,
      }),
    ])
    .default({ kind: "none" }),
});
type Inputs = InputsOf<typeof inputs>;

export interface Seen {
  readonly file: (PathStatus & { readonly content: string }) | undefined;
  /** The kernel's files that the activation sets, and what they should and do hold. */
  readonly live: readonly { readonly path: string; readonly wanted: string; readonly value: string | undefined }[];
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

  async observe(ask, desired) {
    const [seen, made, wanted] = await Promise.all([
      ask(file, desired.path),
      ask(ledger, undefined),
      wantedValues(ask, desired),
    ]);
    const values =
      wanted.length === 0
        ? new Map<string, string>()
        : await ask(
            kernelValues,
            wanted.map(([kernelFile]) => kernelFile),
          );
    return {
      file: seen,
      live: wanted.map(([kernelFile, value]) => ({ path: kernelFile, wanted: value, value: values.get(kernelFile) })),
      made,
    };
  },
  isAbsent: ({ path }, { file: found, made }) => found === undefined && !made.has(`file ${path}`),

  plan(desired, { file: found, live, made }) {
    const { path, content, owner, group, mode, activation } = desired;
    const isOurs = made.has(`file ${path}`);
    const differs =
      found === undefined ||
      found.type !== "regular file" ||
      found.content !== content ||
      found.owner !== owner ||
      found.group !== group ||
      found.mode !== mode;
    if (found !== undefined && differs && !isOurs) {
      return refuse(
        `${path} exists already and isn't ours`,
        `compare it with what is declared, and move it away: mv ${path} ${path}.before`,
      );
    }
    const wrongLive = live.filter(({ wanted, value }) => wanted !== value);
    if (!differs && wrongLive.length === 0) return CONVERGED;
    const write = step(`write ${path}`, recordsProgram("write-file", [path, owner, group, mode], content));
    return toDo(
      ...putBack(activation.kind === "sysctl" ? droppedValues(found?.content ?? "", content, made) : []),
      ...(differs ? [write] : []),
      ...(activation.kind === "none" ? [] : [activate(desired, wrongLive)]),
    );
  },

  planDestroy({ path }, { made, live }) {
    const remembered = live
      .filter((one) => [...made].some((entry) => entry.startsWith(`kernel ${one.path} `)))
      .map((one) => one.path);
    const remove = step(`remove ${path}`, recordsProgram("remove-file", [path]));
    return toDo(...(made.has(`file ${path}`) ? [remove] : []), ...putBack(remembered));
  },

  report: (_inputs, { file: found }) =>
    found === undefined
      ? {}
      : { inputs: { content: found.content, owner: found.owner, group: found.group, mode: found.mode } },
};

async function wantedValues(
  ask: Ask,
  { content, activation }: Inputs,
): Promise<readonly (readonly [string, string])[]> {
  switch (activation.kind) {
    case "none":
      return [];
    case "sysctl":
      return sysctlFiles(content);
    case "udev": {
      const device = await realPath(ask, activation.device);
      return device === undefined
        ? []
        : [[`/sys/class/block/${device.slice(device.lastIndexOf("/") + 1)}/${activation.attribute}`, activation.value]];
    }
  }
}

/**
 * The kernel's files that a sysctl.d(5) text sets, and to what; where a key's first separator is a slash, its dots are
 * those of a name.
 */
export function sysctlFiles(text: string): readonly (readonly [string, string])[] {
  return text.split("\n").flatMap((line) => {
    const [, key, value] = /^\s*-?([^#;=\s][^=]*?)\s*=\s*(.*?)\s*$/.exec(line) ?? [];
    return key === undefined || value === undefined
      ? []
      : [
          [
            `/proc/sys/${/^[^./]*\//.test(key) ? key : key.replaceAll(/[./]/g, (separator) => (separator === "." ? "/" : "."))}`,
            value.replaceAll(/\s+/g, " "),
          ] as const,
        ];
  });
}

/** The kernel's files that the old text set and the new one doesn't, where the value before us is known. */
function droppedValues(oldText: string, newText: string, made: ReadonlySet<string>): string[] {
  const kept = new Set(sysctlFiles(newText).map(([kernelFile]) => kernelFile));
  return sysctlFiles(oldText).flatMap(([kernelFile]) =>
    !kept.has(kernelFile) && [...made].some((entry) => entry.startsWith(`kernel ${kernelFile} `)) ? [kernelFile] : [],
  );
}

function putBack(kernelFiles: readonly string[]): Step[] {
  return kernelFiles.length === 0
    ? []
    : [step(`put back ${kernelFiles.join(", ")}`, program("restore-kernel-values", ...kernelFiles))];
}

function activate({ path, content, activation }: Inputs, wrong: Seen["live"]): Step {
  const summary =
    wrong.length === 0
      ? `activate ${path}`
      : wrong.map((one) => `set ${one.path} to ${one.wanted} (it is ${one.value ?? "absent"})`).join(", ");
  switch (activation.kind) {
    case "none":
      return step(summary, cmd`true`);
    case "sysctl":
      return step(summary, program("activate-sysctl", path, ...sysctlFiles(content).map(([kernelFile]) => kernelFile)));
    case "udev":
      return step(summary, program("activate-udev", activation.device, activation.attribute));
  }
}
